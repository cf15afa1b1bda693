"""The arguments of calls: text, JSON, object, schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from conformance.base import jsonvalue
from conformance.base.jsonvalue import JsonProblem
from conformance.rules.common.content import LEAKS
from conformance.rules.rule import MUST, RFC_8259, SHOULD, Evidence, Findings, has_calls, rule
from conformance.rules.schemas import Place, ToolSchemas, decimals
from conformance.rules.truth import is_full, is_written, said_calls
from conformance.terms.outcome import Finding, Unjudged
from conformance.wires.answer import Call

BLAME = "parser"
SPEC = "https://platform.openai.com/docs/api-reference/chat/object"


def finished_calls(evidence: Evidence) -> Iterator[Call]:
    """Give the calls whose arguments are all there.

    The last one of a truncated choice is not, unless the model had finished it before.

    Give none where the model itself did not write JSON: a stream sends it before it can know.
    """
    if evidence.expect.broken:
        return
    # A limit cuts, though the answer may hide it.
    truth = evidence.expect.ending or ()
    for turn in evidence.turns:
        if turn.whole:
            cut = "limit" in (turn.ending, *truth)
            whole = max(len(turn.calls) - cut, len(evidence.expect.finished))
            yield from turn.calls[:whole]


_BEGINNINGS = '{["-0123456789tfn'
"""The characters that JSON can begin with."""


@rule(
    "args.json",
    MUST,
    "any",
    has_calls,
    yields_to=(*LEAKS, "args.empty-object", "args.no-premature-json"),
    spec=RFC_8259,
)
def is_json(evidence: Evidence) -> Findings:
    """The arguments of a finished call are exactly one JSON value.

    Why: LangChain puts the call among the invalid ones, the AI SDK runs no tool for it,
        openai-python raises JSONDecodeError for strict tools.
    Wrong: {"city": "Paris"}}
    Right: {"city": "Paris"}
    """
    for call in finished_calls(evidence):
        try:
            jsonvalue.parse(call.arguments)
        except JsonProblem as problem:
            yield call.finding(
                "function.arguments",
                expected=_unless_before_json(call, "one JSON value"),
                actual=f"{problem}: {jsonvalue.show(call.arguments)}",
            )


def _unless_before_json(call: Call, expected: str) -> str:
    """Give what is expected, or name the character that no JSON begins with."""
    first = call.arguments.lstrip()[:1]
    return expected if first in _BEGINNINGS else f"no {first!r} before JSON"


@rule("args.object", MUST, "any", has_calls)
def is_object(evidence: Evidence) -> Findings:
    """The arguments are an object.

    Why: tools take named parameters; LangChain takes anything else for no call, LlamaIndex calls
        with {}.
    Wrong: [1, 2]
    Right: {"numbers": [1, 2]}
    """
    for call in finished_calls(evidence):
        value = _parsed(call.arguments)
        if value is not _BROKEN and not isinstance(value, dict):
            yield call.finding(
                "function.arguments", expected="an object", actual=jsonvalue.show(value)
            )


@rule("args.empty-object", MUST, "any", has_calls)
def empty_object(evidence: Evidence) -> Findings:
    """A call without arguments has the arguments `{}`.

    Why: json.loads in the user's code raises on "", and so does openai-python for strict tools;
        openai-agents and pydantic-ai hand it on.
    Wrong: "arguments": ""
    Right: "arguments": "{}"
    """
    for call in finished_calls(evidence):
        if not call.arguments.strip():
            yield call.finding("function.arguments", expected="'{}'", actual=repr(call.arguments))


@rule(
    "args.no-premature-json",
    MUST,
    "stream",
    has_calls,
    yields_to=(*LEAKS, "chunk.index.stable", "said.calls"),
)
def no_premature_json(evidence: Evidence) -> Findings:
    """No delta completes the arguments before the last one does.

    Why: LangChain ends the arguments where they first parse, so a tool runs with {}; the AI SDK
        finds the call invalid and runs none.
    Wrong: {}, then {"city": "Paris"}
    Right: {"city", then : "Paris"}
    """
    for call in evidence.calls:
        yield from premature(call)


def premature(call: Call) -> Iterator[Finding]:
    """Find where a call's arguments were a whole JSON value before their end."""
    whole = call.arguments
    try:
        _, stop = json.JSONDecoder(parse_int=str).raw_decode(whole.lstrip())
    except (ValueError, RecursionError):
        return
    stop += len(whole) - len(whole.lstrip())
    more = len(whole) - len(whole[stop:].lstrip())  # where something follows the value
    at = 0
    for number, (_, text) in enumerate(call.pieces):
        at += len(text)
        if stop <= at <= more < len(whole):
            yield call.finding_in_piece(
                number,
                expected="a text that parses only when it is whole",
                actual=f"{jsonvalue.show(whole[:at])}, then {jsonvalue.show(whole[at:])}",
            )
            return


