"""The ways out of a pytest session: its terminal, its messages, its reports, JUnit's file.

Servers and files say what they like. Here it becomes visible, inert and short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from conformance.base import printable
from conformance.engines.problem import LaunchProblem

MAX_HEADER_CHARACTERS = 1_000
MAX_TITLE_CHARACTERS = 60
"""More of the name of a server does not fit between the signs of a section's title."""


def refusal(problem: Exception | str) -> pytest.UsageError:
    """Say in one line what is wrong with what the user gave; pytest ends with it."""
    text = str(problem)
    # Only the output of a server or installer takes several lines.
    several = isinstance(problem, LaunchProblem)
    return pytest.UsageError(printable.block(text) if several else printable.line(text))


def header(texts: Iterable[str]) -> list[str]:
    """Give lines of a header to pytest's terminal."""
    return [printable.line(text, MAX_HEADER_CHARACTERS) for text in texts]


def writer(write: Callable[[str], object]) -> Callable[[str], None]:
    """Write lines with what writes to pytest's terminal."""

    def inert(text: str) -> None:
        write(printable.block(text))

    return inert


def title(text: str) -> str:
    """Give the title of a section."""
    return printable.line(text, MAX_TITLE_CHARACTERS)


def place(path: Path) -> Path:
    """Give the path of a file to pytest, which prints it."""
    return Path(printable.line(str(path)))


def clean(report: Any) -> None:
    """Make a report inert: the terminal, JUnit's file and other plugins read what it holds."""
    report.user_properties = [
        (name, printable.line(value) if isinstance(value, str) else value)
        for name, value in report.user_properties
    ]
    report.sections = [(name, printable.block(text)) for name, text in report.sections]
    if hasattr(report, "wasxfail"):
        report.wasxfail = printable.line(report.wasxfail)
    match report.longrepr:
        case str() as text:
            report.longrepr = printable.block(text)
        case (path, line, reason):
            report.longrepr = (printable.line(path), line, printable.line(reason))
        case None:
            pass
        case shown:
            _clean_traceback(shown)


def _clean_traceback(shown: Any) -> None:
    for traceback, crash, _ in getattr(shown, "chain", ()):
        if crash is not None:
            crash.path = printable.line(crash.path)
            crash.message = printable.block(crash.message)
        for entry in traceback.reprentries:
            entry.lines = [printable.block(text) for text in entry.lines]
            if (values := getattr(entry, "reprlocals", None)) is not None:
                values.lines = [printable.block(text) for text in values.lines]
