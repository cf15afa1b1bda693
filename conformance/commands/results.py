"""The commands that read what runs wrote: compare and report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from conformance.base import outlet
from conformance.report import badge, changes, html, markdown
from conformance.results import comparison, reader
from conformance.results.comparison import Incomparable
from conformance.results.reader import ResultsProblem

REGRESSED = 1
PROBLEMS = (Incomparable, ResultsProblem)
"""Mistakes of the user; each message says what is wrong, and what to do."""


def add(commands: Any) -> None:
    """Add the commands to a parser."""
    one = commands.add_parser("compare", help="say what changed between two runs")
    one.add_argument("old", metavar="OLD", help="results.json of the earlier run")
    one.add_argument("new", metavar="NEW", help="results.json of the later run")
    one.add_argument("--format", choices=["text", "markdown", "json"], default="text")
    one.set_defaults(command=compare_runs)

    one = commands.add_parser("report", help="write a page about one or more runs")
    one.add_argument("files", nargs="+", metavar="RESULTS", help="results.json of a run")
    one.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    one.add_argument("--format", choices=["html", "markdown", "badge"], default="html")
    one.set_defaults(command=report)


def compare_runs(chosen: argparse.Namespace) -> int:
    """Say what changed between two runs."""
    old, new = reader.load(Path(chosen.old)), reader.load(Path(chosen.new))
    comparison.require_comparable(old, new)
    found = comparison.compare(old, new)
    if chosen.format == "json":
        outlet.data(changes.document(found))
    elif chosen.format == "markdown":
        outlet.page(changes.markdown(found))
    else:
        outlet.say(changes.text(found))
    return REGRESSED if found.regressed else 0


def report(chosen: argparse.Namespace) -> int:
    """Write a page, a summary or a badge about runs."""
    runs = [reader.load(Path(file)) for file in chosen.files]
    renderers = {"html": html.render, "markdown": markdown.render, "badge": badge.render}
    text = renderers[chosen.format](runs)
    if chosen.output is None:
        outlet.page(text)
        return 0
    try:
        Path(chosen.output).write_text(text, "utf-8")
    except OSError as problem:
        what = f"-o: cannot be written: {problem.strerror}"
        raise ResultsProblem(Path(chosen.output), what) from None
    return 0
