"""Write into the files of known issues what flaky modes come to where nothing is left to chance.

    python -m tools.exactly RESULTS/hermes/results.json RESULTS/mistral/results.json

The results are of whole runs without kernels. Of each entry with `flaky_modes` they show in which
cases and modes it fails: this becomes its `exactly`, and the runs become the `exact` of the file.
An entry that depends on what else is asked has none: name it with `--except`.
"""

from __future__ import annotations

import argparse
import json
import re
import textwrap
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version

from conformance.base import strictyaml
from conformance.casefiles import casefile
from conformance.terms.case import Case
from conformance.terms.server import Server
from conformance.verdicts import known_issues
from conformance.verdicts.known_issues import Issue, Spot
from conformance.verdicts.verdict import BROKEN

WIDTH = 100
_BLOCK = re.compile(r"    exactly:.*\n(?:     .*\n)*")
_HEAD = re.compile(r"exact:\n(?:  .*\n)*")
_FLAKY = re.compile(r"    flaky_modes: \[[^\]]*\]\n")


@dataclass(frozen=True, slots=True)
class Run:
    """A run's server, and its items by case and mode."""

    server: Server
    items: Mapping[tuple[str, str], Any]

    def fails(self, issue: Issue, rule: str, case: str, mode: str) -> bool:
        """Whether a rule failed there as an issue says."""
        item = self.items.get((case, mode))
        if item is None or item["rules"].get(rule) not in BROKEN:
            return False
        found = [one["expected"] for one in item["findings"] if one["rule"] == rule]
        return any(expected.startswith(issue.says or "") for expected in found)


def read(path: Path) -> Run:
    """Read the results of a run."""
    document = json.loads(path.read_text("utf-8"))
    about = document["target"]
    server = Server(
        url="a file",
        **{key: about[key] for key in ("model", "implementation", "version", "parser", "format")},
    )
    return Run(server, {(one["case"], one["mode"]): one for one in document["results"]})


def spots(issue: Issue, runs: Sequence[Run], cases: Sequence[Case]) -> list[Spot]:
    """Say where an issue shows, with as few spots as there can be."""
    ours = [run for run in runs if known_issues.applies(issue, run.server)]
    models = sorted({run.server.model for run in ours})
    by_rule: dict[tuple[str, Any, Any], list[str]] = defaultdict(list)
    for case in filter(issue.lists, cases):
        for rule in issue.rules:
            places = _places(issue, rule, case.id, ours)
            for modes, where in sorted(places.items()):
                by_rule[rule, modes, tuple(where)].append(case.id)
    merged: dict[Any, list[str]] = defaultdict(list)
    for (rule, modes, where), ids in by_rule.items():
        merged[modes, where, tuple(sorted(ids))].append(rule)
    return [
        Spot(
            modes=modes,
            cases=ids,
            rules=("*",) if len(rules) == len(issue.rules) else tuple(rules),
            models=("*",) if list(where) == models else where,
        )
        for (modes, where, ids), rules in merged.items()
    ]


def _places(
    issue: Issue, rule: str, case: str, runs: Sequence[Run]
) -> dict[tuple[str, ...], list[str]]:
    """Give the modes in which a rule fails, and the models where it fails in these."""
    found: dict[str, tuple[str, ...]] = {}
    for run in runs:
        modes = tuple(mode for mode in issue.flaky_modes if run.fails(issue, rule, case, mode))
        if found.setdefault(run.server.model, modes) != modes:
            raise SystemExit(
                f"{issue.id}: {case}: {rule} fails in {modes} on {run.server.version}, and in "
                f"{found[run.server.model]} on another release; make an entry of each"
            )
    places: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for model in sorted(found):
        if found[model]:
            places[found[model]].append(model)
    return places


def written(found: Sequence[Spot]) -> str:
    """Write the spots of an entry as YAML."""
    if not found:
        return "    exactly: []\n"
    return "    exactly:\n" + "".join(_written(spot) for spot in found)


def _written(spot: Spot) -> str:
    lines = [f"modes: [{', '.join(spot.modes)}]"]
    lines += [f"rules: [{', '.join(spot.rules)}]"] if spot.rules != ("*",) else []
    lines += [f"models: [{', '.join(spot.models)}]"] if spot.models != ("*",) else []
    ids = ", ".join(spot.cases)
    if len(ids) + 17 <= WIDTH:
        lines.append(f"cases: [{ids}]")
    else:
        filled = textwrap.wrap(
            f"{ids},", WIDTH - 12, break_long_words=False, break_on_hyphens=False
        )
        lines += ["cases: [", *(f"    {line}" for line in filled), "  ]"]
    first, *rest = lines
    return f"      - {first}\n" + "".join(f"        {line}\n" for line in rest)


def rewritten(path: Path, runs: Sequence[Run], cases: Sequence[Case], left: Collection[str]) -> str:
    """Give the text of a file with what the runs show."""
    document, issues = known_issues.read(path)
    flaky = {one.id: one for one in issues if one.flaky_modes and one.id not in left}
    about = [
        run
        for run in runs
        if run.server.implementation == document.value["implementation"]
        and any(known_issues.applies(issue, run.server) for issue in flaky.values())
    ]
    text = "".join(_entries(path.read_text("utf-8"), flaky, about, cases))
    head = f"implementation: {document.value['implementation']}\n"
    return _HEAD.sub("", text).replace(head, f"{head}{_exact(about)}") if about else text


def _exact(runs: Sequence[Run]) -> str:
    versions = sorted({Version(run.server.version or "") for run in runs})
    first, last = versions[0], versions[-1]
    within = f"=={first}" if first == last else f">={first},<={last}"
    models = ", ".join(sorted({run.server.model for run in runs}))
    return f'exact:\n  versions: "{within}"\n  models: [{models}]\n'


def _entries(
    text: str, flaky: Mapping[str, Issue], runs: Sequence[Run], cases: Sequence[Case]
) -> Iterator[str]:
    """Give a file's text in pieces, an entry each."""
    for piece in re.split(r"(?=^  - id: )", text, flags=re.MULTILINE):
        named = re.match(r"  - id: (\S+)", piece)
        issue = flaky.get(named[1]) if named else None
        ours = [] if issue is None else [r for r in runs if known_issues.applies(issue, r.server)]
        if issue is None or not ours:
            yield piece
            continue
        bare = _BLOCK.sub("", piece)
        listed = _FLAKY.search(bare)
        assert listed is not None, f"{issue.id}: flaky_modes is to stand on a line"
        found = written(spots(issue, ours, cases))
        yield f"{bare[: listed.end()]}{found}{bare[listed.end() :]}"


def main() -> None:
    """Rewrite the shipped files of what the results are about."""
    parser = argparse.ArgumentParser(description="Write what flaky modes come to without kernels.")
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--except", dest="left", action="append", default=[], metavar="ID")
    asked = parser.parse_args()
    runs = [read(path) for path in asked.results]
    cases = casefile.load_folder(casefile.shipped())
    for path in known_issues.shipped(runs[0].server.implementation):
        text = rewritten(path, runs, cases, asked.left)
        path.write_text(text, "utf-8")
        strictyaml.load(path, "known")


if __name__ == "__main__":
    main()
