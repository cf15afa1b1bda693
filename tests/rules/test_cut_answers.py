"""Of an answer that a limit cuts, what was whole is demanded, and the rest is alike either way."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from conformance.base.jsonvalue import Json
from conformance.casefiles import casefile
from conformance.formats import FORMATS
from conformance.rules import Evidence
from conformance.scripting import finished_calls, script_in
from conformance.terms.case import Expectation
from conformance.terms.said import Call, Text, Utterance
from conformance.wires.chat import answers
from tests.evidence import broken, evidence, exchange

OSLO = Call(name="get_weather", arguments='{"city": "Oslo"}')
ROME = Call(name="get_weather", arguments='{"city": "Rome"}')
Form = Callable[..., bytes]
CUT = Expectation(ending=("limit",))
LIMITED = {"max_completion_tokens": 9}


def complete(*calls: tuple[str, str], content: str | None = None) -> bytes:
    """A complete answer that a limit cut, with these calls."""
    given = [
        {"id": f"call_{i}", "type": "function", "function": {"name": name, "arguments": text}}
        for i, (name, text) in enumerate(calls)
    ]
    message: Json = {"role": "assistant", "content": content, "refusal": None}
    message |= {"tool_calls": given} if given else {}
    choice = {"index": 0, "message": message, "finish_reason": "length", "logprobs": None}
    usage = {"prompt_tokens": 10, "completion_tokens": 9, "total_tokens": 19}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "m"}
    return json.dumps({**head, "choices": [choice], "usage": usage}).encode()


def streamed(*calls: tuple[str, str]) -> bytes:
    """The same as a stream."""
    deltas: list[dict[str, object]] = [{"role": "assistant", "content": ""}]
    for i, (name, text) in enumerate(calls):
        head = {"index": i, "id": f"call_{i}", "type": "function"}
        deltas.append({"tool_calls": [{**head, "function": {"name": name, "arguments": ""}}]})
        deltas.append({"tool_calls": [{"index": i, "function": {"arguments": text}}]})
    last = len(deltas)
    chunks = [
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1700000000,
            "model": "m",
            "choices": [
                {"index": 0, "delta": delta, "finish_reason": "length" if at == last else None}
            ],
        }
        for at, delta in enumerate([*deltas, {}])
    ]
    events = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return "".join([*events, "data: [DONE]\n\n"]).encode()


def judged(
    body: bytes,
    *,
    says: Sequence[Utterance] = (OSLO, ROME),
    finished: tuple[Call, ...] = (),
    beside: bytes | None = None,
) -> list[tuple[str, str]]:
    """Name the rules that a cut answer breaks."""
    stream = body.startswith(b"data:")
    found: Evidence = evidence(
        exchange(body, stream=stream, options=LIMITED),
        says=says,
        expect=replace(CUT, finished=finished),
    )
    if beside is not None:
        other = answers.read(exchange(beside, stream=False, options=LIMITED))
        found = replace(found, complete=other)
    return broken(found)


NAME = ("get_weather", "")
INVENTED = ("get_weather", "{}")
BEGUN = ("get_weather", '{"ci')
WHOLE = ("get_weather", OSLO.arguments)
ARGUMENTS = "choice 0 call 0 arguments $"


def test_arguments_that_only_the_complete_answer_invents_are_a_difference() -> None:
    told = judged(streamed(NAME), says=[OSLO], beside=complete(INVENTED))
    assert told == [("equiv.arguments", ARGUMENTS)]


def test_arguments_that_only_the_stream_invents_are_one_fault() -> None:
    told = judged(streamed(INVENTED), says=[OSLO], beside=complete(NAME))
    assert told == [("equiv.arguments", ARGUMENTS)]


@pytest.mark.parametrize("call", [NAME, BEGUN])
def test_a_cut_call_that_is_the_same_either_way_is_right(call: tuple[str, str]) -> None:
    assert judged(streamed(call), says=[OSLO], beside=complete(call)) == []


COLON = ("get_weather", ': {"ci')
NO_OBJECT = "choice 0 call {} function.arguments"


@pytest.mark.parametrize("form", [complete, streamed])
class TestTextBeforeTheObjectOfACutCall:
    """The model said it, before the arguments, so that it is a part of what was said."""

    def test_is_told_with_nothing_to_compare_it_with(self, form: Form) -> None:
        assert judged(form(COLON), says=[OSLO]) == [("args.beginning", NO_OBJECT.format(0))]

    def test_is_told_of_a_call_after_a_whole_one(self, form: Form) -> None:
        told = judged(form(WHOLE, COLON), finished=(OSLO,))
        assert told == [("args.beginning", NO_OBJECT.format(1))]

    def test_is_the_models_own_where_the_model_broke_its_arguments(self, form: Form) -> None:
        body = form(COLON)
        stream = body.startswith(b"data:")
        found = evidence(
            exchange(body, stream=stream, options=LIMITED),
            says=[OSLO],
            expect=replace(CUT, broken=True),
        )
        assert broken(found) == []


def test_text_before_the_object_of_a_cut_call_is_told_besides_a_call_that_is_only_streamed() -> (
    None
):
    told = judged(streamed(COLON), says=[OSLO], beside=complete(content='{"ci'))
    assert told == [
        ("args.beginning", NO_OBJECT.format(0)),
        ("equiv.calls", "choice 0 tool_calls"),
    ]


@pytest.mark.parametrize("form", [complete, streamed])
class TestAWholeCallBeforeTheCut:
    """The model had finished a call, and was cut in the next one."""

    def test_is_demanded_as_it_was_said(self, form: Form) -> None:
        assert judged(form(WHOLE), finished=(OSLO,)) == []
        assert judged(form(WHOLE, BEGUN), finished=(OSLO,)) == []

    def test_may_not_be_lost(self, form: Form) -> None:
        assert judged(form(), finished=(OSLO,)) == [("said.calls", "choice 0 tool_calls")]

    def test_may_not_be_closed_again(self, form: Form) -> None:
        place = "choice 0 call 0 function.arguments"
        twice = ("get_weather", OSLO.arguments + "{}")
        assert judged(form(twice), finished=(OSLO,)) == [("args.json", place)]
        assert judged(form(twice, BEGUN), finished=(OSLO,)) == [("args.json", place)]

    def test_may_not_have_other_arguments(self, form: Form) -> None:
        place = "choice 0 call 0 arguments $.city"
        assert judged(form(("get_weather", '{"city": "Os"}')), finished=(OSLO,)) == [
            ("said.arguments", place)
        ]

    def test_may_not_be_another(self, form: Form) -> None:
        told = judged(form(("get_time", "{}"), BEGUN), finished=(OSLO,))
        assert told == [("said.calls", "choice 0 tool_calls")]


def test_a_whole_call_with_a_fault_is_no_difference_besides() -> None:
    twice = ("get_weather", OSLO.arguments + "{}")
    told = judged(streamed(twice), finished=(OSLO,), beside=complete(WHOLE))
    assert told == [("args.json", "choice 0 call 0 function.arguments")]


SAID = (Text(text="Now."), OSLO, ROME)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("text", "whole"),
    [("Now", ()), ('"Os', ()), ('"Oslo"}', ()), ('"Ro', (OSLO,)), ('"Rome"}', (OSLO,))],
)
def test_a_call_is_whole_once_the_next_has_begun(
    format: str, text: str, whole: tuple[Call, ...]
) -> None:
    script = FORMATS[format].write(SAID)
    assert finished_calls(SAID, script, text) == whole


def test_a_text_between_the_marks_of_a_format_cuts_where_the_script_has_it() -> None:
    said = (replace(OSLO, name="a"), replace(ROME, arguments='{"city": "name"}'))
    assert finished_calls(said, FORMATS["hermes"].write(said), '"name') == ()


def test_the_shipped_cases_say_which_calls_a_cut_leaves_whole() -> None:
    shipped = casefile.load_folder(casefile.shipped())
    found = {
        case.id: [call.name for call in calls]
        for case in shipped
        if case.cut_after is not None and case.says is not None and "hermes" not in case.omits
        if (calls := finished_calls(case.says, script_in(case, "hermes"), case.cut_after))
    }
    assert found == {
        "choice/required-cut-in-the-second-call": ["get_time"],
        "cuts/behind-a-call": ["get_time"],
        "cuts/between-calls": ["get_time"],
        "cuts/in-the-second-call": ["get_time"],
    }
