from __future__ import annotations

from dataclasses import replace
from itertools import chain, combinations, product
from pathlib import Path

import pytest

from conformance.client.live import Limits, Live
from conformance.client.sender import Asker
from conformance.rules import RULES
from conformance.runs.session import Session
from conformance.terms.case import Case, Mode
from conformance.terms.outcome import Finding, Level, Outcome
from conformance.terms.said import Text
from conformance.verdicts.item import Item
from conformance.verdicts.known_issues import Issue, Known
from conformance.verdicts.verdict import Judgement, Verdict, decide, judge
from tests.evidence import SAMPLES, SCRIPTED, sample

PASS, FAIL, KNOWN, STALE = Outcome.PASS, Outcome.FAIL, Outcome.KNOWN, Outcome.STALE
POLICY = Outcome.POLICY
INCONCLUSIVE, NA, ERROR = Outcome.INCONCLUSIVE, Outcome.NA, Outcome.ERROR

RULE = replace(RULES["args.json"], level=Level.MUST)
MODE = Mode(name="stream", stream=True)
CASE = Case(
    id="single/one",
    about="One call.",
    path=Path("single.yaml"),
    line=3,
    messages=({"role": "user", "content": "Hi"},),
    says=(Text(text="Hi"),),
)
BRACE = Finding(where="call 0", expected="one JSON value", actual="{}}")
COMMA = Finding(where="call 1", expected="another thing", actual=",")


def issue(
    id: str = "brace", *, flaky: bool = False, says: str | None = None, policy: bool = False
) -> Issue:
    return Issue(
        id=id,
        about="One brace too many.",
        modes=() if flaky else ("stream*",),
        flaky_modes=("stream*",) if flaky else (),
        cases=("single/*",),
        rules=("args.json",),
        says=says,
        policy=policy,
    )


def judgement(
    outcome: Outcome, level: Level = Level.MUST, findings: tuple[Finding, ...] = (BRACE,)
) -> Judgement:
    found = findings if outcome is FAIL else ()
    return Judgement(
        rule=replace(RULE, level=level),
        outcome=outcome,
        findings=found,
        total=len(found),
        reason="too dark" if outcome is INCONCLUSIVE else None,
    )


def verdict(
    *judgements: Judgement,
    issues: tuple[Issue, ...] = (),
    failing_level: Level = Level.MUST,
    irrelevant: str | None = None,
    before: Outcome | None = None,
    varies: bool = False,
) -> Verdict:
    return decide(
        judgements,
        known=Known(issues=issues),
        case=CASE,
        mode=MODE,
        failing_level=failing_level,
        irrelevant=irrelevant,
        varies=varies,
        before={} if before is None else {RULE.id: before},
    )


LISTINGS = {
    "not listed": (),
    "fails": (issue(),),
    "flaky": (issue(flaky=True),),
    "fails so": (issue(says="one JSON"),),
    "fails otherwise": (issue(says="something else"),),
    "flaky otherwise": (issue(flaky=True, says="something else"),),
    "fails or flaky": (issue("first", flaky=True), issue("second")),
    "elsewhere": (replace(issue(), cases=("other/*",)), replace(issue(), modes=("complete",))),
    "policy": (issue(policy=True),),
    "policy otherwise": (issue(policy=True, says="something else"),),
    "policy and fault": (issue("first", policy=True), issue("second")),
}
WEIGHED = {
    "not listed": {PASS: PASS, FAIL: FAIL},
    "fails": {PASS: STALE, FAIL: KNOWN},
    "flaky": {PASS: PASS, FAIL: KNOWN},
    "fails so": {PASS: STALE, FAIL: KNOWN},
    "fails otherwise": {PASS: STALE, FAIL: FAIL},
    "flaky otherwise": {PASS: PASS, FAIL: FAIL},
    "fails or flaky": {PASS: STALE, FAIL: KNOWN},
    "elsewhere": {PASS: PASS, FAIL: FAIL},
    "policy": {PASS: STALE, FAIL: POLICY},
    "policy otherwise": {PASS: STALE, FAIL: FAIL},
    "policy and fault": {PASS: STALE, FAIL: KNOWN},
}
FOUND = [PASS, FAIL, INCONCLUSIVE, NA, ERROR]


@pytest.mark.parametrize("before", [None, *Outcome], ids=str)
@pytest.mark.parametrize("found", FOUND)
@pytest.mark.parametrize("listing", LISTINGS)
def test_what_is_known_is_weighed_and_then_the_baseline(
    listing: str, found: Outcome, before: Outcome | None
) -> None:
    weighed = verdict(judgement(found), issues=LISTINGS[listing], before=before).judgements[0]
    by_list = WEIGHED[listing].get(found, found)
    assert (weighed.issue is not None) == (by_list in (KNOWN, POLICY, STALE))
    assert weighed.chance == listing.startswith("flaky")
    still = by_list is FAIL and before in (FAIL, KNOWN, POLICY)
    assert weighed.outcome is (KNOWN if still else by_list)


