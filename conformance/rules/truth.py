"""What an answer has of what the model said."""

from __future__ import annotations

import json
from collections.abc import Iterator

from conformance.base import jsonvalue
from conformance.base.jsonvalue import Json, JsonProblem
from conformance.rules.rule import Evidence
from conformance.wires.chat.answers import Choice, ToolCall


def names_of(choice: Choice) -> list[str | None]:
    """Give the names of a choice's calls in order."""
    return [call.name for call in choice.calls]


def calls_are_as_said(evidence: Evidence, choice: Choice) -> bool:
    """Whether a choice has the calls that were said, whatever their arguments."""
    said = evidence.expect.calls
    return said is None or names_of(choice) == [call.name for call in said]


def lost_words(evidence: Evidence, choice: Choice) -> list[str]:
    """List what a case says is to be kept, and a choice holds nowhere."""
    texts = [choice.content, *(f"{call.name} {call.arguments}" for call in choice.calls)]
    return [word for word in evidence.expect.keeps if not any(word in text for text in texts)]


def is_written(evidence: Evidence, call: ToolCall) -> bool:
    """Whether the model wrote these arguments, in any spelling if they are whole."""
    arguments, said = call.arguments, evidence.said
    if said is None:
        return True
    # White space and escapes are the server's to choose, and half a text cannot be respelt.
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
