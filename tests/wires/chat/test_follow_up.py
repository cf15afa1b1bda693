from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.terms.asked import Options
from conformance.terms.case import Case, Echo
from conformance.terms.said import Text
from conformance.wires.chat import answers
from conformance.wires.chat.answers import Answer
from conformance.wires.chat.follow_up import answered
from tests.evidence import PARIS, SAMPLES, TOOLS, exchange

CASE = Case(
    id="a/b",
    about="x",
    path=Path("a.yaml"),
    line=1,
    messages=({"role": "user", "content": "Hi"},),
    tools=tuple(TOOLS),
    options=Options(choice="required", limit=9, seed=1),
    wire={"chat": {"max_completion_tokens": 9, "user": "ida"}},
    says=(PARIS,),
    echo=Echo(results=("sunny",), says=(Text(text="It is sunny."),)),
)


def answer(name: str) -> Answer:
    file = SAMPLES / name
    return answers.read(exchange(file.read_bytes(), stream=file.suffix == ".sse"))


def test_a_complete_message_goes_back_as_it_came() -> None:
    file = SAMPLES / "args.string" / "right.json"
    following = answered(CASE, answer("args.string/right.json"))
    assert following is not None
    came = json.loads(file.read_text("utf-8"))["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
    assert following.messages == (*CASE.messages, came, result)


def test_a_streamed_message_goes_back_as_it_was_put_together() -> None:
    following = answered(CASE, answer("args.string/right.sse"))
    assert following is not None
    function = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    assert following.messages[1] == {"role": "assistant", "content": None, "tool_calls": [call]}


def test_what_forced_the_first_answer_does_not_force_the_next() -> None:
    following = answered(CASE, answer("args.string/right.json"))
    assert following is not None
    assert following.options == Options(seed=1)
    assert following.wire == {"chat": {"user": "ida"}}
    assert (following.says, following.echo) == ((Text(text="It is sunny."),), None)


@pytest.mark.parametrize(
    "name",
    [
        "said.content/right.json",
        "id.unique/right.json",
        "http.ok/wrong.json",
        "msg.tool_call.shape/wrong.json",
        "args.string/wrong-null.json",
    ],
)
def test_an_answer_without_the_calls_that_were_said_does_not_go_back(name: str) -> None:
    assert answered(CASE, answer(name)) is None


def test_a_case_without_a_next_turn_has_none() -> None:
    assert answered(replace(CASE, echo=None), answer("args.string/right.json")) is None
