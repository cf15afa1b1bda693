"""One or more runs as Markdown, for a pull request or the summary of a CI step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conformance.base.printable import counted, cut
from conformance.report import changes, histories, view
from conformance.report.changes import code
from conformance.results.comparison import Comparison
from conformance.results.reader import Results

MAX_CHARACTERS = 60_000
"""A comment on GitHub holds 65,536, a step's summary more."""

MAX_VALUE_CHARACTERS = 160
"""More of an expected or actual value is not shown."""


def render(runs: Sequence[Results], limit: int = MAX_CHARACTERS) -> str:
    """Write the summary; what does not fit in a comment is left out and counted."""
    columns = view.columns(runs)
    rules = view.rule_rows(columns)
    sections = view.rule_sections(columns, rules, view.case_rows(columns))
    blocks = [*_tables(columns, rules), *(block for one in sections for block in _section(one))]
    kept: list[str] = []
    room = limit - 200
    for place, block in enumerate(blocks):
        if len(block) > room:
            left = counted(len(blocks) - place, "more part is", "more parts are")
            kept.append(f"_{left} left out: a comment holds no more. See the page._")
            break
        room -= len(block) + 2
        kept.append(block)
    return "\n\n".join(kept) + "\n"


def _tables(columns: Sequence[view.Column], rules: Sequence[view.RuleRow]) -> Iterator[str]:
    yield "## Tool-call conformance"
    yield "\n".join(_runs(columns))
    for column in columns:
        yield from (f"{code(column.name)}: {line}" for line in column.rates)
    compared = view.comparison(columns)
    if isinstance(compared, Comparison):
        yield from changes.markdown(compared).strip().split("\n\n")
    elif compared:
        yield f"Not compared: {code(compared)}"
    troubled = [row for row in rules if row.troubled]
    stories = histories.histories(columns, rules)
    shown = {column.number for history in stories for column in history.columns}
    alone = [column for column in columns if column.number not in shown]
    if troubled and alone:
        yield "\n".join(_table(alone, troubled))
    for history in stories:
        yield f"### {code(history.name)}, release by release"
        yield "\n".join(_history(history))
    sound = len(rules) - len(troubled)
    yield counted(sound, "rule holds wherever it applies", "rules hold wherever they apply") + "."


def _runs(columns: Sequence[view.Column]) -> Iterator[str]:
    names = ("pass", "fail", "known", "policy", "stale", "inconclusive", "n/a", "error")
    yield f"| server | verdict | {' | '.join(names)} |"
    yield "|" + " --- |" * (len(names) + 2)
    for column in columns:
        totals = column.results.totals
        numbers = " | ".join(str(totals.get(name, 0)) for name in names)
        yield f"| {code(column.name)} | {column.verdict[1]} | {numbers} |"


def _table(columns: Sequence[view.Column], rows: Sequence[view.RuleRow]) -> Iterator[str]:
    yield f"| rule | level | {' | '.join(code(column.name) for column in columns)} |"
    yield "|" + " --- |" * (len(columns) + 2)
    for row in rows:
        cells = " | ".join(row.cells[column.number].text for column in columns)
        yield f"| {code(row.id)} | {row.level} | {cells} |"


def _history(history: histories.History) -> Iterator[str]:
    versions = (column.results.target.version or "unknown" for column in history.columns)
    yield f"| rule | level | {' | '.join(map(code, versions))} |"
    yield "|" + " --- |" * (len(history.columns) + 2)
    for row, cells in history.rows:
        texts = (f"{cell.text} {cell.note}".strip() for cell in cells)
        yield f"| {code(row.id)} | {row.level} | {' | '.join(texts)} |"


def _section(section: view.RuleSection) -> Iterator[str]:
    yield f"#### {code(section.row.id)} on {code(section.column.name)}: {section.text}"
    if section.row.why:
        yield f"{section.row.title}: {section.row.why}"
    for group in section.groups:
        expected, actual = (
            code(cut(text, MAX_VALUE_CHARACTERS))
            for text in (group.finding.expected, group.finding.actual)
        )
        excuse = group.finding.known
        known = f" ({group.finding.outcome}: {code(excuse)})" if excuse else ""
        places = ", ".join(f"{code(case)} [{code(modes)}]" for _, case, modes in group.cases)
        yield f"- expected {expected}, got {actual}{known}: {places}"
