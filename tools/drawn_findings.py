"""Draw findings at random, to be read again by somebody who did not list them.

    python -m tools.drawn_findings .conformance/*/results.json --seed 7 --number 60 -o drawn.md

A fault is drawn once for each run and rule, whatever the number of its cases and modes: where it
is listed, once for its known issue, else once for its case. So a fault that shows in a hundred
items is as likely to be read as one that shows in one. The same results, seed and number give the
same page.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.base.printable import counted
from conformance.results import reader
from conformance.results.reader import Found, ItemResult, Results, ResultsProblem
from conformance.terms.outcome import Outcome

SHOWN_CHARACTERS = 6_000
"""More of a request or an answer is not printed; the file beside the results has it all."""

ACCUSED = (Outcome.FAIL, Outcome.KNOWN)
"""What accuses the server: a policy is no fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A finding, and the run and item that it is from."""

    results: Results
    item: ItemResult
    finding: Found


def draw(runs: Sequence[Results], *, number: int, seed: int) -> list[Drawn]:
    """Give at most `number` findings, in the order in which they were drawn."""
    kinds: dict[tuple[str, str, str], list[Drawn]] = defaultdict(list)
    for found in _accusations(runs):
        finding = found.finding
        kind = (found.results.target.id, finding.rule, finding.known or found.item.case)
        kinds[kind].append(found)
    chance = random.Random(seed)
    chosen = chance.sample(sorted(kinds), min(number, len(kinds)))
    return [chance.choice(kinds[kind]) for kind in chosen]


def _accusations(runs: Sequence[Results]) -> Iterator[Drawn]:
    for results in runs:
        for item in sorted(results.items, key=lambda one: one.key):
            for finding in item.findings:
                if finding.outcome in ACCUSED:
                    yield Drawn(results=results, item=item, finding=finding)


def page(drawn: Sequence[Drawn], *, seed: int) -> str:
    """Write what a reader needs to judge each finding, with a line for the judgement."""
    titled = f"# {counted(len(drawn), 'finding')}, drawn with seed {seed}\n"
    return "\n".join([titled, *(_entry(number, one) for number, one in enumerate(drawn, 1))])


def _entry(number: int, drawn: Drawn) -> str:
    finding, target = drawn.finding, drawn.results.target
    lines = [
        f"## {number}. {finding.rule} ({finding.level}), {drawn.item.case} [{drawn.item.mode}]",
        f"- server: {target.id}, format {target.format}",
        f"- where: {finding.where}" + (f", chunk {finding.chunk}" if finding.chunk else ""),
        f"- expected: {finding.expected}",
        f"- actual: {finding.actual}",
        f"- known: {_known(drawn)}",
        *_exchange(drawn),
        "- read again: TODO (right, disputable or false, and why)\n",
    ]
    return "\n".join(lines)


def _known(drawn: Drawn) -> str:
    issue = drawn.results.issues.get(drawn.finding.known or "")
    if issue is None:
        return drawn.finding.known or "not listed"
    return f"{drawn.finding.known}: {issue.about} ({issue.link or 'no place is given'})"


def _exchange(drawn: Drawn) -> Iterator[str]:
    kept = reader.wire(drawn.results, drawn.item)
    if not isinstance(kept, dict):
        yield "- exchange: not kept"
        return
    yield f"- request: {_shown(json.dumps(kept['request'], ensure_ascii=False))}"
    yield f"- status: {kept['status']}, {kept['error'] or 'no trouble'}"
    yield "- answer:\n"
    yield from (f"      {line}" for line in _shown(str(kept["answer"])).splitlines() if line)
    yield ""


def _shown(text: str) -> str:
    left = len(text) - SHOWN_CHARACTERS
    return text if left <= 0 else f"{text[:SHOWN_CHARACTERS]} … and {left:,} characters more"


def main() -> int:
    """Do what the command line says; 4 if results cannot be read or hold no finding."""
    parser = argparse.ArgumentParser(prog="python -m tools.drawn_findings")
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--number", type=int, default=60)
    parser.add_argument("-o", "--output", type=Path)
    chosen = parser.parse_args()
    try:
        runs = [reader.load(path) for path in chosen.results]
    except ResultsProblem as problem:
        print(problem, file=sys.stderr)
        return 4
    drawn = draw(runs, number=chosen.number, seed=chosen.seed)
    if not drawn:
        print("nothing to draw: no finding in these results", file=sys.stderr)
        return 4
    written = page(drawn, seed=chosen.seed)
    if chosen.output is None:
        print(written)
    else:
        chosen.output.write_text(written, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
