"""`referee`: run targets on two releases, and say what the change between them does."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance.base import outlet
from conformance.base.printable import line
from conformance.engines import target
from conformance.engines.registry import ENGINES
from conformance.report import rulings
from conformance.results import comparison, reader
from conformance.results.comparison import Incomparable
from conformance.results.reader import Results, ResultsProblem
from conformance.results.ruling import Ruling, rule_on
from conformance.runs import matrix
from conformance.runs.matrix import CONFORMING, FINDINGS, Ended, MatrixProblem

REGRESSED = 1


def add(commands: Any) -> None:
    """Add the command to a parser."""
    one = commands.add_parser(
        "referee",
        help="run TARGETs before and after a change, and say what it breaks and fixes",
        usage="%(prog)s --base RELEASE --head RELEASE [options] TARGET… [-- PYTEST ARGUMENTS]",
    )
    one.add_argument("targets", nargs="+", metavar="TARGET", help="a built-in name or a file")
    options = " or ".join(engine.release.name for engine in ENGINES.values())
    for side, when in (("--base", "before"), ("--head", "after")):
        one.add_argument(
            side,
            required=True,
            metavar="RELEASE",
            help=f"the server {when} the change: whatever {options} takes",
        )
    one.add_argument("--format", choices=["text", "markdown", "json"], default="text")
    one.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        default=".conformance/referee",
        help="results and logs of all runs (default: %(default)s)",
    )
    one.add_argument(
        "--servers",
        metavar="N",
        type=int,
        help="at once (default: what cores and memory allow)",
    )
    one.set_defaults(command=run, arguments=[])


def run(chosen: argparse.Namespace) -> int:
    """Run both sides, print what changed; 1 if something regressed, as the runs if none is judged.

    A target of which a side has no whole results is named, and the status is never 0 then.
    """
    if chosen.base == chosen.head:
        raise MatrixProblem(f"--head: {chosen.head}, which --base is too; name two releases")
    combinations = matrix.combine(
        [target.load(name) for name in chosen.targets],
        {engine: [chosen.base, chosen.head] for engine in ENGINES},
        [],
    )
    ended = matrix.run(
        combinations,
        chosen.arguments,
        folder=Path(chosen.output),
        servers=matrix.servers_asked(chosen.servers),
        report=outlet.notice,
    )
    ruled, unjudged = _rule(ended)
    _print(chosen.format, ruled, unjudged)
    if any(ruling.regressed for ruling in ruled.values()):
        return REGRESSED
    return _status(ended, unjudged)


def _rule(ended: Sequence[Ended]) -> tuple[dict[str, Ruling], dict[str, str]]:
    """Rule on each target, or say why that cannot be; each has a base and then a head."""
    ruled: dict[str, Ruling] = {}
    unjudged: dict[str, str] = {}
    for base, head in zip(ended[::2], ended[1::2], strict=True):
        name = base.combination.target.name
        try:
            old, new = _results(base), _results(head)
            comparison.require_comparable(old, new)
            ruled[name] = rule_on(comparison.compare(old, new))
        except (Incomparable, ResultsProblem, MatrixProblem) as problem:
            unjudged[name] = str(problem)
    return ruled, unjudged


def _results(ended: Ended) -> Results:
    if ended.results is None:
        raise MatrixProblem(f"{ended.combination.release}: {matrix.summary(ended)}")
    return reader.load(ended.results)


def _print(format: str, ruled: Mapping[str, Ruling], unjudged: Mapping[str, str]) -> None:
    for name, reason in unjudged.items():
        outlet.notice(line(f"{name} is not judged: {reason}"))
    if format == "json":
        outlet.data(rulings.document(ruled, unjudged))
    elif format == "markdown":
        outlet.page(rulings.markdown(ruled, unjudged))
    else:
        outlet.say("\n\n".join(rulings.text(*pair) for pair in ruled.items()))


def _status(ended: Sequence[Ended], unjudged: Mapping[str, str]) -> int:
    """Give the gravest status of runs that could not be judged; findings alone are no obstacle."""
    statuses = {one.status for one in ended} - {CONFORMING, FINDINGS}
    if statuses:
        return matrix.status([one for one in ended if one.status in statuses])
    return matrix.USAGE if unjudged else CONFORMING
