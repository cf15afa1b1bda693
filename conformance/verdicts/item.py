"""An item, and what became of it, however often a sampled model was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from conformance.base import statistics
from conformance.base.statistics import Rate
from conformance.terms.case import Case, Mode
from conformance.terms.outcome import Level, Outcome
from conformance.verdicts.blame import Blame
from conformance.verdicts.verdict import BROKEN, Verdict, merge
from conformance.wires.answer import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A case in a mode."""

    case: Case
    mode: Mode
    attempt: int = 1
    """A sampled model may be asked more than once."""

    @property
    def key(self) -> tuple[str, str]:
        """Name the item."""
        return (self.case.id, self.mode.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An item with everything known about it."""

    item: Item
    verdict: Verdict
    answer: Answer | None = None
    fault: Blame | None = None
    """Whose fault it is, where a sampled item failed or was not decided."""
    called: bool | None = None
    """Whether the model made the wanted call; `None` if none was wanted, or nothing is known."""
    said: str | None = None
    """The sampled model's own text, where its tokens are known."""
    attempts: tuple[Judged, ...] = ()
    """Every time that a sampled model was asked, in order."""

    def times_broken(self, rule: str) -> Rate:
        """Count the attempts with an answer in which a rule was broken."""
        asked = [one.verdict for one in self.attempts if one.verdict.judgements]
        broken = sum(any(f.rule.id == rule for f in one.of(*BROKEN)) for one in asked)
        return Rate(broken, len(asked))


def is_clear(attempts: Sequence[Judged], required_rate: float) -> bool:
    """Whether more attempts would change nothing: the item has failed, or its rate is sure.

    The rate is that of wanted calls, and sure if it is clearly on one side of `required_rate`.
    After an error there is no more asking either: the next wait may be as long.
    """
    ends = {Outcome.FAIL, Outcome.ERROR, Outcome.NA}
    if any(one.verdict.outcome in ends for one in attempts):
        return True
    calls = [one.called for one in attempts if one.called is not None]
    if calls:
        return Rate(sum(calls), len(calls)).is_clear(required_rate)
    # Where no call is wanted, as many as would show what the model mostly does.
    return len(attempts) >= statistics.fewest(statistics.REQUIRED_RATE)


def summed_up(
    item: Item, attempts: Sequence[Judged], *, earlier: Mapping[str, Rate], level: Level
) -> Judged:
    """Make one of all attempts: a fault in any of them is the item's.

    `earlier` says how often each rule was broken in the baseline. That excuses a rule unless it is
    now broken more often, beyond chance.
    """
    whole = Judged(item=item, verdict=attempts[0].verdict, attempts=tuple(attempts))
    worse = {
        rule for rule, rate in earlier.items() if statistics.rose(rate, whole.times_broken(rule))
    }
    verdict = merge([one.verdict for one in attempts], worse=worse, failing_level=level)
    # The first attempt with the same outcome is shown in full.
    alike = [one for one in attempts if one.verdict.outcome is verdict.outcome] or [attempts[0]]
    calls = [one.called for one in attempts if one.called is not None]
    return replace(
        whole,
        verdict=verdict,
        answer=alike[0].answer,
        fault=alike[0].fault,
        said=alike[0].said,
        called=all(calls) if calls else None,
    )
