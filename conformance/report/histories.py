"""Where faults came and went, over several versions of one server."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from conformance.report.view import Cell, Column, RuleRow, kind_of
from conformance.results.comparison import (
    ERROR,
)
from conformance.results.reader import Results
from conformance.terms.outcome import Outcome
from conformance.verdicts.verdict import BROKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Rules in several versions of one target."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[RuleRow, tuple[Cell, ...]], ...]


def histories(runs: Sequence[Column], rules: Sequence[RuleRow]) -> list[History]:
    """Show where each fault came and went, for targets with runs of several versions."""
    kinds: dict[tuple[str, ...], list[Column]] = defaultdict(list)
    for column in runs:
        kinds[kind_of(column.results)].append(column)
    found = []
    for (implementation, parser, format, model), versions in kinds.items():
        if len({column.results.target.version for column in versions}) < 2:
            continue
        rows = [(row, _story(row, versions)) for row in rules]
        troubled = {*BROKEN, Outcome.ERROR}
        kept = [(row, cells) for row, cells in rows if any(c.outcome in troubled for c in cells)]
        name = f"{implementation}, parser {parser}, format {format}, model {model}"
        found.append(History(name=name, columns=tuple(versions), rows=tuple(kept)))
    return found


def _story(row: RuleRow, versions: Sequence[Column]) -> tuple[Cell, ...]:
    """Count, for each version, the items in which the fault came or went.

    Items in which the rule is known to fail by chance in any version do not count.
    """
    cells: list[Cell] = []
    chance = {
        item.key for column in versions for item in column.results.items if row.id in item.chance
    }
    before: Mapping[tuple[str, str], bool] = {}
    for column in versions:
        now = _broken(row.id, column.results)
        both = (before.keys() & now.keys()) - chance
        came = sum(now[key] and not before[key] for key in both)
        went = sum(before[key] and not now[key] for key in both)
        notes = [f"▲ {came} came"] * bool(came) + [f"▽ {went} went"] * bool(went)
        cells.append(replace(row.cells[column.number], note=", ".join(notes)))
        before = now
    return tuple(cells)


def _broken(rule: str, results: Results) -> dict[tuple[str, str], bool]:
    """Say whether each item that had an answer breaks a rule."""
    if rule == ERROR:
        return {
            item.key: item.outcome is Outcome.ERROR
            for item in results.items
            if item.outcome is not Outcome.NA
        }
    asked = (item for item in results.items if item.rules)
    return {item.key: item.rules.get(rule) in BROKEN for item in asked}