def test_a_baseline_speaks_of_its_own_rules_only() -> None:
    other = replace(judgement(FAIL), rule=replace(RULE, id="args.other"))
    decided = verdict(judgement(FAIL), other, before=FAIL)
    assert [one.outcome for one in decided.judgements] == [KNOWN, FAIL]
    assert decided.outcome is FAIL


@pytest.mark.parametrize(
    ("issues", "told"),
    [
        ((issue(says="one JSON"),), None),
        ((issue(says="one JSON"), issue("comma", says="another")), "brace"),
        ((issue("comma", says="another"), issue(says="one JSON")), "brace"),
        ((issue(),), "brace"),
    ],
)
def test_a_new_finding_beside_a_known_one_fails(
    issues: tuple[Issue, ...], told: str | None
) -> None:
    found = judgement(FAIL, findings=(BRACE, COMMA))
    weighed = verdict(found, issues=issues).judgements[0]
    assert weighed.outcome is (FAIL if told is None else KNOWN)
    assert (weighed.issue.id if weighed.issue else None) == told


@pytest.mark.parametrize(
    ("issues", "outcome", "told"),
    [
        ((issue(policy=True, says="one JSON"),), FAIL, None),
        ((issue(policy=True), issue("comma", policy=True)), POLICY, "brace"),
        ((issue(policy=True, says="one JSON"), issue("comma", says="another")), KNOWN, "comma"),
        ((issue("comma", policy=True, says="another"), issue(says="one JSON")), KNOWN, "brace"),
    ],
)
def test_a_policy_hides_no_fault_beside_it(
    issues: tuple[Issue, ...], outcome: Outcome, told: str | None
) -> None:
    weighed = verdict(judgement(FAIL, findings=(BRACE, COMMA)), issues=issues).judgements[0]
    assert weighed.outcome is outcome
    assert (weighed.issue.id if weighed.issue else None) == told


# From what weighs most.
ORDER = [FAIL, STALE, KNOWN, POLICY, INCONCLUSIVE, PASS]
BY_OUTCOME = {
    FAIL: judgement(FAIL),
    STALE: replace(judgement(PASS), rule=replace(RULE, id="args.listed")),
    KNOWN: replace(judgement(FAIL), rule=replace(RULE, id="args.listed")),
    POLICY: replace(judgement(FAIL), rule=replace(RULE, id="args.policy")),
    INCONCLUSIVE: judgement(INCONCLUSIVE),
    PASS: judgement(PASS),
    NA: judgement(NA),
}
SUBSETS = list(
    chain.from_iterable(combinations(BY_OUTCOME, size) for size in range(len(BY_OUTCOME) + 1))
)


@pytest.mark.parametrize("unexercised", [None, "one chunk"])
@pytest.mark.parametrize("outcomes", SUBSETS, ids=lambda found: "+".join(found) or "nothing")
def test_the_weightiest_outcome_decides(
    outcomes: tuple[Outcome, ...], unexercised: str | None
) -> None:
    listed = replace(issue(), rules=("args.listed",))
    policy = replace(issue(policy=True), rules=("args.policy",))
    found = [BY_OUTCOME[outcome] for outcome in outcomes]
    decided = verdict(*found, issues=(listed, policy), irrelevant=unexercised)
    # An answer that did not exercise its case is no proof that an issue is gone.
    weighed = {PASS if one is STALE and unexercised else one for one in outcomes}
    weighed |= {INCONCLUSIVE} if unexercised else {PASS}
    assert decided.outcome is next(one for one in ORDER if one in weighed)
    assert len(decided.judgements) == len(outcomes)


@pytest.mark.parametrize(
    ("outcome", "unexercised", "reason"),
    [
        (PASS, "one chunk", "one chunk"),
        (INCONCLUSIVE, None, "args.json: too dark"),
        (INCONCLUSIVE, "one chunk", "one chunk"),
        (FAIL, "one chunk", None),
        (PASS, None, None),
    ],
)
def test_an_inconclusive_item_says_why(
    outcome: Outcome, unexercised: str | None, reason: str | None
) -> None:
    assert verdict(judgement(outcome), irrelevant=unexercised).reason == reason


LEVELS = [Level.INFO, Level.SHOULD, Level.MUST]


@pytest.mark.parametrize("outcome", [FAIL, STALE, KNOWN, INCONCLUSIVE])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("failing_level", LEVELS)
def test_a_rule_below_the_level_is_reported_and_decides_nothing(
    outcome: Outcome, level: Level, failing_level: Level
) -> None:
    found = {STALE: PASS, KNOWN: FAIL}.get(outcome, outcome)
    issues = (issue(),) if outcome in (STALE, KNOWN) else ()
    decided = verdict(judgement(found, level), issues=issues, failing_level=failing_level)
    assert decided.judgements[0].outcome is outcome
    below = LEVELS.index(level) < LEVELS.index(failing_level)
    assert decided.outcome is (PASS if below else outcome)


def test_judgements_are_picked_by_outcome() -> None:
    decided = verdict(judgement(FAIL), judgement(PASS), judgement(NA))
    assert [found.outcome for found in decided.of(FAIL, NA)] == [FAIL, NA]
    assert decided.of(KNOWN) == []


