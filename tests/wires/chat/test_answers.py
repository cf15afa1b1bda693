from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.base.jsonvalue import Json
from conformance.base.sse import Read
from conformance.terms.case import Ending
from conformance.wires.answer import Text, Thought
from conformance.wires.chat.answers import Answer, read
from conformance.wires.chat.choices import Choice, ToolCall, reasons
from tests.evidence import SAMPLES, exchange

GOOD = SAMPLES / "args.string"
PARIS = '{"city": "Paris"}'


def streamed(*chunks: Json) -> Answer:
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return read(exchange(f"{body}data: [DONE]\n\n".encode(), stream=True))


def complete(document: Json) -> Answer:
    return read(exchange(json.dumps(document).encode(), stream=False))


def delta(value: Json, finish_reason: str | None = None, index: Json = 0) -> Json:
    return {"choices": [{"index": index, "delta": value, "finish_reason": finish_reason}]}


def calls(*entries: Json) -> Json:
    return delta({"tool_calls": list(entries)})


def only(answer: Answer) -> Choice:
    assert len(answer.choices) == 1
    return answer.choices[0]


def summary(choice: Choice) -> tuple[str, list[tuple[str | None, str | None, str]], str | None]:
    held = [(call.id, call.name, call.arguments) for call in choice.calls]
    return choice.content, held, choice.finish_reason


def test_a_streamed_call_is_put_together() -> None:
    choice = only(read(exchange((GOOD / "right.sse").read_bytes(), stream=True)))
    assert summary(choice) == ("", [("call_1", "get_weather", PARIS)], "tool_calls")
    assert choice.finishes == ((4, "tool_calls"),)
    assert choice.whole


def test_a_complete_call_is_read_alike() -> None:
    answer = read(exchange((GOOD / "right.json").read_bytes(), stream=False))
    assert summary(only(answer)) == ("", [("call_1", "get_weather", PARIS)], "tool_calls")
    assert answer.stream is None
    assert only(answer).calls[0].entries[0].where == "choices[0].message.tool_calls[0]"


