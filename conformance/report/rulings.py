"""What a referee says: for the terminal, for a pull request's thread, and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from conformance.base.printable import counted, line, wrapped
from conformance.report import changes, evidence
from conformance.results.comparison import ERROR, Kind
from conformance.results.ruling import Effect, Ruling

WIDTH = 80
MAX_ROWS = 40
"""More rows of a Markdown table are only counted: a thread is not a report."""
PARTS = (
    ("breaks", "Breaks"),
    ("fixes", "Fixes"),
    ("leaves", "Leaves broken"),
)
"""The fields of a ruling and their titles, in the order of what a reviewer asks."""


def text(name: str, ruling: Ruling) -> str:
    """Write a ruling on one target for a person."""
    blocks = ["\n".join(wrapped(f"{name}: {verdict(ruling)}", WIDTH)), _sides(ruling)]
    for field, title in PARTS:
        effects: Sequence[Effect] = getattr(ruling, field)
        if effects:
            rows = [row for effect in effects for row in _rows(effect, brief=field == "leaves")]
            blocks.append("\n".join([title, *rows]))
    return "\n\n".join(blocks)


def verdict(ruling: Ruling) -> str:
    """Say in a few sentences what the change does."""
    effects = [(word, getattr(ruling, word)) for word, _ in PARTS]
    found = ", ".join(f"{word} {_counted(some)}" for word, some in effects if some)
    found += " broken" if ruling.leaves else ""
    lucky = {(one.case, one.mode) for one in ruling.comparison.of(Kind.CHANCE)}
    luck = [f"Left to luck by known issues: {counted(len(lucky), 'item')}."] * bool(lucky)
    asked = counted(len(ruling.comparison.new.items), "item")
    said = f"{(found or 'changes nothing').capitalize()}. Asked of both: {asked}."
    return " ".join([said, *changes.left_out(ruling.comparison), *luck])


def markdown(rulings: Mapping[str, Ruling], unjudged: Mapping[str, str]) -> str:
    """Write rulings for a pull request's thread; `unjudged` gives reasons by target."""
    lines: list[str] = []
    for name, reason in unjudged.items():
        lines += [f"### {changes.code(name)}: not judged", "", changes.code(reason), ""]
    for name, ruling in rulings.items():
        word = "Regressed." if ruling.regressed else "No regression."
        lines += [f"### {changes.code(name)}: {word}", "", verdict(ruling), ""]
        old, new = ruling.comparison.old, ruling.comparison.new
        lines += [f"Base {changes.code(old.target.id)}, head {changes.code(new.target.id)}.", ""]
        lines += [*_table("Breaks", ruling.breaks), *_table("Fixes", ruling.fixes)]
        if ruling.leaves:
            what = f"Leaves broken: {_counted(ruling.leaves)}"
            rows = _table("Leaves broken", ruling.leaves)
            lines += [f"<details><summary>{what}</summary>", "", *rows, "</details>", ""]
    return "\n".join(lines).rstrip() + "\n"


def document(rulings: Mapping[str, Ruling], unjudged: Mapping[str, str]) -> dict[str, Any]:
    """Write rulings for programs; `schemas/refereed.json` describes it."""
    return {
        "schema": 1,
        "regressed": any(ruling.regressed for ruling in rulings.values()),
        "unjudged": dict(unjudged),
        "targets": {
            name: {
                "regressed": ruling.regressed,
                "base": changes.facts(ruling.comparison.old),
                "head": changes.facts(ruling.comparison.new),
                **{field: [_effect(one) for one in getattr(ruling, field)] for field, _ in PARTS},
            }
            for name, ruling in rulings.items()
        },
    }


def _counted(effects: Iterable[Effect]) -> str:
    rules = list(effects)
    items = {(change.case, change.mode) for one in rules for change in one.changes}
    return f"{counted(len(rules), 'rule')} in {counted(len(items), 'item')}"


def _sides(ruling: Ruling) -> str:
    old, new = ruling.comparison.old, ruling.comparison.new
    sides = (("base", old), ("head", new))
    return "\n".join(line(f"  {word}  {one.target.id}  {one.path}") for word, one in sides)


def _rows(effect: Effect, *, brief: bool) -> Iterator[str]:
    known = sorted({change.listed for change in effect.changes if change.listed})
    excuse = f"  known: {', '.join(known)}" if known else ""
    items = counted(len(effect.changes), "item")
    row = line(f"{_title(effect)}  {effect.level.upper()}  {items}{excuse}")
    yield from wrapped(row, WIDTH, first="  ", rest=" " * 8)
    yield from _indented(f"smallest: {_place(effect)}")
    if brief:
        return
    expected, actual = changes.values(effect.smallest)
    yield from _indented(f"expected {expected}, got {actual}")
    if again := _again(effect):
        yield line(f"      {again}")
    if len(effect.changes) > 1:
        for row in changes.places(effect.changes):
            yield from _indented(row)


def _title(effect: Effect) -> str:
    return "no whole answer" if effect.rule == ERROR else effect.rule


def _place(effect: Effect) -> str:
    return f"{effect.smallest.case} [{effect.smallest.mode}]"


def _again(effect: Effect) -> str | None:
    item = effect.item
    return None if item is None else evidence.command(effect.results, item)


def _indented(row: str) -> list[str]:
    return wrapped(line(row), WIDTH, first=" " * 6, rest=" " * 8)


def _table(title: str, effects: Sequence[Effect]) -> Iterator[str]:
    if not effects:
        return
    yield from (f"#### {title}", "")
    yield "| rule | level | items | smallest case | expected | got |"
    yield "|" + " --- |" * 6
    for effect in effects[:MAX_ROWS]:
        expected, actual = map(changes.code, changes.values(effect.smallest))
        count = f"{len(effect.changes):,}"
        rule, place = changes.code(_title(effect)), changes.code(_place(effect))
        yield f"| {rule} | {effect.level.upper()} | {count} | {place} | {expected} | {actual} |"
    if (more := len(effects) - MAX_ROWS) > 0:
        yield f"\n{counted(more, 'more rule')}."
    yield ""


def _effect(effect: Effect) -> dict[str, Any]:
    smallest = effect.smallest
    expected, actual = changes.values(smallest)
    return {
        "rule": effect.rule,
        "level": str(effect.level),
        "items": [[change.case, change.mode] for change in effect.changes],
        "known": sorted({change.listed for change in effect.changes if change.listed}),
        "smallest": [smallest.case, smallest.mode],
        "expected": expected,
        "actual": actual,
        "repeat": _again(effect),
    }
