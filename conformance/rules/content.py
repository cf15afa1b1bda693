"""The text beside calls."""

from __future__ import annotations

import json
from collections.abc import Iterator

from conformance import jsonvalue
from conformance.assemble import Choice, ToolCall
from conformance.model import Finding
from conformance.rules.rule import MUST, SHOULD, Evidence, Findings, has_calls, rule


@rule("content.no-marker-leak", MUST, "any", lambda evidence: evidence.format is not None)
def no_marker_leak(evidence: Evidence) -> Findings:
    """No markup of the model's format reaches the client.

    Why: users see it in the text and agents send it back as part of the conversation; no client
        takes it out.
    Wrong: "content": "<tool_call>"
    Right: "content": null
    """
    for choice in evidence.choices:
        for where, text, said in _texts(evidence, choice):
            for mark in _marks(evidence, text, said):
                at = text.index(mark)
                yield Finding(
                    where=f"choice {choice.index} {where}",
                    expected=f"no {mark}",
                    actual=jsonvalue.show(text[max(0, at - 20) : at + 60]),
                    chunk=_chunk_of(choice, mark),
                )


@rule("content.order", SHOULD, "stream", has_calls)
def order(evidence: Evidence) -> Findings:
    """No text stands between two deltas of one call's arguments.

    Why: the AI SDK, pydantic-ai and openai-agents move it behind the call; vLLM's own Messages and
        Responses endpoints fail on it.
    Wrong: {"city", then the content "Hm.", then : "Paris"}
    Right: the content "Hm.", then {"city", then : "Paris"}
    """
    for choice in evidence.choices:
        if not choice.whole or content_leaks(evidence, choice):
            continue
        for call in choice.calls:
            numbers = [entry.chunk for entry, _ in call.fragments if entry.chunk is not None]
            for number, delta in choice.deltas:
                text = delta.get("content")
                # White space alone is a habit of templates, and nobody reads it.
                if not isinstance(text, str) or not text.strip() or not numbers:
                    continue
                if numbers[0] < number < numbers[-1]:
                    yield Finding(
                        where=f"chunk {number} choice {choice.index} delta.content",
                        expected=f"no text before the end of {call.where}",
                        actual=jsonvalue.show(text),
                        chunk=number,
                    )


def content_leaks(evidence: Evidence, choice: Choice) -> bool:
    """Whether markup is in the text beside the calls."""
    return bool(_marks(evidence, choice.content, evidence.expect.content or ""))


def call_leaks(evidence: Evidence, call: ToolCall) -> bool:
    """Whether markup is in a call's name or arguments."""
    said = _said_in_calls(evidence)
    return any(_marks(evidence, text, said) for text in (call.name or "", call.arguments))


def _texts(evidence: Evidence, choice: Choice) -> Iterator[tuple[str, str, str]]:
    yield "content", choice.content, evidence.expect.content or ""
    said = _said_in_calls(evidence)
    for call in choice.calls:
        yield f"{call.where} name", call.name or "", said
        yield f"{call.where} arguments", call.arguments, said


def _said_in_calls(evidence: Evidence) -> str:
    return "".join(f"{call.name} {_plain(call.arguments)}" for call in evidence.expect.calls or ())


def _plain(arguments: str) -> str:
    # A server may respell what the model wrote with escapes.
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False)
    except (ValueError, RecursionError):
        return arguments


def _marks(evidence: Evidence, text: str, said: str) -> list[str]:
    # What the model quotes as ordinary text or inside a string belongs to the client.
    markup = evidence.format.markup if evidence.format else ()
    return [mark for mark in markup if text.count(mark) > said.count(mark)]


def _chunk_of(choice: Choice, mark: str) -> int | None:
    seen = ""
    for number, delta in choice.deltas:
        seen += str(delta.get("content") or "")
        if mark in seen:
            return number
    return None
