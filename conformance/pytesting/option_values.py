"""The values of options: read from words, and written as words."""

from __future__ import annotations

import os
from pathlib import Path

from conformance.client import access
from conformance.client.access import AccessProblem, Header
from conformance.engines import target
from conformance.pytesting import exits
from conformance.pytesting.option import (
    OptionProblem,
    joined,
)
from conformance.reference import Variant
from conformance.terms.server import Target


def read_url(text: str) -> str:
    """Read a server's address; what may hold a secret is refused, and not repeated."""
    for mark, what in (("@", "password"), ("?", "query"), ("#", "fragment")):
        if mark in text:
            # The address is printed, and its parts would go into every request and message.
            raise OptionProblem(
                f"it has a {what} ({mark}); leave that out, and give a key in CONFORMANCE_API_KEY "
                "or what a gateway wants with --header"
            )
    return text


def read_variants(names: list[str]) -> tuple[Variant, ...]:
    """Read the variants of the reference server."""
    return tuple(Variant(name) for name in names)


def read_count(number: int) -> int:
    """Read how many, or how often."""
    if number < 1:
        raise OptionProblem(f"{number}; allowed: 1 and more")
    return number


def read_patience(seconds: float) -> float:
    """Read how long to wait."""
    if not 0 <= seconds < float("inf"):
        raise OptionProblem(f"{seconds}; allowed: seconds from 0")
    return seconds


def read_rate(rate: float) -> float:
    """Read a rate."""
    if not 0 <= rate <= 1:
        raise OptionProblem(f"{rate:g}; allowed: 0 to 1, such as 0.8")
    return rate


def read_paths(names: list[str]) -> tuple[Path, ...]:
    """Read paths."""
    return tuple(Path(name) for name in names)


def read_path_or_none(name: str) -> Path | None:
    """Read a path; an empty one, as of a variable that is not set, is none."""
    return Path(name) if name else None


def read_headers(given: list[str]) -> tuple[Header, ...]:
    """Read headers, whose values may be in the environment."""
    try:
        return access.headers(given, os.environ)
    except AccessProblem as problem:
        raise exits.refusal(problem) from None


def shipped_or_path(name: str, launched: Target) -> list[str]:
    """Write a target: by its name, or by the path of a user's own."""
    shipped = launched.path.parent == target.FOLDER
    return joined(name, launched.name if shipped else launched.path)


def as_shown(name: str, headers: tuple[Header, ...]) -> list[str]:
    """Write headers without what is secret."""
    return [header.shown for header in headers]
