"""Writes the record of vLLM's releases: a data file, the tables in `docs/history.md`, and a page.

    make history                                   # runs the matrix first: an hour or more
    python -m tools.history .conformance/history   # from what it left
    python -m tools.history                        # tables and page again, from docs/history.json

The text of `docs/history.md` before the first table is written by hand, and stays. The page is too
large for a repository, so it goes to `.conformance/history.html`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from conformance.base.printable import visible
from conformance.report import histories, html, view
from conformance.report.changes import code
from conformance.results import reader
from conformance.results.comparison import ERROR
from conformance.results.reader import ItemResult, Results
from conformance.terms.outcome import Outcome

ROOT = Path(__file__).parents[1]
DATA = ROOT / "docs" / "history.json"
SUMMARY = ROOT / "docs" / "history.md"
PAGE = ROOT / ".conformance" / "history.html"
TABLES = "## Tool-call conformance\n"
TOTALS = ("pass", "fail", "known", "policy", "stale", "inconclusive", "n/a", "error")
NOT_COUNTED = "-"
"""Stands for an outcome that the suite of a run did not have yet."""
LETTERS = {
    Outcome.FAIL: "f",
    Outcome.KNOWN: "k",
    Outcome.POLICY: "p",
    Outcome.STALE: "s",
    Outcome.INCONCLUSIVE: "u",
    Outcome.ERROR: "e",
}
"""The letter for an item's outcome; a pass and `n/a` are both `.`."""


class Run(TypedDict):
    """One release, in a run against one target."""

    name: str
    version: str
    verdict: str
    totals: dict[str, int]
    started: str
    items: int
    suite: str
    """A digest of the cases and the rules."""
    packages: dict[str, str]


class Rule(TypedDict):
    """The outcomes of a rule, release by release."""

    id: str
    level: str
    cells: list[str]
    known: list[str]
    """The known issues that its findings name."""
    broken: dict[str, str]
    """For each item, such as `parallel/two-cities[stream]`, a letter for each release."""


class Target(TypedDict):
    """One target in several releases."""

    name: str
    runs: list[int]
    rules: list[Rule]


class Issue(TypedDict):
    """A known issue, in the words of its run."""

    about: str
    link: str | None


class Record(TypedDict):
    """All that is kept."""

    schema: int
    runs: list[Run]
    targets: list[Target]
    holding: int
    """Rules that hold wherever they apply."""
    issues: dict[str, Issue]


def record(runs: Sequence[Results]) -> Record:
    """Keep what the tables of runs show, and which items each cell counts."""
    columns = view.columns(runs)
    rules = view.rule_rows(columns)
    named = {
        finding.known: issue
        for column in columns
        for item in column.results.items
        for finding in item.findings
        if finding.known and (issue := column.results.issues.get(finding.known))
    }
    return Record(
        schema=1,
        runs=[_run(column) for column in columns],
        targets=[_target(history) for history in histories.histories(columns, rules)],
        holding=sum(not row.troubled for row in rules),
        issues={id: Issue(about=named[id].about, link=named[id].link) for id in sorted(named)},
    )


def _run(column: view.Column) -> Run:
    results = column.results
    return Run(
        name=column.name,
        version=results.target.version or "unknown",
        verdict=column.verdict[1],
        totals={name: results.totals.get(name, 0) for name in TOTALS},
        started=results.run.started,
        items=results.run.selected,
        suite=results.suite.digest,
        packages=dict(results.target.packages),
    )


def _target(history: histories.History) -> Target:
    items = [column.results.items for column in history.columns]
    return Target(
        name=history.name,
        runs=[column.number for column in history.columns],
        rules=[
            Rule(
                id=row.id,
                level=row.level,
                cells=[f"{cell.text} {cell.note}".strip() for cell in cells],
                known=_known(row.id, items),
                broken=_broken(row.id, items),
            )
            for row, cells in history.rows
        ],
    )


def _known(rule: str, releases: Sequence[Sequence[ItemResult]]) -> list[str]:
    found = (finding for items in releases for item in items for finding in item.findings)
    return sorted({one.known for one in found if one.rule == rule and one.known})


def _broken(rule: str, releases: Sequence[Sequence[ItemResult]]) -> dict[str, str]:
    """Give each item in which a rule did not always hold, with a letter for each release."""
    found: dict[str, list[str]] = {}
    for place, items in enumerate(releases):
        for item in items:
            if letter := LETTERS.get(_outcome(rule, item)):
                letters = found.setdefault(f"{item.case}[{item.mode}]", ["."] * len(releases))
                letters[place] = letter
    return {item: "".join(letters) for item, letters in sorted(found.items())}


def _outcome(rule: str, item: ItemResult) -> Outcome:
    if rule == ERROR:  # not a rule, but whether there was an answer to judge
        return Outcome.ERROR if item.outcome is Outcome.ERROR else Outcome.NA
    return item.rules.get(rule, Outcome.NA)


def written(found: Record) -> str:
    """Write the data file."""
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def tables(found: Record) -> str:
    """Write the tables of the record."""
    lines = [TABLES, f"| server | verdict | {' | '.join(TOTALS)} |", _line(len(TOTALS) + 2)]
    for run in found["runs"]:
        numbers = " | ".join(str(run["totals"].get(name, NOT_COUNTED)) for name in TOTALS)
        lines.append(f"| {code(run['name'])} | {run['verdict']} | {numbers} |")
    for target in found["targets"]:
        versions = [code(found["runs"][number]["version"]) for number in target["runs"]]
        lines += ["", f"### {code(target['name'])}, release by release", ""]
        lines += [f"| rule | level | {' | '.join(versions)} |", _line(len(versions) + 2)]
        for rule in target["rules"]:
            lines.append(f"| {code(rule['id'])} | {rule['level']} | {' | '.join(rule['cells'])} |")
    lines += ["", f"{found['holding']} rules hold wherever they apply."]
    return "\n".join(lines) + "\n"


def _line(columns: int) -> str:
    return "|" + " --- |" * columns


def with_tables(summary: str, found: Record) -> str:
    """Replace the tables of the summary."""
    before, mark, _ = summary.partition(TABLES)
    assert mark, f"docs/history.md has no line {TABLES.strip()!r}"
    return before + tables(found)


def page(found: Record) -> str:
    """Write the page: the tables, and for each rule the items that broke it."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else visible(str(value)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = Markup((html.FOLDER / "page.css").read_text("utf-8"))
    words = {letter: outcome.value for outcome, letter in LETTERS.items()}
    template = environment.get_template("history.html")
    return template.render(
        css=css, record=found, totals=TOTALS, not_counted=NOT_COUNTED, words=words
    )


def main() -> int:
    """Write data, tables and page, or the last two only."""
    parser = argparse.ArgumentParser(prog="python -m tools.history")
    parser.add_argument("folder", nargs="?", type=Path, help="what a matrix wrote")
    folder = parser.parse_args().folder
    if folder:
        results = sorted(folder.glob("*/results.json"))
        if not results:
            print(f"{folder} has no results; run: make history", file=sys.stderr)
            return 5
        DATA.write_text(written(record([reader.load(path) for path in results])), "utf-8")
    found: Record = json.loads(DATA.read_text("utf-8"))
    SUMMARY.write_text(with_tables(SUMMARY.read_text("utf-8"), found), "utf-8")
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(found), "utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
