"""From a run's failures to entries of known issues, which a person has yet to explain."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from jsonschema.exceptions import best_match

from conformance.base.jsonvalue import Json
from conformance.base.schema import validator
from conformance.formats import PARSERS
from conformance.terms.case import Case
from conformance.terms.outcome import Level
from conformance.verdicts import known_issues
from conformance.verdicts.known_issues import CLASSES
from conformance.verdicts.verdict import counts

TODO = "TODO"
"""What is left for a person to fill in."""

ABOUT = f"{TODO}: say what is wrong, and whose fault it is; give an issue or a source"
FEW = 3
"""Cases that are named one by one, even if they are a whole class."""

# A finding's words up to what differs between cases: quoted text, a number, a bracket.
_FIRST_WORDS = re.compile(r"[^\"'`0-9\[\](){}<>]*")
_ID = re.compile(r"[^a-z0-9]+")

Place = tuple[str, str]
"""A case and a mode, by their names."""
Fault = tuple[str, str]
"""A rule, and the first words of what it found."""


class AcceptProblem(Exception):
    """Results from which no entries can be made; says why, and what to do."""


def read(path: Path) -> Json:
    """Read a results.json; raises AcceptProblem."""
    try:
        found = json.loads(path.read_bytes())
    except OSError as problem:
        raise AcceptProblem(f"{path}: cannot be read: {problem.strerror}") from None
    except (ValueError, RecursionError) as problem:
        raise AcceptProblem(f"{path}: is not JSON: {problem}") from None
    error = best_match(validator("results").iter_errors(found))
    if error is not None:
        what = f"{error.json_path}: {error.message[:200]}"
        raise AcceptProblem(f"{path}: no results of this version of the suite: {what}")
    return found


def entries(results: Json, cases: Collection[Case], digest: str, today: date) -> list[Json]:
    """Write an entry for each fault that no known issue explains.

    `results` is a document of `schemas/results.json`; `cases` and `digest` are those of the files
    that it was made with. Raises AcceptProblem.
    """
    _check_whole(results, digest)
    judged = _judged(results)
    written: list[Json] = []
    for (rule, says), places in sorted(_failures(results).items()):
        for where in _group(places, judged[rule], cases):
            written.append(_entry(results["target"], rule, says, where, today))
    _number(written)
    return written


def text(implementation: str, issues: Sequence[Json]) -> str:
    """Write a file of known issues."""
    head = "# Written by `python -m conformance accept`; `check` tells what is still to be said.\n"
    document = {"schema": 1, "implementation": implementation, "issues": list(issues)}
    return head + yaml.safe_dump(document, sort_keys=False, width=96)


def _check_whole(results: Json, digest: str) -> None:
    run = results["run"]
    if not run["complete"]:
        raise AcceptProblem("the run is incomplete; run it to its end")
    if run.get("deselected"):
        seen = f"{run['deselected']} items were left out"
        raise AcceptProblem(f"the run is partial: {seen}; run all of them")
    if results["totals"]["error"]:
        seen = f"{results['totals']['error']} items are in error"
        raise AcceptProblem(f"{seen}, and what they would show is unknown; mend that and run again")
    if results["suite"]["digest"] != digest:
        raise AcceptProblem(
            "the run was made with other cases or rules than these; run all of them, "
            "or name its cases with --cases"
        )


def _judged(results: Json) -> Mapping[str, set[Place]]:
    """Find where each rule was judged: there it passes, or an entry has to say otherwise."""
    found: dict[str, set[Place]] = defaultdict(set)
    for item in results["results"]:
        for rule, outcome in item["rules"].items():
            if outcome in ("pass", "fail", "known", "stale"):
                found[rule].add((item["case"], item["mode"]))
    return found


def _failures(results: Json) -> Mapping[Fault, set[Place]]:
    failing_level = Level(results["run"]["level"])
    found: dict[Fault, set[Place]] = defaultdict(set)
    for item in results["results"]:
        for finding in item["findings"]:
            if finding["outcome"] == "fail" and counts(Level(finding["level"]), failing_level):
                fault = (finding["rule"], _first_words(finding["expected"]))
                found[fault].add((item["case"], item["mode"]))
    return found


def _first_words(expected: str) -> str:
    found = _FIRST_WORDS.match(expected)
    # Half a word would be one that nobody wrote.
    return found[0].rpartition(" ")[0] if found and found[0] != expected else expected


def _group(
    places: set[Place], judged: set[Place], cases: Collection[Case]
) -> Iterator[dict[str, Json]]:
    """Say where a fault shows in few words: classes that fail whole, then cases by their modes."""
    left = set(places)
    for name in CLASSES:
        members = {case.id for case in cases if name in known_issues.classes(case)}
        whole: list[str] = []
        for mode in sorted({mode for _, mode in left}):
            there = {(id, mode) for id in members if (id, mode) in judged}
            if len(there) > FEW and there <= places and there & left:
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
    target: Json, rule: str, says: str, where: dict[str, Json], today: date
) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": _ID.sub("-", f"{target['parser']}-{rule}".lower())[:50]}
    entry["about"] = ABOUT
    if known_issues.version(target["version"]) is not None:
        entry["versions"] = f"=={target['version']}"
    # A parser that the suite does not know by name is told by its format alone.
    if target["parser"] in PARSERS:
        entry["parsers"] = [target["parser"]]
    entry |= {"formats": [target["format"]], "rules": [rule], **where}
    if says:
        entry["says"] = says
    return {**entry, "added": today.isoformat()}


def _number(written: Sequence[dict[str, Any]]) -> None:
    """Tell entries of one rule apart."""
    seen: dict[str, int] = defaultdict(int)
    for entry in written:
        seen[entry["id"]] += 1
        if seen[entry["id"]] > 1:
            entry["id"] += f"-{seen[entry['id']]}"