@rule(
    "args.beginning",
    SHOULD,
    "any",
    lambda evidence: evidence.truncated and not evidence.expect.broken and has_calls(evidence),
    yields_to=(*LEAKS, "args.no-premature-json", "equiv.arguments", "finish.truncated-args"),
)
def beginning(evidence: Evidence) -> Findings:
    """The arguments of a call that was cut short are the beginning of an object.

    Why: clients show and repair them as they grow; openai-python's and LangChain's readers of
        partial JSON raise, or give other values, where no text can follow.
    Wrong: {"city": "Par"}} and "finish_reason": "length"
    Right: {"city": "Par and "finish_reason": "length"
    """
    for turn in evidence.turns:
        if turn.ending != "limit" or not turn.whole:
            continue
        # Those that were whole before the cut are to be whole objects.
        for call in turn.calls[len(evidence.expect.finished) :][-1:]:
            if not begins_object(call):
                yield call.finding(
                    "function.arguments",
                    expected=_unless_before_json(call, "the beginning of an object"),
                    actual=jsonvalue.show(call.arguments),
                )


def begins_object(call: Call) -> bool:
    """Whether more text can make a call's arguments an object."""
    text = call.arguments.lstrip()
    return not text or (text.startswith("{") and jsonvalue.is_beginning(text))


def _truth_is_unknown(evidence: Evidence) -> bool:
    # Where the model's calls are known, said.arguments compares the answer with them.
    return has_calls(evidence) and evidence.expect.calls is None


@rule(
    "args.schema",
    SHOULD,
    "any",
    _truth_is_unknown,
    spec="https://json-schema.org/draft/2020-12/json-schema-validation",
)
def schema(evidence: Evidence) -> Findings:
    """Arguments are valid under the tool's own JSON Schema.

    Why: the tool's code relies on it; openai-python's typed tools and zod raise.
    Wrong: {"unit": "kelvin"} where the schema lists celsius and fahrenheit
    Right: {"unit": "celsius"}
    """
    tools = ToolSchemas(evidence.asked.tools)
    for call in finished_calls(evidence):
        value = _parsed(call.arguments)
        if call.name not in tools or not isinstance(value, dict):
            continue
        if not is_written(evidence, call):
            continue  # the model broke its call, and this is what the server made of it
        try:
            problem = tools[call.name].problem_with(jsonvalue.plain(value))
        # A schema that cannot be used is a fault of the case, not of the answer.
        except Exception as refusal:
            yield Unjudged(f"the schema of {call.name!r} cannot be used: {refusal}")
            continue
        if problem is not None:
            wanted = f"{problem.validator}: {jsonvalue.show(problem.validator_value)}"
            yield call.finding(
                f"function.arguments {jsonvalue.path(problem.absolute_path)}",
                expected=f"valid under {wanted}",
                actual=jsonvalue.show(problem.instance),
            )


@rule(
    "args.integer",
    SHOULD,
    "any",
    has_calls,
    spec="https://json-schema.org/draft/2020-12/json-schema-core#section-4.2.3",
)
def integer(evidence: Evidence) -> Findings:
    """A whole number has no decimal point and no exponent where the schema says `integer`.

    Why: JSON Schema takes 3.0 for an integer, and Python's json.loads gives a float, which a tool
        cannot count with: range(3.0) raises, and so does an index.
    Wrong: {"days": 3.0} where the schema says integer, and the model writes 3
    Right: {"days": 3}
    """
    tools = ToolSchemas(evidence.asked.tools)
    for call in finished_calls(evidence):
        if call.name not in tools:
            continue
        value = _parsed(call.arguments)
        found = _respelled(evidence, call, value)
        try:
            wanted = tools[call.name].integers_wanted(value) if found else ()
        # A schema that cannot be used is a fault of the case, not of the answer.
        except Exception as refusal:
            yield Unjudged(f"the schema of {call.name!r} cannot be used: {refusal}")
            continue
        for place in sorted(found.keys() & wanted, key=jsonvalue.path):
            yield call.finding(
                f"function.arguments {jsonvalue.path(place)}",
                expected="an integer without a decimal point or an exponent",
                actual=jsonvalue.show(found[place]),
            )


def _respelled(evidence: Evidence, call: Call, value: Any) -> dict[Place, Decimal]:
    """Find the decimals that the model wrote as integers; all where its calls are not known."""
    found = dict(decimals(value))
    if evidence.said is None and evidence.expect.calls is None and not said_calls(evidence):
        return found
    truth = _parsed(_truth_of(evidence, call) or "")
    # Another value is a fault that said.arguments reports.
    return {
        place: number
        for place, number in found.items()
        if type(written := _at(truth, place)) is int and written == number
    }


def _truth_of(evidence: Evidence, call: Call) -> str | None:
    """Give the arguments that the model wrote in a call, where it is sure which call that is."""
    for turn in evidence.turns:
        for truth, found in zip(said_calls(evidence), turn.calls, strict=False):
            if found is call and is_full(evidence, turn) and truth.name == call.name:
                return truth.arguments
    return None


def _at(value: Any, place: Place) -> Any:
    """Give what is at a place; `None` if there is no such place."""
    for step in place:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


class _Broken:
    """Arguments that are not JSON, of which no more can be said."""


_BROKEN = _Broken()


def _parsed(arguments: str) -> Any:
    try:
        return jsonvalue.parse(arguments)
    except JsonProblem:
        return _BROKEN
