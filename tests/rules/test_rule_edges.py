"""Answers at the edge of a rule, beyond the samples: what a change of the rule would misjudge."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from conformance.base.jsonvalue import Json
from conformance.base.sse import Read
from conformance.rules import Evidence
from conformance.terms.case import Expectation
from conformance.terms.outcome import Outcome
from conformance.terms.said import Call
from conformance.wires.chat import answers
from tests.evidence import SAMPLES, asking, broken, evidence, exchange, finding, judgement, sample

PASSED_ON = '<tool_call>\n{"name": "", "arguments": {"city": "Paris"}}\n</tool_call>'


def bent(file: str, change: Callable[[list[Any]], object], **options: Json) -> Evidence:
    """Give a sample's answer with its documents changed, as its client need not have read it."""
    found = sample(SAMPLES / file)
    text = found.answer.exchange.body.decode()
    if file.endswith(".json"):
        documents = [json.loads(text)]
        change(documents)
        body = json.dumps(documents[0])
    else:
        documents = [json.loads(one.removeprefix("data: ")) for one in text.split("\n\n")[:-2]]
        change(documents)
        body = "".join(f"data: {json.dumps(one)}\n\n" for one in documents) + "data: [DONE]\n\n"
    request = {**found.request, **options}
    recorded = replace(found.answer.exchange, request=request, reads=(Read(0.1, body.encode()),))
    return replace(asking(found, request), answer=answers.read(recorded), client=None)


def beside(
    found: Evidence, complete: str, change: Callable[[Any], object] = lambda _: None
) -> Evidence:
    """Put a complete answer to the same request beside a streamed one."""
    document = json.loads((SAMPLES / complete).read_bytes())
    change(document)
    options = {
        name: value for name, value in found.request.items() if not name.startswith("stream")
    }
    read = answers.read(exchange(json.dumps(document).encode(), stream=False, options=options))
    return replace(found, complete=read)


def usage(completion: int, total: int | None = None) -> Mapping[str, Json]:
    total = 10 + completion if total is None else total
    return {"prompt_tokens": 10, "completion_tokens": completion, "total_tokens": total}


@pytest.mark.parametrize(
    ("said", "places"),
    [
        (PASSED_ON, []),
        ('<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>', [1]),
        (None, [1]),
    ],
    ids=["the-model-said-it", "the-model-said-a-name", "nobody-knows"],
)
@pytest.mark.parametrize(
    ("file", "rule"),
    [
        ("chunk.first-delta.name/right.sse", "chunk.first-delta.name"),
        ("msg.tool_call.shape/right.json", "msg.tool_call.shape"),
    ],
)
def test_an_empty_name_that_the_model_said_may_be_passed_on(
    file: str, rule: str, said: str | None, places: list[int]
) -> None:
    def empty(documents: list[Any]) -> None:
        for document in documents:
            for choice in document["choices"]:
                part = choice.get("delta") or choice.get("message") or {}
                for call in part.get("tool_calls") or ():
                    if "name" in call["function"]:
                        call["function"]["name"] = ""

    found = replace(bent(file, empty), said=said, expect=Expectation(broken=True))
    assert [1 for id, _ in broken(found) if id == rule] == places


def test_a_last_chunk_without_choices_lacks_the_usage_that_was_asked_for() -> None:
    found = bent("usage.final-chunk/right.sse", lambda chunks: chunks[-1].pop("usage"))
    assert broken(found) == [("usage.final-chunk", "usage")]


def test_a_count_that_is_absent_or_wrong_is_not_one_that_falls() -> None:
    def change(chunks: list[Any]) -> None:
        chunks[2]["usage"] = None
        chunks[3]["usage"] = usage(1, total=2)

    found = bent("usage.continuous/right.sse", change)
    assert broken(found) == [("usage.sum", "chunk 3 usage")]
    assert judgement(found, "usage.continuous").outcome is Outcome.PASS


def test_each_choice_has_a_count_of_its_own() -> None:
    def change(chunks: list[Any]) -> None:
        second = json.loads(json.dumps(chunks[:4]))
        for chunk in second:
            chunk["choices"][0]["index"] = 1
        second[1]["choices"][0]["delta"]["tool_calls"][0]["id"] = "call_2"
        chunks[4:4] = second
        chunks[-1]["usage"] = usage(10)

    assert broken(bent("usage.continuous/right.sse", change, n=2)) == []


