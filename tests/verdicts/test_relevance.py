"""An answer exercised its case only if it is the kind of answer that the case is about."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.rules import Evidence
from conformance.terms.case import COMPLETE, STREAM, Case, Echo, Expectation, Mode
from conformance.terms.said import Call
from conformance.verdicts.item import Item
from conformance.verdicts.relevance import (
    Check,
    called,
    in_one_chunk,
    not_sent_back,
    other_calls,
    why_irrelevant,
)
from conformance.verdicts.spoken import Reading
from tests.evidence import SAMPLES, evidence, exchange, sample

CALLS = sample(SAMPLES / "said.calls" / "right.json")
NAMES = tuple(call.name or "" for call in CALLS.turns[0].calls)
WANTED = tuple(Call(name=name, arguments="{}") for name in NAMES)
CASE = Case(
    id="a/b",
    about="x",
    path=Path("a.yaml"),
    line=1,
    messages=(),
    expect=Expectation(calls=WANTED),
)
STREAMED = sample(SAMPLES / "chunk.name.once" / "right.sse")


def item(mode: Mode = COMPLETE, **changes: object) -> Item:
    return Item(case=replace(CASE, **changes), mode=mode)  # type: ignore[arg-type]


def test_a_model_that_makes_other_calls_than_the_case_is_about_exercised_nothing() -> None:
    assert other_calls(item(), CALLS, None) is None
    none = item(expect=Expectation(calls=()))
    assert other_calls(none, CALLS, None) == (
        f"the model called {[list(NAMES)]}, and the case is about []"
    )
    assert other_calls(item(expect=Expectation()), CALLS, None) is None


def test_the_calls_are_those_of_the_tokens_where_these_are_known() -> None:
    odd = Reading(text="…", calls=None, odd="it was cut short")
    assert (other_calls(item(), CALLS, odd) or "").endswith(
        f"about {list(NAMES)} (it was cut short)"
    )
    assert called(item(), CALLS, odd) is False
    assert called(item(), CALLS, None) is True
    assert called(item(expect=Expectation(calls=())), CALLS, None) is None


def test_an_answer_that_was_to_be_sent_back_and_was_not_exercised_nothing() -> None:
    echo = Echo(results=("noon",), says=())
    assert not_sent_back(item(), CALLS, None) is None
    assert (not_sent_back(item(echo=echo), CALLS, None) or "").endswith("so it was not sent back")
    assert not_sent_back(item(echo=echo), replace(CALLS, echo=CALLS), None) is None


@pytest.mark.parametrize("checks", [(), (in_one_chunk,), (other_calls, not_sent_back)])
def test_an_error_always_exercised_its_case(checks: tuple[Check, ...]) -> None:
    exchange = replace(CALLS.answer.exchange, status=400)
    failed = replace(CALLS, answer=replace(CALLS.answer, exchange=exchange))
    assert why_irrelevant(checks, item(expect=Expectation(calls=())), failed, None) is None
    assert called(item(), failed, None) is None


def test_the_first_reason_is_given() -> None:
    def one(item: Item, evidence: Evidence, reading: Reading | None) -> str | None:
        return "one"

    def none(item: Item, evidence: Evidence, reading: Reading | None) -> str | None:
        return None

    assert why_irrelevant((none, one, in_one_chunk), item(), CALLS, None) == "one"


def test_a_stream_in_several_chunks_exercised_streaming() -> None:
    assert in_one_chunk(item(STREAM), STREAMED, None) is None


def streamed(*texts: str) -> Evidence:
    chunks = [
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
        }
        for text in texts
    ]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return evidence(exchange(f"{body}data: [DONE]\n\n".encode(), stream=True), says=None)


@pytest.mark.parametrize(
    ("mode", "texts", "irrelevant"),
    [
        (STREAM, ("x" * 41,), True),
        (STREAM, ("x" * 40,), False),
        (STREAM, ("x" * 40, "x"), False),
        (STREAM, ("x" * 41, ""), True),
        (Mode(name="stream-interval-5", stream=True, interval=5), ("x" * 41,), True),
        (Mode(name="stream-interval-1000", stream=True, interval=1000), ("x" * 41,), False),
    ],
)
def test_a_long_stream_in_one_chunk_exercised_nothing_unless_all_was_given_at_once(
    mode: Mode, texts: tuple[str, ...], irrelevant: bool
) -> None:
    found = in_one_chunk(item(mode), streamed(*texts), None)
    assert found == ("the stream came in one chunk" if irrelevant else None)