def test_calls_are_kept_apart_by_index_and_sorted() -> None:
    answer = streamed(
        calls({"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}}),
        calls(
            {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
            {"index": 1, "function": {"arguments": "}"}},
        ),
    )
    held = [("a", "f", "{}"), ("b", "g", "{}")]
    assert summary(only(answer)) == ("", held, None)
    assert [(entry.where, entry.chunk) for entry in only(answer).calls[1].entries] == [
        ("chunk 0 choices[0].delta.tool_calls[0]", 0),
        ("chunk 1 choices[0].delta.tool_calls[1]", 1),
    ]


def test_a_call_that_begins_at_a_taken_index_is_noted() -> None:
    first = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
    for other, noted in (
        ({"id": "b", "function": {"name": "f"}}, True),
        ({"id": "a", "function": {"name": "g"}}, False),
        ({"id": "b", "function": {}}, False),
        ({"id": "", "function": {"name": "g"}}, False),
        ({"function": {"name": "g"}}, False),
    ):
        choice = only(streamed(calls(first), calls({"index": 0, **other})))
        assert [entry.chunk for entry in choice.calls[0].others] == ([1] if noted else [])
        assert choice.whole is not noted


def test_the_first_id_and_name_that_are_texts_are_kept() -> None:
    answer = streamed(
        calls({"index": 0, "id": None, "function": {"name": ""}}),
        calls({"index": 0, "id": "", "function": {"name": 5}}),
        calls({"index": 0, "id": "a", "function": {"name": "f"}}),
        calls({"index": 0, "id": "b", "function": {"name": "g"}}),
    )
    assert summary(only(answer)) == ("", [("a", "f", "")], None)


def test_fragments_are_the_argument_texts_that_are_not_empty() -> None:
    parts = ["", "{", None, "", "}"]
    entries = [{"index": 0, "function": {"arguments": part}} for part in parts]
    (call,) = only(streamed(*(calls(entry) for entry in entries))).calls
    assert [(entry.chunk, text) for entry, text in call.fragments] == [(1, "{"), (4, "}")]


def test_text_is_joined_and_what_is_none_is_left_out() -> None:
    answer = streamed(
        delta({"content": "a"}),
        delta({"content": None}),
        delta({"content": 5}),
        delta(None),
        delta({"content": "b"}, "stop"),
    )
    assert summary(only(answer)) == ("ab", [], "stop")


def test_choices_are_kept_apart() -> None:
    answer = streamed(delta({"content": "b"}, index=1), delta({"content": "a"}, index=0))
    assert [(choice.index, choice.content) for choice in answer.choices] == [(0, "a"), (1, "b")]


def test_every_finish_reason_is_noted_with_its_chunk() -> None:
    answer = streamed(delta({}, "stop"), delta({}), delta({}, "length"))
    assert only(answer).finishes == ((0, "stop"), (2, "length"))
    assert only(answer).finish_reason == "length"


MALFORMED = [
    {"id": "a", "function": {"name": "f"}},
    {"index": "0", "function": {"name": "f"}},
    {"index": True, "function": {"name": "f"}},
    {"index": 0},
    {"index": 0, "function": None},
    {"index": 0, "function": {"name": "f", "arguments": {}}},
    5,
]


@pytest.mark.parametrize("entry", MALFORMED)
def test_a_malformed_entry_is_noted(entry: Json) -> None:
    good = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
    choice = only(streamed(calls(good), calls(entry)))
    assert not choice.whole
    assert summary(choice) == ("", [("a", "f", "{}")], None)


@pytest.mark.parametrize("listed", [{"index": 0}, "x", 5, True])
def test_a_list_of_calls_that_is_none_is_noted(listed: Json) -> None:
    assert not only(streamed(delta({"tool_calls": listed}))).whole
    message = {"message": {"content": "", "tool_calls": listed}}
    assert not only(complete({"choices": [message]})).whole


@pytest.mark.parametrize("listed", [None, []])
def test_no_calls_are_no_malformed_calls(listed: Json) -> None:
    assert only(streamed(delta({"tool_calls": listed}))).whole
    assert only(complete({"choices": [{"message": {"tool_calls": listed}}]})).whole


@pytest.mark.parametrize("arguments", [{}, {"arguments": None}, {"arguments": {}}])
def test_a_complete_call_has_its_arguments_as_text(arguments: Json) -> None:
    call = {"id": "a", "function": {"name": "f", **arguments}}
    assert not only(complete({"choices": [{"message": {"tool_calls": [call]}}]})).whole


DAMAGED = [
    b'data: {"choices": [\n\n',
    b"data: 5\n\n",
    b"data: \xf0\n\n",
    b'{"choices": []}\n\n',
    b"data: {}\ndata: {}\n\n",
    b'data: {"error": {"message": "no"}}\n\n',
    b'data: {"choices": [null]}\n\n',
    b'data: {"choices": {}}\n\n'.replace(b"{}}", b'{"index": 0}}'),
    b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n',
]


@pytest.mark.parametrize("part", DAMAGED)
def test_a_stream_with_a_part_that_cannot_be_read_is_damaged(part: bytes) -> None:
    body = (GOOD / "right.sse").read_bytes()
    for damaged in (part + body, body + part):
        answer = read(exchange(damaged, stream=True))
        assert answer.damaged
        assert not only(answer).whole
    assert not read(exchange(body, stream=True)).damaged


HARMLESS = [
    b": keep-alive\n\n",
    b"data:\n\n",
    b"data: {}\n\n",
    b'data: {"choices": []}\n\n',
    b'data: {"choices": null, "error": null}\n\n',
    b"\n\n",
]


@pytest.mark.parametrize("part", HARMLESS)
def test_a_part_that_holds_nothing_damages_nothing(part: bytes) -> None:
    answer = read(exchange((GOOD / "right.sse").read_bytes() + part, stream=True))
    assert not answer.damaged
    assert only(answer).whole


def test_a_stream_that_stops_inside_an_event_is_damaged() -> None:
    body = (GOOD / "right.sse").read_bytes()
    assert read(exchange(body + b"data: {", stream=True)).damaged


COMPLETE = [
    (b"<html>", "Expecting value at character 0"),
    (b'"\xff"', "no UTF-8 at byte 1"),
    (b"[]", None),
    (b"{}", None),
    (b'{"choices": {}}', None),
    (b'{"choices": [{"delta": {}}]}', None),
    (b'{"choices": [5, {"message": {}}]}', None),
]


@pytest.mark.parametrize(("body", "problem"), COMPLETE)
def test_a_complete_answer_without_its_choices_is_damaged(body: bytes, problem: str | None) -> None:
    answer = read(exchange(body, stream=False))
    assert answer.damaged
    assert answer.problem == problem


def test_an_answer_without_any_choice_is_not_damaged() -> None:
    answer = complete({"choices": []})
    assert (answer.damaged, answer.choices) == (False, ())


def test_a_choice_without_an_index_has_that_of_its_place() -> None:
    answer = complete({"choices": [{"message": {"content": "a"}}, {"message": {"content": "b"}}]})
    assert [(choice.index, choice.content) for choice in answer.choices] == [(0, "a"), (1, "b")]


def test_the_last_media_type_counts() -> None:
    found = exchange(b"", stream=True)
    assert read(replace(found, headers=())).content_type == ""
    headers = (
        ("Content-Type", "text/PLAIN"),
        ("X", "y"),
        ("content-type", "Text/Event-Stream"),
        ("Y", "z"),
    )
    assert read(replace(found, headers=headers)).content_type == "text/event-stream"


def test_the_wire_is_shown_in_a_line_that_no_terminal_obeys() -> None:
    body = b"data: a\n\ndata: \x1b[2J\xc3\xa9\ndata: b\n\n"
    answer = read(replace(exchange(b"", stream=True), reads=(Read(1.23456, body),)))
    bad = read(exchange(b"data: \xff\n\n", stream=True))
    assert (bad.text, bad.wire(0)) == ("data: \ufffd\n\n", "+0.100s  data: \ufffd")
    assert answer.wire(1) == "+1.235s  data: \\x1b[2Jé\\ndata: b"
    assert answer.wire(None) is None
    assert read(exchange(b"{}", stream=False)).wire(0) is None


PARTS = ["", "a", "<", "☃", '{"', "}\n"]


@given(
    st.lists(st.sampled_from(PARTS), max_size=6),
    st.lists(st.lists(st.sampled_from(PARTS), max_size=6), max_size=3),
)
@settings(max_examples=50)
def test_what_was_cut_into_deltas_is_joined_again(
    content: list[str], arguments: Sequence[list[str]]
) -> None:
    chunks = [delta({"content": part}) for part in content]
    for index, parts in enumerate(arguments):
        chunks.append(calls({"index": index, "id": f"{index}", "function": {"name": "f"}}))
        chunks += [calls({"index": index, "function": {"arguments": part}}) for part in parts]
    answer = streamed(*chunks, delta({}, "stop"))
    held = [(f"{index}", "f", "".join(parts)) for index, parts in enumerate(arguments)]
    assert summary(only(answer)) == ("".join(content), held, "stop")


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_an_answer(body: bytes, stream: bool) -> None:
    answer = read(exchange(body, stream=stream))
    assert answer.exchange.body == body
    assert (answer.stream is not None) == stream


@given(st.lists(st.integers(0, 2000), max_size=12))
@settings(max_examples=30)
def test_the_reads_of_the_network_change_no_answer(cuts: list[int]) -> None:
    whole = exchange(
        (GOOD / "right.sse").read_bytes().replace(b"Paris", "Paříž☃".encode()), stream=True
    )
    places = sorted({0, *(min(cut, len(whole.body)) for cut in cuts), len(whole.body)})
    parts = tuple(Read(0.1, whole.body[at:end]) for at, end in pairwise(places))
    answer = read(replace(whole, reads=parts))
    assert replace(answer, exchange=whole) == read(whole)


def entry(index: int, arguments: str, name: str | None = None) -> Json:
    return {"index": index, "id": name, "function": {"name": name, "arguments": arguments}}


def test_the_parts_of_a_stream_stand_in_the_order_in_which_they_begin() -> None:
    (turn,) = streamed(
        delta({"role": "assistant", "content": ""}),
        delta({"reasoning": "I th"}),
        delta({"reasoning_content": "ink."}),
        delta({"content": "Wa"}),
        delta({"content": "it"}),
        calls(entry(0, "{", "look")),
        calls(entry(0, "}"), entry(1, "{}", "ring")),
        delta({"content": " Done.", "tool_calls": []}),
    ).turns
    thought, text, look, ring, last = turn.parts
    assert thought == Thought(text="I think.", events=(1, 2))
    assert text == Text(text="Wait", events=(3, 4))
    assert isinstance(look, ToolCall)
    assert isinstance(ring, ToolCall)
    assert (look.name, look.arguments, look.events) == ("look", "{}", (5, 6))
    assert (ring.name, ring.arguments, ring.events) == ("ring", "{}", (6,))
    assert last == Text(text=" Done.", events=(7,))
    assert (turn.where, turn.word, turn.ending) == ("choice 0", None, "unknown")


def test_a_complete_answer_has_its_parts_without_events() -> None:
    function = {"name": "look", "arguments": "{}"}
    made = {"id": "a", "function": function}
    message = {"content": "Wait", "reasoning": "Hm.", "tool_calls": [made]}
    (turn,) = complete({"choices": [{"message": message, "finish_reason": "tool_calls"}]}).turns
    assert turn.parts == (Thought(text="Hm."), Text(text="Wait"), *turn.calls)
    assert [(call.name, call.events) for call in turn.calls] == [("look", ())]


@pytest.mark.parametrize(
    ("word", "endings"),
    [
        ("stop", ("finished", "stopped")),
        ("length", ("limit",)),
        ("tool_calls", ("called",)),
        ("content_filter", ("filtered",)),
        ("abort", ("unknown",)),
        (None, ("unknown",)),
    ],
)
def test_a_finish_reason_is_an_ending(word: str | None, endings: tuple[Ending, ...]) -> None:
    (turn,) = complete({"choices": [{"message": {}, "finish_reason": word}]}).turns
    assert (turn.word, turn.endings, turn.ending) == (word, endings, endings[0])


def test_endings_are_written_as_finish_reasons() -> None:
    assert reasons(None) is None
    assert reasons(("finished", "called")) == ("stop", "tool_calls")
    assert reasons(("stopped", "finished", "limit")) == ("stop", "length")
