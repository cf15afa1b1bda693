"""The text beside calls."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate

from conformance import jsonvalue
from conformance.assemble import Choice, ToolCall
from conformance.model import Finding
from conformance.rules.rule import MUST, SHOULD, Evidence, Findings, has_calls, rule

Pieces = list[tuple[int | None, str]]
"""A text in parts, each with the number of its chunk, if it has one."""


@rule("content.no-marker-leak", MUST, "any", lambda evidence: evidence.format is not None)
def no_marker_leak(evidence: Evidence) -> Findings:
    """No markup of the model's format reaches the client.

    Why: users see it in the text and agents send it back as part of the conversation; no client
        takes it out.
    Wrong: "content": "<tool_call>"
    Right: "content": null
    """
    for choice in evidence.choices:
        for where, pieces, said in _texts(evidence, choice):
            text = "".join(piece for _, piece in pieces)
            for mark in _marks(evidence, text, said):
                at = text.index(mark)
                yield Finding(
                    where=f"choice {choice.index} {where}",
                    expected=f"no {mark}",
                    actual=jsonvalue.show(text[max(0, at - 20) : at + 60]),
                    chunk=_chunk_at(pieces, at + len(mark)),
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
        # White space alone is a habit of templates, and nobody reads it.
        texts = {
            number: text
            for number, delta in choice.deltas
            if isinstance(text := delta.get("content"), str) and text.strip()
        }
        places = list(texts)
        for call in choice.calls:
            numbers = [entry.chunk for entry, _ in call.fragments if entry.chunk is not None]
            after = bisect(places, numbers[0]) if numbers else len(places)
            if after < len(places) and places[after] < numbers[-1]:
                number = places[after]
                yield Finding(
                    where=f"chunk {number} choice {choice.index} delta.content",
                    expected=f"no text before the end of {call.where}",
                    actual=jsonvalue.show(texts[number]),
                    chunk=number,
                )


def content_leaks(evidence: Evidence, choice: Choice) -> bool:
    """Whether markup is in the text beside the calls."""
    return bool(_marks(evidence, choice.content, evidence.expect.content or ""))


def call_leaks(evidence: Evidence, call: ToolCall) -> bool:
    """Whether markup is in a call's name or arguments."""
    said = _said_in_calls(evidence)
    return any(_marks(evidence, text, said) for text in (call.name or "", call.arguments))


def _texts(evidence: Evidence, choice: Choice) -> Iterator[tuple[str, Pieces, str]]:
    content = _contents(choice) or [(None, choice.content)]
    yield "content", content, evidence.expect.content or ""
    said = _said_in_calls(evidence)
    for call in choice.calls:
        yield f"{call.where} name", [(None, call.name or "")], said
        fragments: Pieces = [(entry.chunk, text) for entry, text in call.fragments]
        yield f"{call.where} arguments", fragments, said


def _said_in_calls(evidence: Evidence) -> str:
    return "".join(f"{call.name} {call.arguments}" for call in evidence.expect.calls or ())


def _marks(evidence: Evidence, text: str, said: str) -> list[str]:
    # What the model quotes as ordinary text or inside a string belongs to the client.
    markup = evidence.format.markup if evidence.format else ()
    return [mark for mark in markup if text.count(mark) > said.count(mark)]


def _chunk_at(pieces: Pieces, length: int) -> int | None:
    """Give the number of the chunk that makes the text that long."""
    lengths = accumulate(len(text) for _, text in pieces)
    ends = zip(pieces, lengths, strict=True)
    return next(number for (number, _), end in ends if end >= length)


def _contents(choice: Choice) -> Pieces:
    texts = [(number, delta.get("content")) for number, delta in choice.deltas]
    return [(number, text) for number, text in texts if isinstance(text, str)]
