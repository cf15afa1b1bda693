"""What a change to a server does: which rules it breaks, fixes and leaves, each with an example."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from conformance.results import reader
from conformance.results.comparison import Change, Comparison, Kind
from conformance.results.reader import ItemResult, Results
from conformance.terms.outcome import Level
from conformance.verdicts.verdict import counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A rule that a change breaks, fixes or leaves broken."""

    rule: str
    level: Level
    changes: tuple[Change, ...]
    """One an item, sorted by case and mode."""
    smallest: Change
    """The item whose recorded exchange is the shortest on the side that breaks the rule."""
    results: Results
    """The run that breaks the rule."""

    @property
    def item(self) -> ItemResult | None:
        """The item of `smallest` in `results`."""
        wanted = (self.smallest.case, self.smallest.mode)
        return next((item for item in self.results.items if item.key == wanted), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a change does to one target."""

    comparison: Comparison
    breaks: tuple[Effect, ...]
    """Those that can fail a run come first; listed as known or not."""
    fixes: tuple[Effect, ...]
    leaves: tuple[Effect, ...]

    @property
    def regressed(self) -> bool:
        """Whether the change breaks a rule that can fail a run."""
        return self.comparison.regressed


def rule_on(comparison: Comparison) -> Ruling:
    """Sum up a comparison of a base and a head, rule by rule."""
    old, new = comparison.old, comparison.new
    return Ruling(
        comparison=comparison,
        breaks=_effects(comparison, comparison.of(Kind.REGRESSED), new),
        fixes=_effects(comparison, comparison.of(Kind.FIXED), old),
        leaves=_effects(comparison, comparison.left, new),
    )


def _effects(
    comparison: Comparison, changes: Iterable[Change], broken: Results
) -> tuple[Effect, ...]:
    by_rule: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        by_rule[change.rule].append(change)
    sizes = {item.key: _size(broken, item) for item in broken.items}
    found = []
    for rule, of_rule in by_rule.items():
        smallest = min(of_rule, key=lambda one: sizes.get((one.case, one.mode), math.inf))
        found.append(
            Effect(
                rule=rule,
                level=smallest.level,
                changes=tuple(of_rule),
                smallest=smallest,
                results=broken,
            )
        )
    failing = comparison.new.run.level
    return tuple(sorted(found, key=lambda one: (not counts(one.level, failing), one.rule)))


def _size(results: Results, item: ItemResult) -> float:
    """Give the bytes of an item's recorded exchange; what has none comes last."""
    size = reader.wire_bytes(results, item)
    return math.inf if size is None else size
