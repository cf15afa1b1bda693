"""Writes known issues for a run's failures; a person still has to explain each of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import yaml

from conformance.base.jsonvalue import Json
from conformance.base.printable import counted
from conformance.formats import PARSERS
from conformance.results.reader import Results, TargetRecord
from conformance.terms.case import Case
from conformance.terms.outcome import Outcome
from conformance.verdicts import known_issues
from conformance.verdicts.known_issues import CLASSES
from conformance.verdicts.verdict import BROKEN, counts

TODO = "TODO"
"""Marks what a person still has to fill in."""

ABOUT = f"{TODO}: say what is wrong, and whose fault it is; give an issue or a source"
NAMED_CASES = 3
"""A class of at most so many cases is named case by case."""

# The words of a finding before the first quote, digit or bracket, which differ between cases.
_FIRST_WORDS = re.compile(r"[^\"'`0-9\[\](){}<>]*")
_ID = re.compile(r"[^a-z0-9]+")
_DECIDED = {Outcome.PASS, *BROKEN, Outcome.STALE}

Place = tuple[str, str]
"""A case and a mode, by their names."""
Failure = tuple[str, str]
"""A rule, and the first words of what it expected."""


class AcceptProblem(Exception):
    """Results cannot become entries; the message says why, and what to do."""


def entries(results: Results, cases: Collection[Case], digest: str, today: date) -> list[Json]:
    """Write an entry for each failure that no known issue explains.

    `cases` and `digest` belong to the files that the run was made with. Raises AcceptProblem.
    """
    _require_all(results, digest)
    judged = _judged(results)
    written: list[Json] = []
    for (rule, says), places in sorted(_failures(results).items()):
        for where in _group(places, judged[rule], cases):
            written.append(_entry(results.target, rule, says, where, today))
    _number(written)
    return written


def text(implementation: str, issues: Sequence[Json]) -> str:
    """Write a file of known issues."""
    head = "# Written by `python -m conformance accept`; `check` lists what is left to fill in.\n"
    document = {"schema": 1, "implementation": implementation, "issues": list(issues)}
    return head + yaml.safe_dump(document, sort_keys=False, width=96)


def _require_all(results: Results, digest: str) -> None:
    if results.gap:
        raise AcceptProblem(f"{results.path}: {results.gap}")
    if errors := results.totals["error"]:
        raise AcceptProblem(
            f"{results.path}: {counted(errors, 'item is', 'items are')} in error, "
            "and what would show there is unknown; "
            "remove the cause and run again"
        )
    if other := results.made_with_other(digest, "these"):
        raise AcceptProblem(f"{other}; run all of them, or name its cases with --cases")


def _judged(results: Results) -> Mapping[str, set[Place]]:
    """Find where each rule was judged: it passes there, unless an entry says otherwise."""
    found: dict[str, set[Place]] = defaultdict(set)
    for item in results.items:
        for rule, outcome in item.rules.items():
            if outcome in _DECIDED:
                found[rule].add(item.key)
    return found


def _failures(results: Results) -> Mapping[Failure, set[Place]]:
    failing_level = results.run.level
    found: dict[Failure, set[Place]] = defaultdict(set)
    for item in results.items:
        for finding in item.findings:
            if finding.outcome is Outcome.FAIL and counts(finding.level, failing_level):
                found[finding.rule, _first_words(finding.expected)].add(item.key)
    return found


def _first_words(expected: str) -> str:
    found = _FIRST_WORDS.match(expected)
    # The last word may be cut in half.
    return found[0].rpartition(" ")[0] if found and found[0] != expected else expected


def _group(
    places: set[Place], judged: set[Place], cases: Collection[Case]
) -> Iterator[dict[str, Json]]:
    """Say in few words where a failure shows: classes that fail as a whole, then single cases."""
    left = set(places)
    for name in CLASSES:
        members = {case.id for case in cases if name in known_issues.classes(case)}
        whole: list[str] = []
        for mode in sorted({mode for _, mode in left}):
            there = {(id, mode) for id in members if (id, mode) in judged}
            if len(there) > NAMED_CASES and there <= places and there & left:
                whole.append(mode)
                left -= there
        if whole:
            yield {"modes": whole, "every": name}
    modes: dict[str, set[str]] = defaultdict(set)
    for id, mode in left:
        modes[id].add(mode)
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for id in sorted(modes):
        alike[tuple(sorted(modes[id]))].append(id)
    for shared, ids in sorted(alike.items()):
        yield {"modes": list(shared), "cases": ids}


def _entry(
    target: TargetRecord, rule: str, says: str, where: dict[str, Json], today: date
) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": _ID.sub("-", f"{target.parser}-{rule}".lower())[:50]}
    entry["about"] = ABOUT
    if known_issues.version(target.version) is not None:
        entry["versions"] = f"=={target.version}"
    # Known issues may name only parsers that the suite knows; the format covers the others.
    if target.parser in PARSERS:
        entry["parsers"] = [target.parser]
    entry |= {"formats": [target.format], "rules": [rule], **where}
    if says:
        entry["says"] = says
    return {**entry, "added": today.isoformat()}


def _number(written: Sequence[dict[str, Any]]) -> None:
    """Number the entries that share an id."""
    seen: dict[str, int] = defaultdict(int)
    for entry in written:
        seen[entry["id"]] += 1
        if seen[entry["id"]] > 1:
            entry["id"] += f"-{seen[entry['id']]}"
