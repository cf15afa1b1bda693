"""A sampled run against a model that dithers: never red by itself, always by a fault."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from starlette.responses import JSONResponse, Response

from conformance.base.jsonvalue import Json
from conformance.formats import FORMATS
from conformance.reference import FAULTS, Variant
from conformance.reference.fault import Fault
from conformance.rules import RULES
from conformance.terms.outcome import Level, Outcome
from conformance.verdicts import blame
from conformance.verdicts.blame import Blame
from conformance.verdicts.item import Judged
from tests.sampling import CASES, play

pytestmark = pytest.mark.slow

BAD = {Outcome.FAIL, Outcome.STALE, Outcome.ERROR}
UNHEARD = (Variant.DITHERS, Variant.NO_TOKEN_IDS)
OF_THE_PARSER = [
    fault
    for fault in FAULTS.values()
    if fault.owner != "error"
    and blame.owner(fault.owner) is Blame.PARSER
    and RULES[fault.owner].level is not Level.INFO
]
SAME_TOKENS = "only a complete answer of the same tokens shows it, and this model has one by chance"
BY_CHANCE = {
    "cut-arguments-begin-with-a-colon": "a cut text is read as no call: the colon may be its own",
    "cut-arguments-held-back": SAME_TOKENS,
    "cut-call-withheld": SAME_TOKENS,
    "whole-call-thrown-away": SAME_TOKENS,
    "choices-swapped": "it swaps the tokens with the answers; only the case tells whose they are",
}
"""Faults that a run against a model which dithers may miss, and why."""


def bad(judged: Iterable[Judged]) -> list[str]:
    return [
        f"{one.item.case.id} [{one.item.mode.name}] {one.fault}: "
        + (one.verdict.reason or ", ".join(f.rule.id for f in one.verdict.of(Outcome.FAIL)))
        for one in judged
        if one.verdict.outcome in BAD
    ]


@pytest.mark.parametrize("variants", [(Variant.DITHERS,), UNHEARD], ids=["heard", "unheard"])
@pytest.mark.parametrize("format", sorted(FORMATS))
def test_a_model_that_dithers_never_turns_a_run_red(
    format: str, variants: tuple[Variant, ...]
) -> None:
    times = 1 if Variant.NO_TOKEN_IDS in variants else 3
    verdicts = [bad(play(format=format, variants=variants, concurrency=8)) for _ in range(times)]
    assert verdicts == [[]] * times


@pytest.mark.parametrize("fault", OF_THE_PARSER, ids=[fault.name for fault in OF_THE_PARSER])
def test_a_parsers_fault_turns_a_run_red_and_is_the_parsers(fault: Fault) -> None:
    # Answers can be swapped only if two are under way.
    pairs = 2 if fault.name == "choices-swapped" else 1
    found = play(fault=fault, format=fault.format, concurrency=pairs)
    failed = [one for one in found if one.verdict.outcome is Outcome.FAIL]
    assert failed or fault.name in BY_CHANCE
    assert {one.fault for one in failed} <= {Blame.PARSER, Blame.SERVER}


@pytest.mark.parametrize("name", ["name-twice", "arguments-as-object", "complete-call-as-text"])
def test_without_tokens_a_fault_that_no_model_can_make_turns_a_run_red(name: str) -> None:
    assert bad(play(fault=FAULTS[name], variants=UNHEARD))


@pytest.mark.parametrize("name", ["last-brace-lost", "second-call-lost"])
def test_without_tokens_nobody_is_accused_of_what_the_model_may_have_said(name: str) -> None:
    found = play(fault=FAULTS[name], variants=UNHEARD)
    assert not bad(found)
    assert {one.fault for one in found} == {None, Blame.UNCLEAR}


def test_the_same_fault_is_found_with_tokens_however_the_answers_fall() -> None:
    assert all(bad(play(fault=FAULTS["second-call-lost"], concurrency=8)) for _ in range(3))


def test_what_the_model_said_otherwise_is_shown_where_the_stream_is_not_compared() -> None:
    complete, streamed = play(cases=CASES[:1], repeat=1)
    (unlike,) = (
        one.reason
        for one in streamed.verdict.of(Outcome.INCONCLUSIVE)
        if one.rule.id == "equiv.calls"
    )
    assert unlike
    assert unlike.startswith("the model said ")
    assert " complete, and " in unlike
    assert (complete.fault, streamed.fault) == (None, Blame.MODEL)
    assert streamed.verdict.outcome is Outcome.INCONCLUSIVE


def test_every_attempt_is_kept_and_asked_for_with_the_same_seed() -> None:
    found = play(cases=CASES[:1], repeat=4)
    assert [len(one.attempts) for one in found] == [4, 4]
    requests = [one.answer.exchange.request for one in found[0].attempts if one.answer]
    assert len(requests) == 4
    assert all(request == requests[0] and request["seed"] == 1 for request in requests)


def test_an_item_that_has_failed_is_not_asked_until_it_passes() -> None:
    found = play(cases=CASES[:1], fault=FAULTS["complete-arguments-as-object"], repeat=20)
    assert found[0].verdict.outcome is Outcome.FAIL
    assert len(found[0].attempts) < 10
    assert found[0].attempts[-1].verdict.outcome is Outcome.FAIL
    assert all(one.verdict.outcome is not Outcome.FAIL for one in found[0].attempts[:-1])


def test_a_model_is_asked_in_the_order_of_judgement() -> None:
    asked: list[bool] = []

    def noted(request: Json, response: Response) -> Response:
        asked.append(len(request["tools"][0]["function"].get("parameters", ())) > 0)
        return response

    fault = Fault(name="noted", about="Nothing.", owner="http.ok", turn=noted)
    play(fault=fault, cases=CASES[1:3], repeat=1)
    assert asked == [False] * 2 + [True] * 2


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("This model's maximum context length is 512 tokens.", Outcome.NA),
        ("The moon is full.", Outcome.FAIL),
    ],
)
def test_a_server_whose_context_is_short_is_not_blamed_for_the_room_we_ask_for(
    text: str, outcome: Outcome
) -> None:
    def refused(request: Json, response: Response) -> Response:
        return JSONResponse({"error": {"message": text, "type": "x", "code": 400}}, 400)

    fault = Fault(name="short", about="It has no room.", owner="http.ok", turn=refused)
    found = play(fault=fault, cases=CASES[:1], repeat=1)
    assert {one.verdict.outcome for one in found} == {outcome}
