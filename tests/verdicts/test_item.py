"""Several attempts make one item: no later one makes good a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.base.statistics import Rate
from conformance.rules import RULES
from conformance.terms.case import STREAM, Case
from conformance.terms.outcome import Level, Outcome
from conformance.verdicts.item import Item, Judged, is_clear, summed_up
from conformance.verdicts.known_issues import Issue
from conformance.verdicts.verdict import GRAVEST_FIRST, Judgement, Verdict, merge

ITEM = Item(case=Case(id="a/b", about="It.", path=Path("a.yaml"), line=1, messages=()), mode=STREAM)
RULE = RULES["chunk.name.once"]
PASS, FAIL, KNOWN, NA = Outcome.PASS, Outcome.FAIL, Outcome.KNOWN, Outcome.NA
ERROR, INCONCLUSIVE = Outcome.ERROR, Outcome.INCONCLUSIVE


def attempt(outcome: Outcome, *, called: bool | None = None, issue: Issue | None = None) -> Judged:
    own = (Judgement(rule=RULE, outcome=outcome, issue=issue),)
    none = outcome in (ERROR, NA)
    verdict = Verdict(outcome=outcome, judgements=() if none else own, reason=str(outcome))
    return Judged(item=ITEM, verdict=verdict, called=called)


def sum_up(*attempts: Judged, earlier: Rate | None = None) -> Judged:
    told = {RULE.id: earlier} if earlier else {}
    return summed_up(ITEM, attempts, earlier=told, level=Level.MUST)


def test_the_gravest_attempt_tells_whatever_follows_it() -> None:
    assert set(GRAVEST_FIRST) == set(Outcome)
    for place, grave in enumerate(GRAVEST_FIRST):
        for lighter in GRAVEST_FIRST[place:]:
            for pair in ((grave, lighter), (lighter, grave)):
                found = sum_up(*map(attempt, pair))
                assert found.verdict.outcome is grave
                assert found.verdict.reason == grave
                assert [one.verdict.outcome for one in found.attempts] == list(pair)


def test_a_rule_is_as_broken_as_in_its_worst_attempt() -> None:
    found = merge([attempt(PASS).verdict, attempt(FAIL).verdict, attempt(PASS).verdict])
    assert [one.outcome for one in found.judgements] == [FAIL]


@pytest.mark.parametrize(
    ("made", "called"),
    [([True, True], True), ([True, False], False), ([None, True], True), ([None, None], None)],
)
def test_an_item_was_called_if_every_attempt_was(
    made: list[bool | None], called: bool | None
) -> None:
    assert sum_up(*(attempt(PASS, called=one) for one in made)).called is called


@pytest.mark.parametrize(
    ("attempts", "clear"),
    [
        ([attempt(FAIL)], True),
        ([attempt(NA)], True),
        ([attempt(ERROR)], True),
        ([attempt(PASS, called=True)] * 3, False),
        ([attempt(PASS, called=True)] * 4, True),
        ([attempt(INCONCLUSIVE, called=False)] * 4, True),
        ([attempt(PASS, called=True), attempt(INCONCLUSIVE, called=False)] * 4, False),
        ([attempt(PASS)] * 3, False),
        ([attempt(PASS)] * 4, True),
        ([], False),
    ],
)
def test_asking_ends_when_more_answers_would_change_nothing(
    attempts: list[Judged], clear: bool
) -> None:
    assert is_clear(attempts, 0.5) is clear


def test_a_higher_required_rate_takes_more_answers() -> None:
    assert not is_clear([attempt(PASS, called=True)] * 20, 0.9)
    assert is_clear([attempt(PASS, called=True)] * 40, 0.9)
    assert is_clear([attempt(INCONCLUSIVE, called=False)], 0.9)


KNOWN_ISSUE = Issue(id="x", about="It.", rules=())


@pytest.mark.parametrize(
    ("attempts", "earlier", "outcome"),
    [
        ([attempt(KNOWN)] * 10, Rate(9, 10), KNOWN),
        ([attempt(KNOWN)] * 10, Rate(1, 10), FAIL),
        ([attempt(KNOWN)] + [attempt(PASS)] * 9, Rate(1, 10), KNOWN),
        ([attempt(KNOWN, issue=KNOWN_ISSUE)] * 10, Rate(1, 10), KNOWN),
        ([attempt(PASS)] * 10, Rate(10, 10), PASS),
        ([attempt(KNOWN)], Rate(1, 2), KNOWN),
    ],
)
def test_a_baseline_excuses_what_is_not_broken_more_often_now(
    attempts: list[Judged], earlier: Rate, outcome: Outcome
) -> None:
    assert sum_up(*attempts, earlier=earlier).verdict.outcome is outcome