def test_a_count_may_begin_with_nothing() -> None:
    def change(chunks: list[Any]) -> None:
        chunks.insert(0, {**chunks[0], "choices": [], "usage": usage(0)})

    assert broken(bent("usage.continuous/right.sse", change)) == []


def test_a_count_that_falls_below_the_complete_answers_is_told_once() -> None:
    found = beside(sample(SAMPLES / "usage.continuous/wrong-end.sse"), "usage.sum/right.json")
    assert broken(found) == [("usage.equiv", "chunk 4 usage.completion_tokens")]


def test_counts_are_compared_however_the_stream_was_asked_to_be_cut() -> None:
    cut = bent("usage.equiv/wrong.sse", lambda _: None, stream_interval=5)
    found = beside(cut, "usage.sum/right.json")
    assert [id for id, _ in broken(found)] == ["usage.equiv"]


def test_an_answer_that_ended_otherwise_may_have_counted_less() -> None:
    def change(document: Any) -> None:
        document["choices"][0]["finish_reason"] = "length"

    found = beside(sample(SAMPLES / "usage.equiv/wrong.sse"), "usage.sum/right.json", change)
    assert broken(found) == []


def test_ids_beside_another_count_than_the_complete_answers_are_told_once() -> None:
    found = beside(sample(SAMPLES / "usage.token-ids/wrong.sse"), "usage.token-ids/right.json")
    assert [id for id, _ in broken(found)] == ["usage.token-ids"]
    fewer = bent("usage.token-ids/right.sse", lambda chunks: chunks[-1].update(usage=usage(4)))
    assert [id for id, _ in broken(fewer)] == ["usage.token-ids"]
    both = beside(fewer, "usage.token-ids/right.json")
    assert [id for id, _ in broken(both)] == ["usage.equiv"]


def test_a_single_token_id_is_counted() -> None:
    def change(documents: list[Any]) -> None:
        documents[0]["choices"][0]["token_ids"] = [7]

    found = bent("usage.token-ids/right.json", change)
    assert broken(found) == [("usage.token-ids", "token_ids")]


def test_a_prompt_is_held_to_its_status_too() -> None:
    shown = sample(SAMPLES / "template.tools/right.prompt")
    assert judgement(shown, "http.ok").outcome is Outcome.PASS


def test_logprobs_that_cannot_all_be_read_are_not_compared() -> None:
    complete = "logprobs.align/complete.json"
    unlike = beside(sample(SAMPLES / "logprobs.form/wrong-token.sse"), complete)
    assert [id for id, _ in broken(unlike)] == ["logprobs.form"]
    assert judgement(unlike, "logprobs.align").outcome is Outcome.PASS
    whole = sample(SAMPLES / "logprobs.align/right.sse")
    events = whole.answer.exchange.body.split(b"\n\n")
    body = b"\n\n".join([*events[:2], b"data: {", *events[3:]])
    holed = answers.read(replace(whole.answer.exchange, reads=(Read(0.1, body),)))
    found = beside(replace(whole, answer=holed), complete)
    assert broken(found) == [("sse.json-valid", "chunk 2")]


def test_of_an_event_that_cannot_be_read_the_beginning_is_shown() -> None:
    body = b"data: " + b"x" * 100 + b"\n\ndata: [DONE]\n\n"
    only = finding(evidence(exchange(body, stream=True)), "sse.json-valid")
    assert only.actual.endswith(f": '{'x' * 60}'")


def test_a_stream_of_another_type_is_told_of_though_its_end_runs_on() -> None:
    body = (SAMPLES / "args.string/right.sse").read_bytes() + b"data: {"
    found = evidence(exchange(body, stream=True, content_type="application/json"))
    assert [id for id, _ in broken(found)] == ["sse.content-type", "sse.framing"]


FORMS = {
    "call_9af5e2cd": "call_…",
    "chatcmpl-tool-9af5e2cd": "chatcmpl-tool-…",
    "toolu_01A09q90qw90lq917835lq9": "toolu_…",
    "functions.get-weather_2:10": "functions.NAME:NUMBER",
    "12345678-9abc-def0-1234-56789abcdef0": "a UUID",
    "aB3dE6gH9": "nine letters and digits",
}


