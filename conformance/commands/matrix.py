"""`matrix`: run many targets on many vLLMs, and report on all of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conformance.base import files, outlet
from conformance.base.printable import line
from conformance.engines import target
from conformance.engines.registry import ENGINES
from conformance.report import html
from conformance.results import reader
from conformance.results.reader import Results, ResultsProblem
from conformance.runs import matrix
from conformance.runs.matrix import Ended, MatrixProblem

PROBLEMS = (MatrixProblem,)
"""Mistakes of the user; each message says what is wrong, and what to do."""


def add(commands: Any) -> None:
    """Add the command to a parser."""
    one = commands.add_parser(
        "matrix",
        help="run every TARGET on every release, and report on all",
        usage="%(prog)s [options] TARGET… [-- PYTEST ARGUMENTS]",
    )
    one.add_argument("targets", nargs="+", metavar="TARGET", help="a built-in name or a file")
    several = {"action": "append", "default": []}
    for engine in ENGINES.values():
        one.add_argument(
            engine.release.name,
            dest=engine.release.name,
            metavar=engine.release.metavar,
            help=f"may be given several times (default: {engine.release.usual(None)})",
            **several,
        )
    one.add_argument(
        "--template",
        metavar="FILE",
        help="instead of the target's own; may be given several times",
        **several,
    )
    one.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        default=".conformance/matrix",
        help="results, logs and report.html (default: %(default)s)",
    )
    one.add_argument(
        "--servers",
        metavar="N",
        type=int,
        help="at once (default: what cores and memory allow)",
    )
    one.set_defaults(command=run, arguments=[])


def run(chosen: argparse.Namespace) -> int:
    """Run a matrix, write its page, and give the gravest exit status of its runs."""
    servers = matrix.servers_asked(chosen.servers)
    combinations = matrix.combine(
        [target.load(name) for name in chosen.targets],
        {name: vars(chosen)[engine.release.name] for name, engine in ENGINES.items()},
        chosen.template,
    )
    folder = _place(chosen.output)
    ended = matrix.run(
        combinations, chosen.arguments, folder=folder, servers=servers, report=outlet.notice
    )
    for row in _table(ended):
        outlet.say(line(row))
    if runs := _readable(ended):
        page = folder / "report.html"
        page.write_text(html.render(runs), "utf-8")
        outlet.say(line(f"report: {page}"))
    return matrix.status(ended)


def _place(named: str) -> Path:
    folder = Path(named)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.require_room(folder)
    except (OSError, ValueError) as problem:
        told = files.unwritable(folder, problem, "folder")
        raise MatrixProblem(f"--output: {told}") from None
    return folder


def _readable(ended: Sequence[Ended]) -> list[Results]:
    found: list[Results] = []
    for one in ended:
        if one.results is None:
            continue
        try:
            found.append(reader.load(one.results))
        except ResultsProblem as problem:
            outlet.notice(line(f"{one.combination.name} is not in the report: {problem}"))
    return found


def _table(ended: Sequence[Ended]) -> list[str]:
    width = max(len(one.combination.name) for one in ended)
    return [
        f"{one.combination.name:{width}}  exit {one.status}  {matrix.summary(one)}" for one in ended
    ]
