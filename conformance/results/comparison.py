"""Two results of one kind of server, rule by rule: what was fixed, and what regressed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from conformance.results.reader import Found, ItemResult, Results
from conformance.terms.outcome import Level, Outcome
from conformance.terms.server import Server
from conformance.verdicts.verdict import BROKEN, counts

ERROR = "error"
"""Takes the place of a rule's id where there was no whole answer to judge."""

TROUBLE = {*BROKEN, Outcome.ERROR}
HOLDS = {Outcome.PASS, Outcome.STALE}
UNASKED = {Outcome.NA, Outcome.ERROR}
"""Outcomes of an item whose rules were not asked."""


class Incomparable(Exception):
    """Two results cannot be compared; the message says why, and what to do."""


class Kind(StrEnum):
    """How a rule's outcome in an item changed between two runs."""

    REGRESSED = "regressed"
    FIXED = "fixed"
    ADDED = "added"
    """Judged now, but not before."""
    GONE = "gone"
    """Judged before, but not now."""
    CHANCE = "by chance"
    """Broken in one of the runs, and listed as failing by chance in either."""
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A rule in an item, before and after."""

    kind: Kind
    rule: str
    case: str
    mode: str
    before: Outcome | None
    """`None` if there was no such item."""
    after: Outcome | None
    finding: Found | None = None
    """The first finding after, or else the first before."""
    reason: str | None = None
    """Why there is no whole answer, if that is the change."""

    @property
    def level(self) -> Level:
        """The level of the rule; MUST if no finding says."""
        return self.finding.level if self.finding else Level.MUST

    @property
    def listed(self) -> str | None:
        """The known issue or the policy that excuses the rule now."""
        excused = self.after in (Outcome.KNOWN, Outcome.POLICY)
        return self.finding.known if excused and self.finding else None

    @property
    def broken(self) -> bool:
        """Whether the rule is broken on the side on which it was judged."""
        return (self.before if self.after is None else self.after) in TROUBLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that changed between two runs."""

    old: Results
    new: Results
    changes: tuple[Change, ...]
    """What changed, sorted by rule, case and mode."""
    unchanged: int
    left: tuple[Change, ...]
    """The unchanged that are broken, sorted as the changes are."""
    items_added: tuple[tuple[str, str], ...]
    items_gone: tuple[tuple[str, str], ...]

    @property
    def still_broken(self) -> int:
        """How many of the unchanged are broken."""
        return len(self.left)

    def of(self, kind: Kind) -> list[Change]:
        """Give the changes of a kind."""
        return [change for change in self.changes if change.kind is kind]

    @property
    def regressed(self) -> bool:
        """Whether a rule regressed that can fail a run, listed as known or not."""
        failing_level = self.new.run.level
        return any(counts(change.level, failing_level) for change in self.of(Kind.REGRESSED))


def require_comparable(old: Results, new: Results) -> None:
    """Raise `Incomparable` where a comparison would mislead."""
    if not _left_out_alike(old, new):
        for results in (old, new):
            _require_whole(results)
    if made := new.made_with_other(old.suite.digest, str(old.path)):
        raise Incomparable(f"{made}; run both with one version of the suite")
    target, other = old.target, new.target
    _require_same(old, "parser", target.parser, other.parser, str(new.path))
    _require_same(old, "format", target.format, other.format, str(new.path))
    _require_emission(old, other.emission, str(new.path))
    if any(item.attempts for item in (*old.items, *new.items)):
        raise Incomparable(
            f"{new.path}: {other.emission}, so answers differ by chance; compare rates "
            "with --baseline, or give both servers the script plugin "
            "(docs/servers.md, 'A vLLM of your own')"
        )


def require_baseline(baseline: Results, server: Server) -> None:
    """Raise `Incomparable` where a server cannot be compared with earlier results."""
    _require_whole(baseline)
    _require_same(baseline, "parser", baseline.target.parser, server.parser, "this run")
    _require_same(baseline, "format", baseline.target.format, server.format, "this run")
    _require_emission(baseline, server.emission, "this run")