@pytest.mark.parametrize("streamed", FORMS)
@pytest.mark.parametrize("complete", FORMS)
def test_ids_are_of_one_form_or_told_of_by_the_names_of_both(complete: str, streamed: str) -> None:
    def change(chunks: list[Any]) -> None:
        chunks[1]["choices"][0]["delta"]["tool_calls"][0]["id"] = streamed

    def change_complete(document: Any) -> None:
        document["choices"][0]["message"]["tool_calls"][0]["id"] = complete

    place = "id.equiv-shape"
    found = beside(bent(f"{place}/right.sse", change), f"{place}/complete.json", change_complete)
    told = [(one.expected, one.actual) for one in judgement(found, place).findings]
    expected = f"{FORMS[complete]} as in the complete answer"
    assert told == ([] if complete == streamed else [(expected, FORMS[streamed])])


def test_what_a_chunk_calls_itself_is_told() -> None:
    found = bent("chunk.object/right.sse", lambda chunks: chunks[0].update(object="chunk"))
    assert finding(found, "chunk.object").actual == "'chunk'"


def put(documents: list[Any], **fields: str) -> None:
    message = documents[0]["choices"][0]["message"]
    message["tool_calls"][0]["function"].update(fields)


def test_a_letter_before_json_is_told() -> None:
    text = 'x{"city": "Paris"}'
    found = bent("args.json/right.json", lambda documents: put(documents, arguments=text))
    assert finding(found, "args.json").expected == "no 'x' before JSON"


def test_names_are_listed_as_they_are() -> None:
    other = bent("said.calls/right.json", lambda documents: put(documents, name="xerox"))
    assert finding(other, "said.calls").actual.split(", ")[0] == "xerox"
    none = sample(SAMPLES / "said.calls/wrong-none.json")
    assert finding(none, "said.calls").actual == "no calls"


@pytest.mark.parametrize(
    ("ends", "told"), [([b"\r"], "CR"), ([b"\r", b"\n"], "CR, LF"), ([b"\r\n", b"\n"], "CRLF, LF")]
)
def test_line_ends_are_told_by_their_names(ends: list[bytes], told: str) -> None:
    first, rest = (SAMPLES / "sse.line-ends/right.sse").read_bytes().split(b"\n\n", 1)
    body = first + 2 * ends[0] + rest.replace(b"\n", ends[-1])
    found = finding(evidence(exchange(body, stream=True)), "sse.line-ends")
    assert found.actual == told


def test_a_mark_in_arguments_that_are_no_json_is_the_models_own() -> None:
    text = '{"city": "<tool_call>"'
    place = "content.no-marker-leak"
    found = bent(f"{place}/right.json", lambda documents: put(documents, arguments=text))
    call = Call(name="get_weather", arguments=text)
    quoted = replace(found, expect=replace(found.expect, calls=(call,)))
    assert judgement(quoted, place).outcome is Outcome.PASS


def test_what_runs_together_at_the_end_is_told_once() -> None:
    body = (SAMPLES / "args.string/right.sse").read_bytes()
    joined = body.replace(b"\n\ndata: [DONE]", b"\ndata: [DONE]")
    found = evidence(exchange(joined, stream=True))
    assert [id for id, _ in broken(found) if id.startswith("sse.")] == ["sse.framing"]


LEAK = "content.no-marker-leak"


def test_with_tool_choice_none_a_mark_is_text() -> None:
    found = sample(SAMPLES / LEAK / "wrong.json")
    assert judgement(found, LEAK).outcome is Outcome.FAIL
    refused = asking(found, {**found.request, "tool_choice": "none"})
    assert judgement(refused, LEAK).outcome is Outcome.NA


@pytest.mark.parametrize(
    ("expect", "outcome"),
    [
        (Expectation(keeps=("Paris",)), Outcome.PASS),
        (Expectation(calls=(), keeps=("Paris",)), Outcome.PASS),
        (Expectation(calls=(), content="Paris"), Outcome.FAIL),
        (Expectation(), Outcome.FAIL),
    ],
    ids=["a broken call", "marks in prose", "plain text", "nothing is known"],
)
def test_a_mark_may_stay_in_a_text_of_which_no_call_can_be_demanded(
    expect: Expectation, outcome: Outcome
) -> None:
    found = replace(sample(SAMPLES / LEAK / "wrong.json"), expect=expect)
    assert judgement(found, LEAK).outcome is outcome


def test_a_call_that_was_cut_leaves_no_mark_in_the_text() -> None:
    broken_off = Expectation(ending=("limit",))
    cut = bent(
        f"{LEAK}/wrong.json", lambda found: found[0]["choices"][0].update(finish_reason="length")
    )
    stopped = bent(f"{LEAK}/wrong.json", lambda found: None, stop=["!"])
    for found in (cut, stopped):
        told = judgement(replace(found, expect=broken_off), LEAK)
        assert told.outcome is Outcome.FAIL


