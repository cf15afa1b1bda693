"""A comparison of two runs, for the terminal, for a pull request, and for programs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from conformance.base.printable import counted, cut, line, wrapped
from conformance.results.comparison import TROUBLE, Change, Comparison, Kind
from conformance.results.reader import Results
from conformance.verdicts.verdict import counts

WIDTH = 88
MAX_VALUE_CHARACTERS = 160
"""More of an expected or actual value is not shown."""

MAX_CODE_CHARACTERS = 1_000
"""More of a name, a path or a list of modes is not shown."""

ENTITIES = {ord(character): f"&#{ord(character)};" for character in "&<>|`\\@[]*_~#"}
"""Characters that Markdown, or HTML in it, could take for markup."""

Group = tuple[str, list[Change]]


def groups(comparison: Comparison) -> list[Group]:
    """Group the changes by what they mean for an upgrade; empty groups are left out."""
    failing_level = comparison.new.run.level
    found: dict[str, list[Change]] = {
        "regressed": [],
        "regressed, and listed as known": [],
        "regressed, of rules that fail no run": [],
        "fixed": [],
        "broken where it was not judged before": [],
        "broken before, and not judged now": [],
    }
    for change in comparison.changes:
        name = _group(change, counts(change.level, failing_level))
        if name:
            found[name].append(change)
    return [(name, changes) for name, changes in found.items() if changes]


def _group(change: Change, can_fail: bool) -> str | None:
    match change.kind:
        case Kind.REGRESSED if not can_fail:
            return "regressed, of rules that fail no run"
        case Kind.REGRESSED:
            return "regressed, and listed as known" if change.listed else "regressed"
        case Kind.FIXED:
            return "fixed"
        case Kind.ADDED if change.broken:
            return "broken where it was not judged before"
        case Kind.GONE if change.broken:
            return "broken before, and not judged now"
    return None


def text(comparison: Comparison) -> str:
    """Write a comparison for a person."""
    blocks = [f"old  {_run(comparison.old)}\nnew  {_run(comparison.new)}"]
    blocks += ["\n".join([name, *_text_rows(changes)]) for name, changes in groups(comparison)]
    blocks += list(_items(comparison))
    blocks.append(" ".join([summary(comparison), *left_out(comparison)]))
    return "\n\n".join(blocks)


def left_out(comparison: Comparison) -> list[str]:
    """Say in a sentence how much neither run asked, if anything."""
    count = comparison.new.run.deselected
    return [f"Not asked of either: {counted(count, 'item')}."] * bool(count)


def against_baseline(comparison: Comparison) -> list[str]:
    """Write the changes since the baseline, for the end of a run."""
    lines: list[str] = []
    for name, changes in groups(comparison):
        lines += [name, *_text_rows(changes)]
    for block in _items(comparison):
        lines += block.splitlines()
    return [*lines, summary(comparison)]


def summary(comparison: Comparison) -> str:
    """Say in one line what changed."""
    count = {kind: len(comparison.of(kind)) for kind in Kind}
    listed = sum(bool(change.listed) for change in comparison.of(Kind.REGRESSED))
    known = f" ({listed} listed as known)" if listed else ""
    return (
        f"{count[Kind.REGRESSED]:,} regressed{known}, {count[Kind.FIXED]:,} fixed, "
        f"{count[Kind.ADDED]:,} added, {count[Kind.GONE]:,} gone, "
        f"{count[Kind.CHANCE]:,} by chance, "
        f"{comparison.unchanged:,} unchanged ({comparison.still_broken:,} still broken)"
    )


def document(comparison: Comparison) -> dict[str, Any]:
    """Write a comparison for programs; `schemas/compared.json` describes it."""
    count = {kind.name.lower(): len(comparison.of(kind)) for kind in Kind}
    return {
        "schema": 1,
        "old": facts(comparison.old),
        "new": facts(comparison.new),
        "regressed": comparison.regressed,
        "totals": {
            **count,
            "unchanged": comparison.unchanged,
            "still_broken": comparison.still_broken,
        },
        "items": {
            "added": [list(key) for key in comparison.items_added],
            "gone": [list(key) for key in comparison.items_gone],
        },
        "changes": [_change(change) for change in comparison.changes],
    }


def markdown(comparison: Comparison) -> str:
    """Write a comparison for a pull request."""
    old, new = comparison.old.target.id, comparison.new.target.id
    word = "**Regressed.**" if comparison.regressed else "No regression."
    lines = [
        f"### {code(old)} → {code(new)}",
        "",
        " ".join([word, summary(comparison), *left_out(comparison)]),
    ]
    for name, changes in groups(comparison):
        lines += ["", f"#### {name.capitalize()}", ""]
        lines += ["| rule | level | case | modes | expected | got |", "|" + " --- |" * 6]
        for (rule, case), found in _by_place(changes):
            first = found[0]
            expected, actual = values(first)
            modes = ", ".join(code(change.mode) for change in found)
            cells = [code(rule), first.level.upper(), code(case), modes]
            lines.append(f"| {' | '.join([*cells, code(expected), code(actual)])} |")
    for name, keys in _item_lists(comparison):
        listed = "; ".join(
            f"{code(modes)} {', '.join(map(code, cases))}" for modes, cases in _by_modes(keys)
        )
        lines += ["", f"{name}: {listed}"]
    return "\n".join(lines) + "\n"


def code(text: str) -> str:
    """Write any text as code in a cell of a Markdown table, where none of it is markup."""
    return f"<code>{line(text, MAX_CODE_CHARACTERS).translate(ENTITIES) or ' '}</code>"


def _run(results: Results) -> str:
    name = line(results.target.id, MAX_VALUE_CHARACTERS)
    facts = f"{name}  {results.run.started}  suite {results.suite.version}"
    return line(f"{facts}  {results.path}", MAX_CODE_CHARACTERS)


def _text_rows(changes: Sequence[Change]) -> Iterator[str]:
    by_rule: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        by_rule[change.rule].append(change)
    for rule, found in by_rule.items():
        first = found[0]
        known = sorted({change.listed for change in found if change.listed})
        excuse = f"  known: {', '.join(known)}" if known else ""
        yield line(f"  {rule}  {first.level.upper()}  {counted(len(found), 'item')}{excuse}")
        expected, actual = values(first)
        word = "" if first.after in TROUBLE else "was: "
        yield from _indented(line(f"{word}expected {expected}, got {actual}"))
        for row in places(found):
            yield from _indented(row)


def places(changes: Iterable[Change]) -> Iterator[str]:
    """Write where changes are: `[stream] parallel/two, single/one`, a line for the same modes."""
    for modes, cases in _by_modes([(change.case, change.mode) for change in changes]):
        yield line(f"[{modes}] {', '.join(cases)}")


def _indented(line: str) -> list[str]:
    return wrapped(line, WIDTH, first=" " * 6, rest=" " * 8)


def values(change: Change) -> tuple[str, str]:
    """Write what was expected and what came, cut to a readable length."""
    if change.finding is not None:
        return cut(change.finding.expected, MAX_VALUE_CHARACTERS), cut(
            change.finding.actual, MAX_VALUE_CHARACTERS
        )
    return "a whole answer", cut(without("no whole answer", change.reason), MAX_VALUE_CHARACTERS)


def without(what: str, reason: str | None) -> str:
    """Say what did not come, and why if that is known; it follows the word `got`."""
    return f"{what}: {reason}" if reason else what


def _by_place(changes: Sequence[Change]) -> list[tuple[tuple[str, str], list[Change]]]:
    found: dict[tuple[str, str], list[Change]] = defaultdict(list)
    for change in changes:
        found[change.rule, change.case].append(change)
    return list(found.items())


def _items(comparison: Comparison) -> Iterator[str]:
    for name, keys in _item_lists(comparison):
        rows = (line(f"[{modes}] {', '.join(cases)}") for modes, cases in _by_modes(keys))
        yield "\n".join([name, *(line for row in rows for line in _indented(row))])


def _item_lists(comparison: Comparison) -> Iterator[tuple[str, Sequence[tuple[str, str]]]]:
    for name, keys in (
        ("cases added", comparison.items_added),
        ("cases gone", comparison.items_gone),
    ):
        if keys:
            yield name, keys


def _by_modes(keys: Sequence[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Gather the cases that share their modes."""
    modes: dict[str, list[str]] = defaultdict(list)
    for case, mode in keys:
        modes[case].append(mode)
    cases: dict[str, list[str]] = defaultdict(list)
    for case, found in modes.items():
        cases[", ".join(found)].append(case)
    return list(cases.items())


def facts(results: Results) -> Mapping[str, Any]:
    """Say which run it is, as `run` in `schemas/compared.json`."""
    return {
        "file": str(results.path),
        "target": results.target.id,
        "version": results.target.version,
        "started": results.run.started,
    }


def _change(change: Change) -> dict[str, Any]:
    finding = change.finding
    return {
        "change": change.kind.name.lower(),
        "rule": change.rule,
        "level": str(change.level),
        "case": change.case,
        "mode": change.mode,
        "before": str(change.before) if change.before else None,
        "after": str(change.after) if change.after else None,
        "known": change.listed,
        "where": finding.where if finding else None,
        "expected": finding.expected if finding else None,
        "actual": finding.actual if finding else change.reason,
    }
