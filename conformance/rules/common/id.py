"""The ids of calls, in either mode."""

from __future__ import annotations

import re
from collections.abc import Iterator

from conformance.rules.rule import (
    MUST,
    SHOULD,
    Evidence,
    Findings,
    has_calls,
    of_entry,
    rule,
)
from conformance.wires.chat.answers import ToolCall


def _calls(evidence: Evidence) -> Iterator[ToolCall]:
    return (call for choice in evidence.choices for call in choice.calls)


@rule("id.unique", MUST, "any", has_calls)
def unique(evidence: Evidence) -> Findings:
    """The calls of an answer have different ids.

    Why: tool results are paired with calls by id; with two alike the next turn is refused or
        stalls.
    Wrong: "call_1" twice
    Right: "call_1", "call_2"
    """
    seen: set[str] = set()
    for call in _calls(evidence):
        if call.id is None:
            continue
        if call.id in seen:
            yield of_entry(call.entries[0], "id", expected="an id of its own", actual=call.id)
        seen.add(call.id)


@rule("id.place", SHOULD, "any", has_calls)
def place(evidence: Evidence) -> Findings:
    """A call's id stands beside `function`, not in it too.

    Why: the specification gives `function` a name and arguments; strict types refuse more, and who
        reads the wrong one of two ids answers a call that nobody made.
    Wrong: {"id": "call_1", "function": {"id": "f1", "name": "f"}}
    Right: {"id": "call_1", "function": {"name": "f"}}
    """
    for call in _calls(evidence):
        if call.id is None:
            continue  # chunk.first-delta.id and msg.tool_call.shape
        for entry in call.entries:
            if "id" in entry.function:
                yield of_entry(entry, "function.id", expected="absent", actual=entry.function["id"])


@rule(
    "id.format",
    MUST,
    "any",
    lambda evidence: bool(evidence.format and evidence.format.call_id) and has_calls(evidence),
)
def form(evidence: Evidence) -> Findings:
    """A call's id has the form that the model's own template demands.

    Why: Mistral's templates and mistral_common refuse the next turn unless an id is nine letters
        and digits.
    Wrong: "id": "chatcmpl-tool-9af5e2cd"
    Right: "id": "aB3dE6gH9"
    """
    pattern = evidence.format.call_id if evidence.format else None
    for call in _calls(evidence):
        if pattern and call.id and not re.fullmatch(pattern, call.id):
            yield of_entry(
                call.entries[0], "id", expected=f"an id that matches {pattern}", actual=call.id
            )