def test_a_mark_in_a_broken_calls_arguments_is_a_leak() -> None:
    found = sample(SAMPLES / LEAK / "wrong-arguments.sse")
    assert (
        judgement(replace(found, expect=Expectation(keeps=("Paris",))), LEAK).outcome
        is Outcome.FAIL
    )


def entry(arguments: Json, **more: Json) -> Json:
    return {"index": 0, "function": {"arguments": arguments}, **more}


def named(arguments: str) -> Json:
    return {"index": 0, "function": {"name": "get_weather", "arguments": arguments}}


def in_chunks(*lists: list[Json]) -> Evidence:
    """Give a call whose entries after its header come in these lists, a chunk each."""

    def change(chunks: list[Any]) -> None:
        chunks[1]["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] = ""
        rest = [json.loads(json.dumps(chunks[2])) for _ in lists]
        for chunk, entries in zip(rest, lists, strict=True):
            chunk["choices"][0]["delta"]["tool_calls"] = entries
        chunks[2:3] = rest

    found = bent("chunk.index.unique-at-end/right.sse", change)
    return replace(found, expect=Expectation())


def second_entries_reported(found: Evidence) -> list[tuple[str, str]]:
    ids = "chunk.index.unique-in-chunk", "chunk.index.unique-at-end"
    return [(id.removeprefix("chunk.index."), where) for id, where in broken(found) if id in ids]


WEATHER = '{"city": {"in": ["Paris"'


@pytest.mark.parametrize(
    "lists",
    [
        ([entry(WEATHER), entry("]}}")],),
        ([entry(WEATHER), entry(" ]"), entry("}\r\n\t} ")],),
        ([entry(WEATHER), entry("]")], [entry("}"), entry("}")]),
        ([entry(WEATHER), entry("]}")],),
        ([entry(WEATHER + "]}}"), entry(""), entry(None)],),
        ([entry('{"days": 1, "days": 2'), entry("}")],),
        ([entry('{"city": "\\')], [entry('"Paris"'), entry("}")]),
    ],
)
def test_what_only_closes_a_call_is_reported_as_its_end(lists: tuple[list[Json], ...]) -> None:
    found = second_entries_reported(in_chunks(*lists))
    several = [number for number, entries in enumerate(lists, 2) if len(entries) > 1]
    places = [f"chunk {number} choice 0 delta.tool_calls" for number in several]
    assert found == [("unique-at-end", place) for place in places]


@pytest.mark.parametrize(
    "lists",
    [
        ([entry(WEATHER), entry("]}")], [entry(', "days": 2}')]),
        ([entry('{"city": "{Paris'), entry("}")],),
        ([entry(WEATHER), entry("}]}")],),
        ([entry('{"days": 2'), entry("}}")],),
        ([entry('{"days": '), entry("2}")],),
        ([entry('{"days": '), entry("2"), entry("}")],),
        ([entry('{"days": 2'), entry("}", id="call_1")],),
        ([entry('{"days": 2'), named("}")],),
        ([entry('{"days": 2}'), {"index": 0}],),
        ([entry('{"days": 2'), entry({})],),
        ([entry('{"days": 2}\u00a0'), entry("\u00a0")],),
    ],
)
def test_a_second_entry_that_brings_more_of_a_call_is_reported(
    lists: tuple[list[Json], ...],
) -> None:
    place = "chunk 2 choice 0 delta.tool_calls"
    assert second_entries_reported(in_chunks(*lists)) == [("unique-in-chunk", place)]


def test_of_two_calls_in_a_chunk_each_has_its_own_second_entry() -> None:
    other = [{**entry(text), "index": 1} for text in ('{"days": 2', "}")]
    found = in_chunks([entry('{"days": '), entry("2}"), *other])
    place = "chunk 2 choice 0 delta.tool_calls"
    assert second_entries_reported(found) == [
        ("unique-at-end", place),
        ("unique-in-chunk", place),
    ]


@pytest.mark.parametrize("file", ["wrong-500.json", "wrong-event.sse"])
def test_a_refusal_that_is_preferred_comes_as_any_other(file: str) -> None:
    found = sample(SAMPLES / "err.tools-invalid" / file)
    preferred = replace(found, expect=Expectation(refused=True, answerable=True))
    assert broken(preferred) == broken(found) == [("err.tools-invalid", "status")]