def test_every_rule_is_asked_in_the_order_of_the_catalogue() -> None:
    found = judge(sample(SAMPLES / "args.json" / "right.sse"))
    assert [one.rule.id for one in found] == list(RULES)


def test_a_client_that_stumbles_over_a_fault_with_a_rule_is_not_judged() -> None:
    found = sample(SAMPLES / "chunk.index.contiguous" / "wrong.sse")
    assert found.client is not None
    assert found.client.error is not None
    client = next(one for one in judge(found) if one.rule.id == "client.openai-python")
    assert (client.outcome, client.findings, client.total) == (NA, (), 0)


def test_trouble_is_never_excused() -> None:
    everything = replace(issue(), cases=("*",), modes=("*",), rules=tuple(RULES))
    asker = Asker(Live(SCRIPTED.url, limits=Limits(connect=5, patience=0)))
    session = Session(SCRIPTED, known=Known(issues=(everything,)), asker=asker)
    try:
        decided = session.judge(Item(case=CASE, mode=MODE)).verdict
    finally:
        session.close()
    assert decided.outcome is ERROR
    assert (decided.reason or "").startswith("ConnectError: ")
    assert decided.judgements == ()


def test_a_sampled_answer_makes_no_issue_stale() -> None:
    known = Known(issues=(issue(),))
    found = verdict(judgement(PASS), issues=known.issues, varies=True)
    assert found.outcome is PASS
    assert verdict(judgement(PASS), issues=known.issues).outcome is STALE


# What a rule comes to, how it is listed, and then, as `weighed item`: what both are if the rule
# counts, if it is below the level, if the answer was sampled, if it did not exercise its case.
TABLE = """
found         listed         counts                     below the level       sampled                    unexercised
pass          not-listed     pass pass                  pass pass           pass pass                  pass inconclusive
pass          fails          stale stale                stale pass          pass pass                  pass inconclusive
pass          flaky          pass pass                  pass pass           pass pass                  pass inconclusive
pass          otherwise      stale stale                stale pass          pass pass                  pass inconclusive
pass          policy         stale stale                stale pass          pass pass                  pass inconclusive
fail          not-listed     fail fail                  fail pass           fail fail                  fail fail
fail          fails          known known                known pass          known known                known known
fail          flaky          known known                known pass          known known                known known
fail          otherwise      fail fail                  fail pass           fail fail                  fail fail
fail          policy         policy policy              policy pass         policy policy              policy policy
inconclusive  not-listed     inconclusive inconclusive  inconclusive pass   inconclusive inconclusive  inconclusive inconclusive
inconclusive  fails          inconclusive inconclusive  inconclusive pass   inconclusive inconclusive  inconclusive inconclusive
inconclusive  flaky          inconclusive inconclusive  inconclusive pass   inconclusive inconclusive  inconclusive inconclusive
inconclusive  otherwise      inconclusive inconclusive  inconclusive pass   inconclusive inconclusive  inconclusive inconclusive
inconclusive  policy         inconclusive inconclusive  inconclusive pass   inconclusive inconclusive  inconclusive inconclusive
n/a           not-listed     n/a pass                   n/a pass            n/a pass                   n/a inconclusive
n/a           fails          n/a pass                   n/a pass            n/a pass                   n/a inconclusive
n/a           flaky          n/a pass                   n/a pass            n/a pass                   n/a inconclusive
n/a           otherwise      n/a pass                   n/a pass            n/a pass                   n/a inconclusive
n/a           policy         n/a pass                   n/a pass            n/a pass                   n/a inconclusive
"""  # noqa: E501 -- a table is read by its columns
ROWS = [line.split() for line in TABLE.strip().splitlines()[1:]]
LISTED = {
    "not-listed": (),
    "fails": (issue(),),
    "flaky": (issue(flaky=True),),
    "otherwise": (issue(says="something else"),),
    "policy": (issue(policy=True),),
}
WAYS = {"counts": 2, "below the level": 4, "sampled": 6, "unexercised": 8}


def test_the_table_has_every_outcome_and_every_listing_once() -> None:
    # ERROR is an exchange's, before any rule; KNOWN, POLICY and STALE are what this table makes.
    outcomes = set(Outcome) - {ERROR, KNOWN, POLICY, STALE}
    assert {(row[0], row[1]) for row in ROWS} == set(product(outcomes, LISTED))
    assert len(ROWS) == len(outcomes) * len(LISTED)


ASKED = [
    (way, level, failing_level)
    for way, level, failing_level in product(WAYS, LEVELS, LEVELS)
    if (LEVELS.index(level) < LEVELS.index(failing_level)) == (way == "below the level")
]


@pytest.mark.parametrize(("way", "level", "failing_level"), ASKED)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_every_outcome_comes_to_what_the_table_says(
    row: list[str], way: str, level: Level, failing_level: Level
) -> None:
    decided = verdict(
        judgement(Outcome(row[0]), level),
        issues=LISTED[row[1]],
        failing_level=failing_level,
        irrelevant="one chunk" if way == "unexercised" else None,
        varies=way == "sampled",
    )
    place = WAYS[way]
    assert [decided.judgements[0].outcome, decided.outcome] == row[place : place + 2]
