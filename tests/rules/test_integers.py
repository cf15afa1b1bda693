"""A whole number is spelled as an integer where the schema says so and the model wrote it so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from conformance.base.jsonvalue import Json
from conformance.rules import Evidence
from conformance.rules.schemas import ToolSchemas
from conformance.terms.case import Expectation
from conformance.terms.outcome import Outcome
from conformance.terms.said import Call
from conformance.verdicts.blame import NO_TRANSCRIPT, excuse
from conformance.verdicts.spoken import Reading
from tests.evidence import evidence, exchange, judgement
from tests.rules.test_cut_answers import complete, streamed

INTEGER: Json = {"type": "integer"}
SCHEMAS: list[tuple[Json, str, list[str]]] = [
    (INTEGER, "3", []),
    (INTEGER, "3.0", ["$.n"]),
    (INTEGER, "3e0", ["$.n"]),
    (INTEGER, "-0.0", ["$.n"]),
    (INTEGER, "3.5", []),  # not valid at all, which args.schema says
    (INTEGER, "true", []),
    (INTEGER, "9" * 5000, []),
    ({"type": "number"}, "3.0", []),
    ({}, "3.0", []),
    (True, "3.0", []),
    ({"type": ["integer", "null"]}, "3.0", ["$.n"]),
    ({"type": ["integer", "number"]}, "3.0", []),
    ({"type": "integer", "minimum": 5}, "3.0", ["$.n"]),
    ({"anyOf": [INTEGER, {"type": "string"}]}, "3.0", ["$.n"]),
    ({"anyOf": [INTEGER, {"type": "number"}]}, "3.0", []),
    ({"anyOf": [{"type": "integer", "minimum": 5}, {"type": "string"}]}, "3.0", []),
    ({"items": INTEGER}, "[1, 2.0, 3, 4.0]", ["$.n[1]", "$.n[3]"]),
    ({"anyOf": [{"items": INTEGER}, {"type": "string"}]}, "[1, 2.0]", ["$.n[1]"]),
    ({"properties": {"deep": INTEGER}}, '{"deep": 1.0, "other": 1.0}', ["$.n.deep"]),
    ({"$ref": "#/$defs/count"}, "3.0", ["$.n"]),
    ({"enum": [3]}, "3.0", []),
    ({"if": INTEGER, "else": {"maximum": 1}}, "3.0", []),
]


def tools(schema: Json, **more: Json) -> list[Json]:
    """A tool with one parameter, `n`."""
    parameters = {"properties": {"n": schema}, "$defs": {"count": INTEGER}, **more}
    return [{"type": "function", "function": {"name": "f", "parameters": parameters}}]


def answered(
    *arguments: str,
    says: Sequence[str] | None,
    offered: Sequence[Json],
    options: Json | None = None,
    stream: bool = False,
) -> Evidence:
    """An answer with calls of `f`, and what the model wrote there."""
    calls = [("f", text) for text in arguments]
    body = streamed(*calls) if stream else complete(*calls)
    body = body.replace(b'"length"', b'"tool_calls"')
    said = None if says is None else [Call(name="f", arguments=text) for text in says]
    asked = {"tools": offered, **(options or {})}
    return evidence(exchange(body, stream=stream, options=asked), says=said)


def places(found: Evidence) -> list[str]:
    return [one.where.split()[-1] for one in judgement(found, "args.integer").findings]


@pytest.mark.parametrize(("schema", "written", "wanted"), SCHEMAS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_decimal_is_found_only_where_the_schema_takes_nothing_but_an_integer(
    schema: Json, written: str, wanted: list[str], stream: bool
) -> None:
    found = answered(f'{{"n": {written}}}', says=None, offered=tools(schema), stream=stream)
    assert places(found) == wanted


def test_a_decimal_is_found_beside_arguments_that_break_the_schema_otherwise() -> None:
    offered = tools(INTEGER, required=["m"])
    found = answered('{"n": 3.0, "k": 1.0}', says=None, offered=offered)
    assert judgement(found, "args.schema").outcome is Outcome.FAIL
    assert places(found) == ["$.n"]


def test_a_decimal_is_valid_under_the_schema_all_the_same() -> None:
    found = answered('{"n": 3.0}', says=None, offered=tools(INTEGER))
    assert judgement(found, "args.schema").outcome is Outcome.PASS


def test_no_draft_of_json_schema_excuses_a_decimal() -> None:
    old = tools(INTEGER, **{"$schema": "http://json-schema.org/draft-04/schema#"})
    assert places(answered('{"n": 3.0}', says=['{"n": 3}'], offered=old)) == ["$.n"]


SAID = [
    ('{"n": 3}', ["$.n"]),
    ('{"n": 3.0}', []),
    ('{"n": 3E0}', []),
    ('{"n": "3"}', []),  # another value, as are the next two: said.arguments has them
    ('{"n": 4}', []),
    ('{"n": true}', []),
    ('{"m": 3}', []),
    ("[3]", []),
    ('{"n": 3', []),
]


@pytest.mark.parametrize(("said", "wanted"), SAID)
def test_a_decimal_is_a_fault_only_where_the_model_wrote_that_number_as_an_integer(
    said: str, wanted: list[str]
) -> None:
    found = answered('{"n": 3.0}', says=[said], offered=tools(INTEGER))
    assert places(found) == wanted


@pytest.mark.parametrize("said", ['{"n": 12345678901234567890}', '{"n": 1}'])
def test_a_number_of_another_value_is_reported_once(said: str) -> None:
    found = answered('{"n": 1.2345678901234567e19}', says=[said], offered=tools(INTEGER))
    assert judgement(found, "said.arguments").outcome is Outcome.FAIL
    assert judgement(found, "args.integer").outcome is Outcome.PASS


def test_each_call_is_held_to_what_the_model_wrote_in_it() -> None:
    says = ['{"n": 3.0}', '{"n": 3}']
    found = answered('{"n": 3.0}', '{"n": 3.0}', says=says, offered=tools(INTEGER))
    (one,) = judgement(found, "args.integer").findings
    assert "call 1" in one.where


def test_where_a_call_is_lost_nobody_knows_which_call_is_which() -> None:
    found = answered('{"n": 3.0}', says=['{"n": 3}'] * 2, offered=tools(INTEGER))
    assert places(found) == []


def test_where_only_the_text_is_known_no_number_is_held_against_it() -> None:
    # The server may give either call, and so its numbers are nobody's.
    found = answered(
        '{"n": 3.0}',
        says=['{"n": 3.0}', '{"n": 4}'],
        offered=tools(INTEGER),
        options={"parallel_tool_calls": False},
    )
    assert found.expect.calls is None
    assert places(found) == []


@pytest.mark.parametrize(("said", "wanted"), [('{"n": 3}', ["$.n"]), ('{"n": 3.0}', [])])
def test_of_a_cut_answer_the_calls_that_were_whole_are_held_to_the_truth(
    said: str, wanted: list[str]
) -> None:
    whole = Call(name="f", arguments=said)
    cut = Expectation(ending=("limit",), finished=(whole,))
    found = answered('{"n": 3.0}', '{"n": 4.0}', '{"n": ', says=[said] * 3, offered=tools(INTEGER))
    assert places(replace(found, expect=cut)) == wanted


@pytest.mark.parametrize("written", ["[3.0]", '"3.0"', '{"n": 3.0', ""])
def test_of_what_is_no_object_other_rules_speak(written: str) -> None:
    found = answered(written, says=None, offered=tools(INTEGER))
    assert judgement(found, "args.integer").outcome is Outcome.PASS


def test_of_a_tool_that_was_not_offered_no_schema_is_known() -> None:
    offered = tools(INTEGER)
    offered[0]["function"]["name"] = "g"
    found = answered('{"n": 3.0}', says=None, offered=offered)
    assert judgement(found, "args.integer").outcome is Outcome.PASS


UNUSABLE = [
    ({"$ref": "https://example.com/a.json"}, "https://example.com/a.json"),
    ({"type": "whole"}, "'whole' is not valid"),
]


@pytest.mark.parametrize(("schema", "why"), UNUSABLE)
def test_a_schema_that_cannot_be_used_is_unjudged_only_where_it_matters(
    schema: Json, why: str
) -> None:
    offered = tools(schema)
    judged = judgement(answered('{"n": 3.0}', says=['{"n": 3}'], offered=offered), "args.integer")
    assert judged.outcome is Outcome.INCONCLUSIVE
    assert (judged.reason or "").startswith("the schema of 'f' cannot be used: ")
    assert why in (judged.reason or "")
    for text in ('{"n": 3}', '{"n": 3.0}'):
        same = answered(text, says=[text], offered=offered)
        assert judgement(same, "args.integer").outcome is Outcome.PASS


def test_a_schema_is_made_ready_once_however_many_calls_there_are() -> None:
    schemas = ToolSchemas(tools(INTEGER))
    assert schemas["f"] is schemas["f"]


def test_of_a_sampled_model_a_decimal_is_judged_where_its_tokens_show_what_it_wrote() -> None:
    unknown = answered('{"n": 3.0}', says=None, offered=tools(INTEGER))
    (excused,) = excuse([judgement(unknown, "args.integer")], unknown, None)
    assert (excused.outcome, excused.reason) == (Outcome.INCONCLUSIVE, NO_TRANSCRIPT)

    known = answered('{"n": 3.0}', says=['{"n": 3}'], offered=tools(INTEGER))
    heard = Reading(text=known.said or "", calls=known.expect.calls, expect=known.expect)
    (judged,) = excuse([judgement(known, "args.integer")], known, heard)
    assert judged.outcome is Outcome.FAIL
