"""What an answer has of what the model said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from conformance.base import jsonvalue
from conformance.base.jsonvalue import Json, JsonProblem
from conformance.rules.rule import Evidence
from conformance.terms.said import Call as Said
from conformance.wires.answer import Call, Turn


def names_of(turn: Turn) -> list[str | None]:
    """Give the names of a turn's calls in order."""
    return [call.name for call in turn.calls]


def said_calls(evidence: Evidence) -> Sequence[Said]:
    """Give the calls that a turn must have: all, or those that were whole before a cut."""
    expect = evidence.expect
    return expect.finished if expect.calls is None else expect.calls


def is_full(evidence: Evidence, turn: Turn) -> bool:
    """Whether a turn has as many calls as it must; after a cut, more may have begun."""
    more = len(turn.calls) - len(said_calls(evidence))
    return more >= 0 if evidence.expect.calls is None else more == 0


def calls_are_as_said(evidence: Evidence, turn: Turn) -> bool:
    """Whether a turn has the calls that were said, whatever their arguments."""
    said = [call.name for call in said_calls(evidence)]
    return is_full(evidence, turn) and names_of(turn)[: len(said)] == said


def names_nothing(evidence: Evidence) -> bool:
    """Whether the model itself said a name that is empty: then it is no fault to pass it on."""
    keys = evidence.format.frame.keys if evidence.format else None
    if keys is None or evidence.said is None:
        return False
    return re.search(rf'"{re.escape(keys[0])}"\s*:\s*""', evidence.said) is not None


def lost_words(evidence: Evidence, turn: Turn) -> list[str]:
    """List what the case wants kept and the turn does not hold."""
    texts = [turn.content, *(f"{call.name} {call.arguments}" for call in turn.calls)]
    return [word for word in evidence.expect.keeps if not any(word in text for text in texts)]


def is_written(evidence: Evidence, call: Call) -> bool:
    """Whether the model wrote these arguments, in any spelling if they are whole."""
    arguments, said = call.arguments, evidence.said
    if said is None:
        return True
    # A server may choose white space and escapes; half a text cannot be respelt.
    if "".join(arguments.split()) in "".join(said.split()) or "\\" in arguments:
        return True
    try:
        value = jsonvalue.parse(arguments)
    except JsonProblem:
        return False
    return any(jsonvalue.difference(value, other) is None for other in _objects(said))


def _objects(said: str) -> Iterator[Json]:
    decoder = json.JSONDecoder()
    for at in (place for place, character in enumerate(said) if character == "{"):
        try:
            _, end = decoder.raw_decode(said, at)
            yield jsonvalue.parse(said[at:end])
        except (ValueError, RecursionError, JsonProblem):
            continue
