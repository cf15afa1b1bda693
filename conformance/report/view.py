"""Results of several runs, arranged as a page shows them: rules by targets, cases by targets."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from conformance.base.printable import counted, line
from conformance.report import sampled
from conformance.report.changes import without
from conformance.results.comparison import (
    ERROR,
    Comparison,
    Incomparable,
    compare,
    require_comparable,
)
from conformance.results.reader import Found, ItemResult, Results
from conformance.rules import RULES
from conformance.terms.outcome import Level, Outcome
from conformance.verdicts.verdict import BROKEN
from conformance.verdicts.verdict import counts as can_fail

MAX_NAME_CHARACTERS = 120
"""More of the name of a server, which stands at the head of columns, is not shown."""

WORDS = {
    Outcome.FAIL: "fails",
    Outcome.ERROR: "error",
    Outcome.STALE: "stale",
    Outcome.KNOWN: "known",
    Outcome.POLICY: "policy",
    Outcome.INCONCLUSIVE: "unsure",
}
"""The word for an outcome in a cell; the gravest comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One run."""

    number: int
    name: str
    results: Results

    @property
    def verdict(self) -> tuple[Outcome, str]:
        """Give the outcome of the run, and a sentence about it."""
        run = self.results.run
        items = Counter(item.outcome for item in self.results.items)
        if not run.complete:
            return Outcome.ERROR, "not finished: the missing items may be broken"
        bad = [one for one in (Outcome.FAIL, Outcome.ERROR, Outcome.STALE) if items[one]]
        if bad:
            listed = ", ".join(f"{items[one]} {_ITEM_WORDS[one]}" for one in bad)
            return bad[0], f"not conforming: {listed} of {counted(len(self.results.items), 'item')}"
        excused = [one for one in _EXCUSES if items[one]]
        if not (excused or items[Outcome.PASS]):
            return Outcome.ERROR, "nothing was tested"
        if lacking := sampled.shortfall(self.results):
            return Outcome.FAIL, lacking
        if excused:
            met = (f"{_EXCUSES[one]} in {counted(items[one], 'item')}" for one in excused)
            return excused[0], f"conforming, except for {' and '.join(met)}"
        return Outcome.PASS, "conforming"

    @property
    def rates(self) -> tuple[str, ...]:
        """Say how often a sampled model called, and whose faults there are."""
        return tuple(sampled.lines(self.results))


_EXCUSES = {Outcome.KNOWN: "known issues", Outcome.POLICY: "policies"}
_ITEM_WORDS = {Outcome.FAIL: "failing", Outcome.ERROR: "in error", Outcome.STALE: "stale"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The outcome of a rule or a case in one run."""

    outcome: Outcome
    text: str
    link: str | None = None
    note: str = ""
    """The difference from the run before."""
    decides: bool = True
    """Whether a fault here can fail a run."""

    @property
    def tone(self) -> str:
        """Choose its colour: a fault that cannot fail a run is only noted."""
        loud = self.decides or self.outcome is not Outcome.FAIL
        return self.outcome.name.lower() if loud else "noted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """A rule in all runs."""

    number: int
    id: str
    level: str
    title: str
    why: str
    cells: tuple[Cell, ...]

    @property
    def area(self) -> str:
        """The first part of the id."""
        return self.id.partition(".")[0]

    @property
    def troubled(self) -> bool:
        """Whether any cell is other than passed or not applicable."""
        return any(cell.outcome not in (Outcome.PASS, Outcome.NA) for cell in self.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """A case in all runs."""

    number: int
    id: str
    cells: tuple[Cell, ...]

    @property
    def topic(self) -> str:
        """The first part of the id."""
        return self.id.partition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The same finding of one rule in several items."""

    finding: Found
    cases: tuple[tuple[str, str, str], ...]
    """Link, case and modes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSection:
    """All findings of a rule in a run."""

    anchor: str
    row: RuleRow
    column: Column
    text: str
    groups: tuple[Group, ...]


def columns(runs: Iterable[Results]) -> list[Column]:
    """Order runs by implementation, format and version, not by score."""
    ordered = sorted(runs, key=_order)
    ids = Counter(run.target.id for run in ordered)
    names = [
        run.target.id if ids[run.target.id] == 1 else f"{run.target.id} ({run.target.model})"
        for run in ordered
    ]
    twice = Counter(names)
    return [
        Column(
            number=number,
            name=line(
                name if twice[name] == 1 else f"{name}, {run.run.started}", MAX_NAME_CHARACTERS
            ),
            results=run,
        )
        for number, (name, run) in enumerate(zip(names, ordered, strict=True))
    ]


def comparison(runs: Sequence[Column]) -> Comparison | str | None:
    """Compare two runs of one kind of server, or say why they cannot be compared."""
    if len(runs) != 2 or len({kind_of(column.results) for column in runs}) > 1:
        return None
    old, new = (column.results for column in runs)
    try:
        require_comparable(old, new)
    except Incomparable as problem:
        return str(problem)
    return compare(old, new)


def rule_rows(runs: Sequence[Column]) -> list[RuleRow]:
    """Give every rule of the runs, by area, after a row about whether there was an answer."""
    counts = [_by_rule(column.results) for column in runs]
    found = {rule for count in counts for rule in count}
    ordered = sorted(found, key=lambda rule: (rule != ERROR, rule))
    return [_rule_row(number, rule, runs, counts) for number, rule in enumerate(ordered)]


def _rule_row(
    number: int, id: str, runs: Sequence[Column], counts: Sequence[Mapping[str, Counter[Outcome]]]
) -> RuleRow:
    rule = RULES.get(id)
    level = rule.level if rule else Level.MUST
    cells = []
    for place, (column, count) in enumerate(zip(runs, counts, strict=True)):
        cell = _cell(count.get(id, Counter()))
        decides = can_fail(level, column.results.run.level)
        linked = cell.outcome in {*BROKEN, Outcome.STALE, Outcome.ERROR, Outcome.INCONCLUSIVE}
        link = f"r{number}-t{place}" if linked else None
        cells.append(Cell(outcome=cell.outcome, text=cell.text, link=link, decides=decides))
    title = "There is a whole answer to judge" if id == ERROR else "No rule of this suite any more"
    return RuleRow(
        number=number,
        id=id,
        level=level.upper(),
        title=rule.title if rule else title,
        why=rule.why if rule else "",
        cells=tuple(cells),
    )


def case_rows(runs: Sequence[Column]) -> list[CaseRow]:
    """Give every case of the runs."""
    found = [_by_case(column.results) for column in runs]
    rows = []
    for number, id in enumerate(sorted({case for cases in found for case in cases})):
        cells = []
        for place, cases in enumerate(found):
            items = cases.get(id, [])
            cell = _cell(Counter(item.outcome for item in items))
            noted = sum(item.outcome is Outcome.PASS and bool(item.findings) for item in items)
            link = f"c{number}-t{place}" if any(map(has_details, items)) else None
            text = f"{cell.text}, {noted} noted" if noted else cell.text
            cells.append(Cell(outcome=cell.outcome, text=text, link=link))
        rows.append(CaseRow(number=number, id=id, cells=tuple(cells)))
    return rows


def has_details(item: ItemResult) -> bool:
    """Whether an item has more to show than its outcome."""
    shown = (Outcome.ERROR, Outcome.STALE, Outcome.INCONCLUSIVE)
    return bool(item.findings) or item.outcome in shown


def rule_sections(
    runs: Sequence[Column], rules: Sequence[RuleRow], cases: Sequence[CaseRow]
) -> list[RuleSection]:
    """Gather the findings that each cell of the table of rules counts."""
    numbers = {row.id: row.number for row in cases}
    sections = []
    for row in rules:
        for column, cell in zip(runs, row.cells, strict=True):
            if cell.link is not None:
                groups = _groups(row.id, column, numbers)
                sections.append(
                    RuleSection(
                        anchor=cell.link, row=row, column=column, text=cell.text, groups=groups
                    )
                )
    return sections


def _groups(rule: str, column: Column, numbers: Mapping[str, int]) -> tuple[Group, ...]:
    items: dict[tuple[str, ...], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    first: dict[tuple[str, ...], Found] = {}
    for item in column.results.items:
        for finding in _findings(rule, item):
            key = (finding.outcome, finding.known or "", finding.expected, finding.actual)
            first.setdefault(key, finding)
            modes = items[key][item.case]
            if item.mode not in modes:
                modes.append(item.mode)
    groups = [
        Group(
            finding=first[key],
            cases=tuple(
                (f"c{numbers[case]}-t{column.number}", case, ", ".join(modes))
                for case, modes in cases.items()
            ),
        )
        for key, cases in items.items()
    ]
    weight = {outcome: place for place, outcome in enumerate(WORDS)}
    return tuple(sorted(groups, key=lambda one: (weight[one.finding.outcome], -len(one.cases))))


def _findings(rule: str, item: ItemResult) -> list[Found]:
    """Give an item's findings of a rule; an error, stale or undecided rule becomes a finding."""
    reason = sampled.reason(item)
    if rule == ERROR:
        if item.outcome is not Outcome.ERROR:
            return []
        actual = without("no whole answer", reason)
        return [_as_finding(rule, Outcome.ERROR, "a whole answer", actual)]
    outcome = item.rules.get(rule)
    if outcome is Outcome.STALE:
        expected = "a listed fault or policy that still shows"
        return [_as_finding(rule, outcome, expected, "the rule holds")]
    if outcome is Outcome.INCONCLUSIVE:
        actual = without("no such answer", reason)
        return [_as_finding(rule, outcome, "an answer that lets the rule decide", actual)]
    return [finding for finding in item.findings if finding.rule == rule]


