"""Every rule rejects what is wrong and accepts what is right, and no other rule joins in."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conformance.base.jsonvalue import Json
from conformance.base.sse import Read
from conformance.formats import FORMATS
from conformance.rules import RULES, Evidence, Rule
from conformance.rules.rule import MUST, Findings, always, has_calls, rule
from conformance.terms.case import Expectation
from conformance.terms.exchange import ClientView
from conformance.terms.outcome import Finding, Outcome, Unjudged
from conformance.terms.said import Call
from conformance.verdicts.verdict import judge
from conformance.wires.chat import answers
from tests.evidence import (
    ALLOWED,
    PARIS,
    SAMPLES,
    TOOLS,
    asking,
    broken,
    evidence,
    exchange,
    judgement,
    sample,
    settings_of,
)


def files(pattern: str, folder: str) -> list[Any]:
    found = sorted(SAMPLES.glob(f"{folder}/{pattern}"))
    return [pytest.param(file, id=f"{file.parent.name}/{file.name}") for file in found]


WRONG = [file for id in RULES for file in files("wrong*", id)]
RIGHT = [file for id in RULES for file in files("right*", id)]
HABITS = files("right*", "allowed/*")
GOOD = SAMPLES / "args.string" / "right.sse"
GOOD_COMPLETE = SAMPLES / "args.string" / "right.json"


@pytest.mark.parametrize("found", RULES.values(), ids=RULES)
def test_a_rule_has_a_wrong_and_a_right_sample_in_each_mode(found: Rule) -> None:
    kinds = {"stream": {".sse"}, "complete": {".json"}, "prompt": {".prompt"}}
    ends = kinds.get(found.on, {".sse", ".json"})
    folder = SAMPLES / found.id
    assert folder.is_dir(), f"{found.id} owes samples: see tools/new_rule.py, which lays them out"
    # The SDK reads every complete answer that breaks no other rule.
    wrong = {".sse"} if found.id == "client.openai-python" else ends
    assert {file.suffix for file in folder.glob("wrong*")} == wrong
    assert {file.suffix for file in folder.glob("right*")} == ends


def test_a_sample_belongs_to_a_rule() -> None:
    assert {folder.name for folder in SAMPLES.iterdir()} == {*RULES, "allowed"}
    known = {"sample.yaml", "complete.json"}
    stray = [
        file
        for file in SAMPLES.rglob("*.*")
        if file.is_file()
        and not file.name.startswith(("wrong", "right"))
        and file.name not in known
    ]
    assert stray == []


@pytest.mark.parametrize("file", WRONG)
def test_a_wrong_sample_breaks_its_rule_at_its_place_and_no_other(file: Path) -> None:
    places = settings_of(file.parent)["places"][file.name]
    id = file.parent.name
    listed = [places] if isinstance(places, str) else places
    assert listed
    what = f"bend {file.name} until {id} finds fault with it, and write where into sample.yaml"
    assert broken(sample(file)) == [(id, place) for place in listed], what


@pytest.mark.parametrize("file", RIGHT)
def test_a_right_sample_passes_its_rule_and_breaks_none(file: Path) -> None:
    found = sample(file)
    assert broken(found) == []
    assert judgement(found, file.parent.name).outcome is Outcome.PASS


@pytest.mark.parametrize("file", HABITS)
def test_a_harmless_habit_breaks_no_rule(file: Path) -> None:
    assert settings_of(file.parent)["about"]
    assert broken(sample(file)) == []


UNKNOWN: dict[str, Any] = {"format": None, "client": None}


def untold(found: Evidence) -> Evidence:
    """What is known about an answer but for what the model said: whether the request was good."""
    refused, answerable = found.expect.refused, found.expect.answerable
    return replace(found, expect=Expectation(refused=refused, answerable=answerable))


@pytest.mark.parametrize("file", WRONG)
def test_without_the_truth_a_fault_is_the_same_fault(file: Path) -> None:
    found = sample(file)
    without = broken(untold(found))
    id = file.parent.name
    needs_truth = not RULES[id].when(untold(found)) and RULES[id].when(found)
    assert without == ([] if needs_truth else broken(found))


def right_answers() -> list[Any]:
    """Each streamed sample that is wrong, with the complete answer that is right."""
    found: list[Any] = []
    for param in WRONG:
        file: Path = param.values[0]
        own = file.parent / "right.json"
        usual = "says" not in settings_of(file.parent)
        # equiv.content and usage.equiv own what content.lossless and usage.continuous would;
        # and equiv.arguments what is wrong with a cut call; args.schema is for unscripted servers.
        others = (
            "content.lossless",
            "args.schema",
            "usage.continuous",
            "finish.truncated-args",
            "args.beginning",
        )
        spared = file.suffix != ".sse" or file.parent.name in others
        if not spared and (own.exists() or usual):
            found.append(pytest.param(file, own if own.exists() else GOOD_COMPLETE, id=param.id))
    return found


@pytest.mark.parametrize(("file", "complete"), right_answers())
def test_a_right_complete_answer_takes_no_fault_over(file: Path, complete: Path) -> None:
    found = sample(file)
    right = answers.read(exchange(complete.read_bytes(), stream=False))
    both = replace(found, complete=found.complete or right)
    assert broken(both) == broken(found)
    if not file.parent.name.startswith(("said.", "equiv.", "args.empty-object")):
        assert broken(untold(both)) == broken(found)


STREAMS = [
    "args.string",
    "said.content",
    "choice.index.range",
    "said.calls",
    "finish.last",
    "usage.final-chunk",
]


@pytest.mark.parametrize("folder", STREAMS)
def test_what_an_unreadable_event_held_is_not_missed(folder: str) -> None:
    file = SAMPLES / folder / "right.sse"
    events = file.read_bytes().split(b"\n\n")
    for number in range(len(events) - 2):
        body = b"\n\n".join([*events[:number], b"data: {", *events[number + 1 :]])
        found = replace(sample(file), answer=answers.read(exchange(body, stream=True)))
        assert broken(found) == [("sse.json-valid", f"chunk {number}")]


def test_arguments_with_a_part_lost_are_not_compared() -> None:
    said = Call(name="get_weather", arguments='{"city": "Paris", "days": 3}')
    cut = ['{"city": "Paris"', ', "days": 3', "}"]
    events = GOOD.read_bytes().split(b"\n\n")
    deltas = [
        {"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": part}}]}}
        for part in cut
    ]
    document = json.loads(events[0].removeprefix(b"data: "))
    chunks = [
        f"data: {json.dumps({**document, 'choices': [{**delta, 'finish_reason': None}]})}".encode()
        for delta in deltas
    ]
    whole = b"\n\n".join([*events[:2], *chunks, *events[4:]])
    assert broken(evidence(exchange(whole, stream=True), says=[said])) == []
    holed = b"\n\n".join([*events[:2], chunks[0], b"data: {", chunks[2], *events[4:]])
    found = evidence(exchange(holed, stream=True), says=[said])
    assert broken(found) == [("sse.json-valid", "chunk 3")]


@pytest.mark.parametrize("file", WRONG)
def test_a_finding_about_a_chunk_has_its_number(file: Path) -> None:
    for one in judge(sample(file)):
        for finding in one.findings:
            first, number, *_ = [*finding.where.split(), "", ""]
            if first == "chunk":
                assert finding.chunk == int(number)


CHUNKS = [
    ("content.no-marker-leak/wrong.sse", 4),
    ("content.no-marker-leak/wrong-string.sse", 2),
    ("said.arguments/wrong.sse", 3),
    ("args.json/wrong.sse", 3),
    ("equiv.arguments/wrong.sse", 2),
    ("equiv.finish/wrong.sse", 3),
    ("finish.tool_calls/wrong.sse", 3),
    ("said.finish/wrong.sse", 3),
    ("chunk.index.contiguous/wrong-gap.sse", 1),
    ("said.calls/wrong.sse", None),
    ("said.arguments/wrong.json", None),
    ("content.characters/wrong.sse", 1),
    ("content.characters/wrong-half.sse", 2),
    ("finish.no-calls/wrong.sse", 2),
    ("finish.named/wrong.sse", 3),
]


@pytest.mark.parametrize(("file", "chunk"), CHUNKS)
def test_a_finding_points_at_the_chunk_that_shows_it(file: str, chunk: int | None) -> None:
    found = judgement(sample(SAMPLES / file), file.partition("/")[0])
    assert [finding.chunk for finding in found.findings] == [chunk]


TOLD = [
    ("chunk.role.once/wrong.sse", "no role", "'assistant'"),
    ("chunk.role.once/wrong-absent.sse", "'assistant'", "None"),
    ("said.calls/wrong-none.json", "get_weather, get_time", "no calls"),
    ("said.arguments/wrong.sse", '"Paris"', '"Pars"'),
    ("args.json/wrong.sse", "one JSON value", "Extra data"),
    ("args.json/wrong-colon.sse", "no ':' before JSON", "Expecting value at character 0"),
    ("args.no-premature-json/wrong.sse", "a text that parses only when it is whole", ""),
    ("sse.content-type/wrong.sse", "text/event-stream", "application/json"),
    ("sse.done/wrong.sse", "one [DONE]", "0"),
    ("msg.tool_call.shape/wrong-type.json", "'function'", "None"),
    ("msg.tool_call.shape/wrong.json", "a string that is not empty", "None"),
    ("msg.json/wrong.json", "JSON", "Expecting value at character 0: '<"),
    ("msg.json/wrong-text.json", "a JSON object", "'"),
    ("finish.present/wrong.sse", "a reason", "null to the end"),
    ("chunk.index.present/wrong.sse", "an integer from 0", "'absent'"),
    ("chunk.function.object/wrong.sse", "an object", "'absent'"),
    (
        "logprobs.align/wrong-end.sse",
        '"sunny." of 2 tokens as in the complete answer',
        "nothing of",
    ),
    ("sse.line-ends/wrong.sse", "LF or CRLF throughout", "CRLF, LF"),
    ("sse.json-valid/wrong.sse", "one JSON object", "Expecting ':' delimiter at character 216: '{"),
    ("sse.json-valid/wrong-text.sse", "one JSON object", "'\"ping\"'"),
    (
        "usage.sum/wrong-absent.sse",
        "prompt_tokens + completion_tokens = total_tokens",
        "{'prompt_tokens': 10, 'completion_tokens': 5, 'total_tokens': None}",
    ),
    ("usage.sum/wrong-list.sse", "prompt_tokens + completion_tokens = total_tokens", "["),
    ("equiv.calls/wrong.sse", "['get_weather', 'get_time'] as in the complete answer", ""),
]


@pytest.mark.parametrize(("file", "expected", "actual"), TOLD)
def test_a_finding_tells_what_was_expected_and_what_came(
    file: str, expected: str, actual: str
) -> None:
    (finding,) = judgement(sample(SAMPLES / file), file.partition("/")[0]).findings
    assert finding.expected == expected
    assert finding.actual.startswith(actual)


STREAMED = [rule for rule in RULES.values() if rule.on in ("stream", "any")]


@pytest.mark.parametrize("format", ["hermes", "mistral"])
def test_a_rule_applies_to_text_unless_it_has_a_condition(format: str) -> None:
    body = (SAMPLES / "said.content" / "right.sse").read_bytes()
    found = evidence(exchange(body, stream=True), says=None, format=format)
    idle = {one.rule.id for one in judge(found) if one.outcome is Outcome.NA}
    assert idle.isdisjoint(rule.id for rule in STREAMED if rule.when is always)
    assert idle.issuperset(rule.id for rule in STREAMED if rule.when is has_calls)


def test_a_condition_of_a_rule_is_not_always_met() -> None:
    body = (SAMPLES / "said.content" / "right.sse").read_bytes()
    usage = {"stream_options": {"include_usage": True}}
    bare = [
        replace(evidence(exchange(body, stream=True, options=options), says=None), **UNKNOWN)
        for options in (None, usage)
    ]
    conditional = {rule.id for rule in STREAMED if rule.when is not always}
    idle = {one.rule.id for found in bare for one in judge(found) if one.outcome is Outcome.NA}
    assert conditional <= idle


def test_ids_have_a_form_only_where_the_format_demands_one() -> None:
    assert judgement(sample(GOOD), "id.format").outcome is Outcome.NA
    missing = sample(SAMPLES / "chunk.first-delta.id" / "wrong.sse")
    mistral = replace(missing, format=FORMATS["mistral"])
    assert broken(mistral) == broken(missing)
    unknown = replace(sample(GOOD), format=None, parser="mistral")
    idle = {"content.no-marker-leak", "id.format"}
    assert {id: judgement(unknown, id).outcome for id in idle} == dict.fromkeys(idle, Outcome.NA)


def test_a_truncated_call_is_compared_as_text() -> None:
    file = ALLOWED / "truncated-call" / "right.sse"
    found = replace(sample(file), expect=Expectation())
    same = (ALLOWED / "truncated-call" / "right.json").read_bytes()
    other = same.replace(b'\\"city\\": ', b'\\"cit')
    assert same != other
    for body, places in (
        (same, []),
        (other, [("equiv.arguments", "choice 0 call 0 arguments $")]),
    ):
        complete = answers.read(exchange(body, stream=False))
        assert broken(replace(found, complete=complete)) == places
        assert broken(replace(found, complete=complete, said=None)) == places


def with_complete(file: Path, body: bytes, *, known: bool = True) -> Evidence:
    found = replace(sample(file), complete=answers.read(exchange(body, stream=False)))
    return found if known else replace(found, expect=Expectation())


LOST = SAMPLES / "content.lossless" / "wrong.sse"


def test_text_that_both_modes_lose_is_lost_once_in_each() -> None:
    lossless = [("content.lossless", "choice 0 content")]
    assert broken(with_complete(LOST, GOOD_COMPLETE.read_bytes())) == lossless


def test_a_complete_answer_that_is_of_no_use_is_not_compared_with() -> None:
    lossless = [("content.lossless", "choice 0 content")]
    right = (SAMPLES / "content.lossless" / "right.json").read_bytes()
    no_calls = right.replace(b'"get_weather"', b'"get_time"')
    malformed = right.replace(b'"arguments": "{\\"city\\": \\"Paris\\"}"', b'"arguments": null')
    other_choice = right.replace(b'"index": 0', b'"index": 1')
    for body in (no_calls, malformed, other_choice, b"<html>"):
        assert body != right
        assert broken(with_complete(LOST, body)) == lossless
        without_truth = EQUIV_CALLS if body is no_calls else []
        assert broken(with_complete(LOST, body, known=False)) == without_truth


EQUIV_CALLS = [("equiv.calls", "choice 0 tool_calls")]


def test_answers_with_other_calls_differ_in_nothing_else() -> None:
    complete = (SAMPLES / "said.content" / "right.json").read_bytes()
    assert broken(with_complete(GOOD, complete, known=False)) == EQUIV_CALLS
    assert broken(with_complete(GOOD, complete)) == []


def test_a_lost_call_beside_a_faulty_name_is_a_fault_of_its_own() -> None:
    split = SAMPLES / "chunk.name.once" / "wrong-split.sse"
    two = (SAMPLES / "said.calls" / "right.json").read_bytes()
    name = "chunk 2 choices[0].delta.tool_calls[0].function.name"
    told = [("chunk.name.once", name), *EQUIV_CALLS]
    assert broken(with_complete(split, two, known=False)) == told


def test_markup_in_the_complete_answer_is_its_own_fault() -> None:
    leak = (SAMPLES / "content.no-marker-leak" / "wrong.json").read_bytes()
    in_arguments = GOOD_COMPLETE.read_bytes().replace(b"Paris", b"Paris</tool_call>")
    for body in (leak, in_arguments):
        assert broken(with_complete(GOOD, body)) == []
        assert broken(with_complete(GOOD, body, known=False)) == []


def test_a_wrong_reason_of_the_complete_answer_is_its_own_fault() -> None:
    for folder in ("finish.tool_calls", "finish.enum", "finish.present"):
        wrong = (SAMPLES / folder / "wrong.json").read_bytes()
        for known in (True, False):
            assert broken(with_complete(GOOD, wrong, known=known)) == []


def test_text_beside_quoted_markup_is_compared() -> None:
    file = ALLOWED / "quoted-markup" / "right.sse"
    body = file.read_bytes().replace(b" first.", b"")
    found = replace(sample(file), answer=answers.read(exchange(body, stream=True)))
    assert broken(found) == [("said.content", "choice 0 content")]


def test_a_call_that_is_lost_is_told_though_another_has_a_faulty_name() -> None:
    says = [PARIS, Call(name="get_time", arguments="{}")]
    body = (SAMPLES / "chunk.name.once" / "wrong-split.sse").read_bytes()
    rules = [id for id, _ in broken(evidence(exchange(body, stream=True), says=says))]
    assert rules == ["chunk.name.once", "said.calls"]


NO_TOOLS: list[Json] = [None, []]


def test_a_call_without_tools_in_the_request_has_no_schema_to_meet() -> None:
    for tools in NO_TOOLS:
        recorded = exchange(GOOD_COMPLETE.read_bytes(), stream=False, options={"tools": tools})
        found = evidence(recorded, says=None)
        assert judgement(found, "args.schema").outcome is Outcome.PASS
        assert broken(found) == [("choice.none", "choice 0 tool_calls")]


def test_a_truth_that_is_unknown_is_not_judged() -> None:
    found = evidence(exchange(GOOD.read_bytes(), stream=True), says=None)
    outcomes = {one.rule.id: one.outcome for one in judge(found)}
    truths = [id for id in RULES if id.startswith("said.") or id == "content.lossless"]
    assert {id: outcomes[id] for id in truths} == dict.fromkeys(truths, Outcome.NA)


def test_a_truth_that_is_known_makes_the_schema_needless() -> None:
    assert judgement(sample(GOOD), "args.schema").outcome is Outcome.NA


def test_a_field_that_the_case_leaves_open_is_not_judged() -> None:
    found = sample(SAMPLES / "said.calls" / "wrong.json")
    assert broken(replace(found, expect=Expectation())) == []
    no_calls = sample(SAMPLES / "said.content" / "wrong.sse")
    assert broken(replace(no_calls, expect=Expectation(calls=()))) == []
    calls_only = replace(sample(LOST), expect=Expectation(calls=(PARIS,)))
    assert judgement(calls_only, "content.lossless").outcome is Outcome.NA


def test_another_status_leaves_only_the_status_to_judge() -> None:
    found = sample(SAMPLES / "http.ok" / "wrong.json")
    judged = {one.rule.id: one.outcome for one in judge(found) if one.outcome is not Outcome.NA}
    assert judged == {"http.ok": Outcome.FAIL, "http.error-json": Outcome.PASS}


def test_a_tool_choice_that_is_required_wants_tool_calls_as_reason() -> None:
    body = (SAMPLES / "finish.tool_calls" / "wrong.json").read_bytes()
    found = evidence(exchange(body, stream=False, options={"tool_choice": "required"}))
    assert broken(found) == [("finish.tool_calls", "choice 0 finish_reason")]


def test_a_choice_among_allowed_tools_forces_none_of_them() -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": TOOLS}}
    words = (SAMPLES / "said.content" / "right.json").read_bytes()
    recorded = exchange(words, stream=False, options={"tool_choice": choice})
    assert broken(evidence(recorded)) == [("said.calls", "choice 0 tool_calls")]


def test_a_reason_that_is_known_is_held_against_calls_too() -> None:
    length = Expectation(ending=("limit",))
    for folder in ("finish.tool_calls", "finish.enum"):
        found = replace(sample(SAMPLES / folder / "right.json"), expect=length)
        assert broken(found) == [("said.finish", "choice 0 finish_reason")]
    found = replace(sample(SAMPLES / "finish.tool_calls" / "wrong.json"), expect=length)
    assert broken(found) == [("said.finish", "choice 0 finish_reason")]


def test_a_false_length_beside_a_whole_call_is_found() -> None:
    body = GOOD.read_bytes().replace(b'"tool_calls"}]', b'"length"}]')
    found = evidence(exchange(body, stream=True))
    assert broken(found) == [("said.finish", "choice 0 finish_reason")]


def test_many_calls_in_one_chunk_are_numbered_in_their_order() -> None:
    entries = [
        {
            "index": index,
            "id": f"call_{index}",
            "type": "function",
            "function": {"name": "get_time", "arguments": "{}"},
        }
        for index in range(12)
    ]
    line = json.loads(GOOD.read_bytes().split(b"\n\n")[1].removeprefix(b"data: "))
    line["choices"][0]["delta"]["tool_calls"] = entries
    lines = GOOD.read_bytes().split(b"\n\n")
    body = b"\n\n".join([lines[0], f"data: {json.dumps(line)}".encode(), *lines[-3:]])
    says = [Call(name="get_time", arguments="{}")] * 12
    found = evidence(exchange(body, stream=True), says=says)
    assert [id for id, _ in broken(found)] == ["chunk.tool-calls.single-entry"]


UNUSABLE: list[Json] = [{"$ref": "https://example.com/a.json"}, {"required": "city"}]


@pytest.mark.parametrize("parameters", UNUSABLE, ids=repr)
def test_a_schema_that_cannot_be_used_is_unjudged(parameters: Json) -> None:
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": parameters}}
    found = exchange(GOOD_COMPLETE.read_bytes(), stream=False, options={"tools": [tool]})
    judged = judgement(evidence(found, says=None), "args.schema")
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert (judged.reason or "").startswith("the schema of 'get_weather' cannot be used: ")


def answer_of(*calls: Call, reason: str = "tool_calls") -> bytes:
    """Write a complete answer with calls."""
    body = json.loads(GOOD_COMPLETE.read_bytes())
    body["choices"][0]["message"]["tool_calls"] = [
        {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": text}}
        for one in calls
        for text in [one.arguments]
    ]
    body["choices"][0]["finish_reason"] = reason
    return json.dumps(body).encode()


def test_a_call_before_the_one_that_was_cut_short_is_finished() -> None:
    calls = [
        Call(name="get_weather", arguments='{"city": "Paris"}}', id="call_1"),
        Call(name="get_weather", arguments='{"city": "Os', id="call_2"),
    ]
    found = exchange(answer_of(*calls, reason="length"), stream=False)
    place = "choice 0 call 0 function.arguments"
    assert broken(evidence(found, says=None)) == [("args.json", place)]


CUT = Expectation(ending=("limit",))


def test_markup_behind_a_call_that_was_cut_short_is_no_bad_beginning() -> None:
    call = Call(name="get_weather", arguments='{"city": "Paris"}</tool_call>', id="call_1")
    found = exchange(answer_of(call, reason="length"), stream=False)
    told = [("content.no-marker-leak", "choice 0 call 0 arguments")]
    assert broken(evidence(found, says=None)) == told
    assert broken(evidence(found, expect=CUT)) == told


def test_arguments_that_were_whole_before_the_cut_are_no_bad_beginning() -> None:
    file = SAMPLES / "args.no-premature-json" / "wrong.sse"
    body = file.read_bytes().replace(b'"finish_reason": "tool_calls"', b'"finish_reason": "length"')
    found = evidence(exchange(body, stream=True), says=None)
    assert broken(found) == broken(sample(file))
    assert broken(evidence(exchange(body, stream=True), expect=CUT)) == broken(sample(file))


def test_what_was_cut_short_is_not_held_against_words_that_are_unknown() -> None:
    found = replace(sample(SAMPLES / "finish.truncated-args" / "wrong.sse"), said=None)
    assert judgement(found, "finish.truncated-args").outcome is Outcome.NA


def test_a_call_that_went_into_anothers_arguments_is_a_lost_call_only() -> None:
    body = (SAMPLES / "args.no-premature-json" / "wrong.sse").read_bytes()
    found = evidence(exchange(body, stream=True), says=[replace(PARIS, arguments="{}"), PARIS])
    assert broken(found) == [("said.calls", "choice 0 tool_calls")]


def test_two_calls_without_an_id_do_not_share_one() -> None:
    calls = [PARIS, Call(name="get_time", arguments="{}")]
    body = answer_of(*calls).replace(b'"id": null, ', b"")
    found = evidence(exchange(body, stream=False), says=calls)
    assert {id for id, _ in broken(found)} == {"msg.tool_call.shape"}


@pytest.mark.parametrize(("interval", "outcome"), [(8, Outcome.FAIL), (9, Outcome.NA)])
def test_large_deltas_that_were_asked_for_are_no_fault(interval: int, outcome: Outcome) -> None:
    found = sample(SAMPLES / "args.liveness" / "wrong.sse")
    asked = asking(found, {**found.request, "stream_interval": interval})
    assert judgement(asked, "args.liveness").outcome is outcome


STOPS: list[tuple[Json, list[str]]] = [
    ({"stop": "END"}, ["finish.stop-string"]),
    ({"stop": ["FIN"]}, []),
    ({"min_tokens": 5}, []),
    ({"include_stop_str_in_output": True}, []),
]


@pytest.mark.parametrize(("options", "rules"), STOPS)
def test_a_stop_string_is_looked_for_as_the_request_has_it(options: Json, rules: list[str]) -> None:
    found = replace(sample(SAMPLES / "finish.stop-string" / "wrong.json"), expect=Expectation())
    asked = asking(found, {**found.request, **options})
    assert [id for id, _ in broken(asked)] == rules


@pytest.mark.parametrize(
    ("name", "bent", "rules"),
    [
        ("logprobs.present", b"", ["logprobs.present"]),
        ("logprobs.form", b"", ["logprobs.form"]),
        ("logprobs.count", b"", ["usage.equiv"]),
        ("logprobs.align", b"", ["logprobs.align"]),
        ("logprobs.align", b'"length"', ["said.finish"]),
    ],
)
def test_a_fault_in_logprobs_beside_a_right_complete_answer_is_told_once(
    name: str, bent: bytes, rules: list[str]
) -> None:
    folder = SAMPLES / name
    found = sample(sorted(folder.glob("wrong*.sse"))[-1])
    options = {key: value for key, value in found.request.items() if not key.startswith("stream")}
    beside = next(file for file in sorted(folder.glob("*.json")) if "wrong" not in file.name)
    right = exchange(beside.read_bytes(), stream=False, options=options)
    body = found.answer.exchange.body.replace(b'"stop"', bent or b'"stop"')
    answer = answers.read(replace(found.answer.exchange, reads=(Read(0.1, body),)))
    both = replace(found, answer=answer, complete=answers.read(right), client=None)
    assert [id for id, _ in broken(both)] == rules


THOUGHT = SAMPLES / "equiv.reasoning"


def test_thoughts_beside_other_words_or_calls_are_not_compared() -> None:
    complete = (THOUGHT / "complete.json").read_bytes()
    words = (THOUGHT / "wrong.sse").read_bytes().replace(b"sunny", b"rainy")
    found = replace(sample(THOUGHT / "wrong.sse"), expect=Expectation())
    other = replace(found, answer=answers.read(exchange(words, stream=True)), client=None)
    assert broken(other) == [("equiv.content", "choice 0 content")]
    wordless = complete.replace(b'"It is sunny."', b"null")
    assert broken(with_complete(GOOD, wordless, known=False)) == EQUIV_CALLS


def test_a_next_answer_of_which_nothing_is_known_may_say_anything() -> None:
    found = sample(SAMPLES / "echo.roundtrip" / "wrong-words.json")
    assert found.echo is not None
    assert broken(replace(found, echo=replace(found.echo, expect=Expectation()))) == []


VIEW = ClientView(
    client="a client",
    calls=((replace(PARIS, id="call_1"),),),
    content=("",),
)
VIEWS = [
    (VIEW, []),
    (replace(VIEW, calls=(), content=()), ["client choices"]),
    (replace(VIEW, calls=((PARIS,),)), ["client choice 0 tool_calls"]),
    (replace(VIEW, calls=((),)), ["client choice 0 tool_calls"]),
    (
        replace(VIEW, calls=((Call(name="get_weather", arguments="{}", id="call_1"),),)),
        ["client choice 0 tool_calls"],
    ),
    (replace(VIEW, content=("Hi",)), ["client choice 0 content"]),
    (replace(VIEW, calls=(), content=(), error="KeyError: 'x'"), ["client"]),
]


@pytest.mark.parametrize(("view", "places"), VIEWS)
def test_a_client_that_reads_something_else_is_found(view: ClientView, places: list[str]) -> None:
    found = replace(sample(GOOD), client=view)
    assert broken(found) == [("client.openai-python", place) for place in places]


def test_a_client_that_could_not_be_asked_is_not_judged() -> None:
    found = replace(sample(GOOD), client=replace(VIEW, calls=(), content=(), unread="no time"))
    judged = judgement(found, "client.openai-python")
    assert (judged.outcome, judged.reason) == (Outcome.INCONCLUSIVE, "no time")


def test_without_a_client_its_rule_does_not_apply() -> None:
    found = replace(sample(GOOD), client=None)
    assert judgement(found, "client.openai-python").outcome is Outcome.NA


def no_findings(evidence: Evidence) -> Findings:
    """Nothing is wrong.

    Why: x.
    Wrong: y
    Right: z
    """
    yield from ()


def without_why(evidence: Evidence) -> Findings:
    """Nothing is wrong."""
    yield from ()


@pytest.mark.parametrize("id", ["args.json", "args", "Args.json", "args json"])
def test_a_rule_id_that_is_taken_or_malformed_is_refused(id: str) -> None:
    with pytest.raises(ValueError, match=f"^rule id '{id}' is malformed or taken$"):
        rule(id, MUST)(no_findings)


def explained(evidence: Evidence) -> Findings:
    """All is well.

    Why: who reads it
        knows.
    Wrong: a
        b
    Right: c
    """
    yield from ()


def test_a_rule_is_entered_with_what_its_docstring_says(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: dict[str, Rule] = {}
    monkeypatch.setattr("conformance.rules.rule.RULES", entered)
    assert rule("new.rule", MUST)(explained) is explained
    found = entered["new.rule"]
    told = (found.title, found.why, found.wrong, found.right)
    assert told == ("All is well", "who reads it knows.", "a b", "c")


def test_a_rule_without_its_reason_is_refused() -> None:
    told = "^rule new.rule: the docstring has a title, Why:, Wrong: and Right:$"
    with pytest.raises(ValueError, match=told):
        rule("new.rule", MUST)(without_why)
    assert "new.rule" not in RULES


@pytest.mark.parametrize("found", RULES.values(), ids=RULES)
def test_a_rule_says_what_it_demands_in_a_sentence(found: Rule) -> None:
    assert not found.title.endswith(".")
    assert "\n" not in found.title
    assert found.why.endswith(".")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**4000 - 1, -(10**30)])
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["\ud800", "\u2028\x1b[2J", "</tool_call>", '{"city": ', "tool_calls"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=4,
)
BASES = [SAMPLES / "chunk.tool-calls.single-entry" / "right.sse", GOOD, GOOD_COMPLETE]


def places_in(value: Json, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    inside = [
        place
        for key, item in steps
        if isinstance(item, dict | list)
        for place in places_in(item, (*at, key))
    ]
    keys = value if isinstance(value, dict) else range(len(value))
    return [*((*at, key) for key in keys), *inside]


def documents_of(file: Path) -> list[Json]:
    text = file.read_text("utf-8")
    if file.suffix == ".json":
        return [json.loads(text)]
    return [json.loads(event.removeprefix("data: ")) for event in text.split("\n\n")[:-2]]


def written(
    documents: list[Json], file: Path, *, ascii: bool = True, known: bool = True
) -> Evidence:
    texts = [json.dumps(document, ensure_ascii=ascii) for document in documents]
    stream = file.suffix == ".sse"
    body = "".join(f"data: {text}\n\n" for text in [*texts, "[DONE]"]) if stream else texts[0]
    recorded = exchange(body.encode("utf-8", "surrogatepass"), stream=stream)
    complete = GOOD_COMPLETE.read_bytes()
    return evidence(recorded, says=(PARIS,) if known else None, complete=complete)


@st.composite
def bent_answers(draw: st.DrawFn) -> Evidence:
    """Answers with something else in one or two places."""
    file = draw(st.sampled_from(BASES))
    documents = documents_of(file)
    for _ in range(draw(st.integers(1, 2))):
        document = draw(st.sampled_from(documents))
        *way, key = draw(st.sampled_from(places_in(document)))
        for step in way:
            document = document[step]
        if draw(st.booleans()):
            document[key] = draw(JSON)
        else:
            del document[key]
    if file.suffix == ".sse":
        places = st.lists(st.integers(0, len(documents) - 1), max_size=2 * len(documents))
        documents = [documents[place] for place in draw(places)]  # some lost, some twice
    return written(documents, file, ascii=draw(st.booleans()), known=draw(st.booleans()))


def check(found: Evidence) -> None:
    """Judge, and see that whatever is said fits a line and any terminal."""
    for one in judge(found):
        for finding in one.findings:
            for text in (finding.where, finding.expected, finding.actual):
                assert text.isprintable()
                assert len(text) < 1000


@pytest.mark.parametrize("value", [None, 5, True, 1.5, "x", [5], {"a": 1}], ids=repr)
@pytest.mark.parametrize("file", [GOOD, GOOD_COMPLETE], ids=lambda file: file.name)
def test_any_type_at_any_place_is_judged(file: Path, value: Json) -> None:
    documents = documents_of(file)
    for number, document in enumerate(documents):
        for *way, key in places_in(document):
            bent = copy.deepcopy(documents)
            within = bent[number]
            for step in way:
                within = within[step]
            within[key] = value
            check(written(bent, file))


@pytest.mark.parametrize("value", [10**3000, "x" * 3000, [10**900] * 5, {"a": 10**3000}], ids=type)
@pytest.mark.parametrize("file", [GOOD, GOOD_COMPLETE], ids=lambda file: file.name)
def test_a_long_value_at_any_place_is_shown_in_a_line(file: Path, value: Json) -> None:
    test_any_type_at_any_place_is_judged(file, value)


@given(bent_answers())
def test_any_value_anywhere_is_judged_and_shown_in_a_line(found: Evidence) -> None:
    check(found)


@given(st.binary(max_size=300), st.booleans())
@example(b"data: {}\n\ndata: 5\n\ndata: [DONE]\n\n", True)
@example(b'data: {"choices": [{"index": 0, "delta": {"tool_calls": 5}}]}\n\n', True)
@example(
    b'data: {"choices": [{"index": 0, "delta": {"content": {}, "tool_calls": [1]}}]}\n\n', True
)
@example(b"[" * 100_000, False)
@example(b"data: " + b'{"a":' * 100_000 + b"\n\n", True)
@example(b'data: {"choices": [{"index": ' + b"9" * 5000 + b', "delta": {}}]}\n\n', True)
@example(b'data: {"id": "\\ud800\\u0000", "model": "\0"}\r\n\r\ndata\r\r', True)
@example(b'{"choices": [{"message": {"tool_calls": [{"function": 1}]}}]}', False)
def test_any_bytes_are_judged(body: bytes, stream: bool) -> None:
    check(evidence(exchange(body, stream=stream)))


def test_findings_beyond_twenty_are_counted_only() -> None:
    name = 'data: {"object": "x", "id": "a", "created": 1, "model": "m", "choices": []}\n\n'
    found = judgement(evidence(exchange(name.encode() * 30, stream=True)), "chunk.object")
    assert (len(found.findings), found.total) == (20, 30)


def test_a_finding_makes_a_rule_fail_though_it_could_not_judge_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def check(evidence: Evidence) -> Findings:
        yield Unjudged("too dark")
        yield Finding(where="here", expected="light", actual="none")

    monkeypatch.setitem(RULES, "args.json", replace(RULES["args.json"], check=check))
    judged = judgement(sample(GOOD), "args.json")
    assert (judged.outcome, judged.reason) == (Outcome.FAIL, "too dark")


@pytest.mark.parametrize("id", ["usage.continuous", "usage.token-ids", "logprobs.count"])
def test_a_rule_of_an_implementation_holds_for_no_other(id: str) -> None:
    found = sample(SAMPLES / id / "wrong.sse")
    for implementation in (None, "sglang"):
        other = replace(found, implementation=implementation)
        assert judgement(other, id).outcome is Outcome.NA
        assert broken(other) == []


@pytest.mark.parametrize("parser", [None, "mistral", "my_parser"])
def test_the_form_of_an_id_is_demanded_by_the_format_whatever_parser_reads_it(
    parser: str | None,
) -> None:
    found = replace(sample(SAMPLES / "id.format" / "wrong.sse"), parser=parser)
    assert {id for id, _ in broken(found)} == {"id.format"}
    assert broken(replace(found, format=FORMATS["hermes"])) == []


def test_a_tool_that_is_not_among_the_allowed_ones_is_not_offered() -> None:
    tools: list[Json] = [{"type": "function", "function": {"name": "get_time"}}]
    tools += [{"type": "custom", "custom": {"name": "get_weather"}}, "get_weather"]
    allowed = {"mode": "auto", "tools": tools}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    recorded = exchange(GOOD_COMPLETE.read_bytes(), stream=False, options={"tool_choice": choice})
    assert broken(evidence(recorded, says=None)) == [("choice.offered", "choice 0 tool_calls")]


def test_a_character_that_the_complete_answer_has_whole_is_lost_in_the_stream() -> None:
    folder = SAMPLES / "content.characters"
    found = replace(sample(folder / "wrong-lost.sse"), said=None, expect=Expectation())
    assert broken(found) == []
    complete = answers.read(exchange((folder / "right.json").read_bytes(), stream=False))
    lost = [("content.characters", "choice 0 content")]
    assert broken(replace(found, complete=complete)) == lost


def test_habits_have_samples() -> None:
    assert len(list(ALLOWED.iterdir())) >= 30


def told_of_arguments(left: str, right: str) -> list[tuple[str, str]]:
    """Judge a call whose arguments are broken, complete and streamed."""
    complete, streamed = (SAMPLES / "said.kept" / name for name in ("right.json", "right.sse"))
    body = json.loads(complete.read_bytes())
    function = {"name": "get_weather", "arguments": left}
    call = {"id": "call_1", "type": "function", "function": function}
    body["choices"][0]["message"] = {"role": "assistant", "content": None, "tool_calls": [call]}
    body["choices"][0]["finish_reason"] = "tool_calls"
    found = sample(streamed)
    told = streamed.read_text("utf-8").replace(json.dumps('{"city": Paris'), json.dumps(right))
    wire = exchange(told.encode(), stream=True)
    other = answers.read(exchange(json.dumps(body).encode(), stream=False))
    return broken(replace(found, answer=answers.read(wire), complete=other, client=None))


def test_broken_arguments_are_compared_as_texts_or_as_a_lenient_client_reads_them() -> None:
    assert told_of_arguments('{"city": Paris', '{"city":Paris') == []
    assert told_of_arguments('{"city": "Paris"}', '{"city": "Oslo", "city": "Paris"}') == []
    differ = [("equiv.arguments", "choice 0 call 0 arguments $")]
    assert told_of_arguments('{"city": Paris', '{"city": Paris}') == differ
    paris = '{{"city": "Paris", "more": {}}}'
    assert told_of_arguments(paris.format("1"), paris.format("1.0")) == []
    assert told_of_arguments(paris.format("1"), paris.format("true")) == differ
    assert told_of_arguments(paris.format("NaN"), paris.format(" NaN")) == []
    assert told_of_arguments(paris.format("NaN"), paris.format('"NaN"')) == differ