def compare(old: Results, new: Results) -> Comparison:
    """Compare rule by rule; if the new run is not whole, only the items that it has."""
    before = {item.key: item for item in old.items}
    after = {item.key: item for item in new.items}
    if not new.run.complete or new.run.deselected:
        before = {key: item for key, item in before.items() if key in after}
    changes: list[Change] = []
    left: list[Change] = []
    unchanged = 0
    for key in sorted(before.keys() | after.keys()):
        for change in _changes(before.get(key), after.get(key)):
            if change.kind is Kind.UNCHANGED:
                unchanged += 1
                left += [change] if change.broken else []
            else:
                changes.append(change)
    return Comparison(
        old=old,
        new=new,
        changes=_sorted(changes),
        unchanged=unchanged,
        left=_sorted(left),
        items_added=tuple(sorted(after.keys() - before.keys())),
        items_gone=tuple(sorted(before.keys() - after.keys())),
    )


def _sorted(changes: Iterable[Change]) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=lambda one: (one.rule, one.case, one.mode)))


def _changes(old: ItemResult | None, new: ItemResult | None) -> Iterator[Change]:
    before, after = _outcomes(old), _outcomes(new)
    some = new or old
    assert some is not None
    asked = all(item is not None and item.outcome not in UNASKED for item in (old, new))
    for rule in before.keys() | after.keys():
        was, now = before.get(rule), after.get(rule)
        kind = _kind(was, now, asked=asked)
        if kind is None:
            continue
        if kind in (Kind.REGRESSED, Kind.FIXED) and _by_chance(rule, old, new):
            kind = Kind.CHANCE
        change = Change(kind=kind, rule=rule, case=some.case, mode=some.mode, before=was, after=now)
        yield replace(change, finding=_finding(rule, new, old), reason=_reason(rule, new, old))


def _outcomes(item: ItemResult | None) -> Mapping[str, Outcome]:
    """Give the outcomes of an item's rules, and under `error` whether it had an answer."""
    if item is None or item.outcome is Outcome.NA:
        return {}
    answered = Outcome.ERROR if item.outcome is Outcome.ERROR else Outcome.PASS
    return {**item.rules, ERROR: answered}


def _kind(was: Outcome | None, now: Outcome | None, *, asked: bool) -> Kind | None:
    """Name a rule's change; `asked` says that both runs had an answer to judge."""
    judged = {*TROUBLE, *HOLDS}
    if was not in judged and now not in judged:
        return None
    if (was in TROUBLE) == (now in TROUBLE) and (asked or (was in judged and now in judged)):
        return Kind.UNCHANGED
    # A rule that found nothing in an answer counts as one that held.
    if now in TROUBLE and (was in HOLDS or asked):
        return Kind.REGRESSED
    if now in judged:
        return Kind.FIXED if was in TROUBLE else Kind.ADDED
    return Kind.GONE


def _by_chance(rule: str, old: ItemResult | None, new: ItemResult | None) -> bool:
    """Whether a run lists the rule as failing by chance; each run lists its own version only."""
    if new is not None and rule in new.chance:
        return (
            new.rules.get(rule) is not Outcome.FAIL
        )  # a failure with other words than the listed ones
    return old is not None and rule in old.chance


def _finding(rule: str, *items: ItemResult | None) -> Found | None:
    found = (one for item in items if item for one in item.findings if one.rule == rule)
    return next(found, None)


def _reason(rule: str, *items: ItemResult | None) -> str | None:
    troubled = (item.reason for item in items if item and item.outcome is Outcome.ERROR)
    return next(troubled, None) if rule == ERROR else None


def _left_out_alike(old: Results, new: Results) -> bool:
    """Whether both runs ended, and asked the same items."""
    facts = [
        (results.run.complete, results.run.deselected, {item.key for item in results.items})
        for results in (old, new)
    ]
    return facts[0] == facts[1] and facts[0][0]


def _require_whole(results: Results) -> None:
    if results.gap:
        raise Incomparable(f"{results.path}: {results.gap}")


def _require_same(old: Results, what: str, was: str, now: str, who: str) -> None:
    if was != now:
        raise Incomparable(
            f"{who}: the {what} {now!r}, and {old.path} has {was!r}; "
            f"compare runs of one {what} (another version is what comparing is for)"
        )


def _require_emission(old: Results, now: str, who: str) -> None:
    if old.target.emission != now:
        raise Incomparable(
            f"{who}: {now}, and {old.path} is {old.target.emission}; "
            "run both with the same --emission"
        )