def _as_finding(rule: str, outcome: Outcome, expected: str, actual: str) -> Found:
    return Found(
        rule=rule,
        level=Level.MUST,
        outcome=outcome,
        where="",
        expected=expected,
        actual=actual,
        chunk=None,
        known=None,
    )


def _by_rule(results: Results) -> dict[str, Counter[Outcome]]:
    counts: dict[str, Counter[Outcome]] = defaultdict(Counter)
    for item in results.items:
        for rule, outcome in item.rules.items():
            counts[rule][outcome] += 1
        if item.outcome is not Outcome.NA:
            answered = item.outcome is not Outcome.ERROR
            counts[ERROR][Outcome.PASS if answered else Outcome.ERROR] += 1
    return counts


def _by_case(results: Results) -> dict[str, list[ItemResult]]:
    found: dict[str, list[ItemResult]] = defaultdict(list)
    for item in results.items:
        found[item.case].append(item)
    return found


def _cell(count: Counter[Outcome]) -> Cell:
    of = sum(count.values()) - count[Outcome.NA]
    counted = [f"{word} {count[outcome]}" for outcome, word in WORDS.items() if count[outcome]]
    if counted:
        worst = next(outcome for outcome in WORDS if count[outcome])
        return Cell(outcome=worst, text=f"{', '.join(counted)} of {of}")
    if of:
        return Cell(outcome=Outcome.PASS, text=f"ok {of}")
    return Cell(outcome=Outcome.NA, text="n/a" if count else "-")


def kind_of(results: Results) -> tuple[str, str, str, str]:
    """Say what was tested, whatever its version: only runs of one kind can be compared."""
    target = results.target
    return (target.implementation, target.parser, target.format, target.model)


def _order(results: Results) -> tuple[str, str, str, str, bool, Version, str]:
    try:
        version, known = Version(results.target.version or ""), True
    except InvalidVersion:
        version, known = Version("0"), False
    return (*kind_of(results), known, version, results.run.started)
