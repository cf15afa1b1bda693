"""The text beside calls."""

from __future__ import annotations

import json
import re
from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate

from conformance.base import jsonvalue
from conformance.rules.rule import MUST, SHOULD, Evidence, Findings, has_calls, rule
from conformance.terms.outcome import Finding
from conformance.wires.chat.answers import Choice, ToolCall

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


@rule("content.characters", MUST, "any")
def characters(evidence: Evidence) -> Findings:
    """No character is lost or split: no U+FFFD and no half of a pair that the model did not say.

    Why: no client can mend it, the text is wrong for good; Python cannot encode half a pair, so
        printing or storing it raises UnicodeEncodeError.
    Wrong: the first half of an escaped emoji in one delta, the second half in the next
    Right: the emoji in one delta
    """
    if evidence.answer.damaged:
        return  # what cannot be decoded is read as U+FFFD
    for choice in evidence.choices:
        reasoning: Pieces = [(None, choice.reasoning)]
        texts = [(where, pieces) for where, pieces, _ in _texts(evidence, choice)]
        for where, pieces in [*texts, ("reasoning", reasoning)]:
            text = "".join(piece for _, piece in pieces)
            # A limit on tokens may end an answer inside a character.
            cut = choice.finish_reason == "length"
            if found := _broken_character(evidence, text.rstrip(_LOST) if cut else text):
                at = text.index(found)
                yield Finding(
                    where=f"choice {choice.index} {where}",
                    expected="whole characters",
                    actual=jsonvalue.show(text[max(0, at - 20) : at + 20]),
                    chunk=_chunk_at(pieces, at + len(found)),
                )


_LOST = "\ufffd"
_HALF = re.compile(r"[\ud800-\udfff]")
_SPELT_LOST = re.compile(r"\\ufffd", re.IGNORECASE)
_SPELT_HALF = re.compile(r"\\ud[89a-f][0-9a-f]{2}", re.IGNORECASE)


def _broken_character(evidence: Evidence, text: str) -> str | None:
    """Find a broken character that is not the model's own, raw or spelt as a JSON escape."""
    halves = _HALF.findall(text)
    if not halves and _LOST not in text:
        return None
    source = _source(evidence)
    own = source or ""
    if len(halves) > len(_HALF.findall(own)) + len(_SPELT_HALF.findall(own)):
        return str(halves[0])
    # Where nothing is known of the model, it may have said U+FFFD itself.
    if source is not None and text.count(_LOST) > own.count(_LOST) + len(_SPELT_LOST.findall(own)):
        return _LOST
    return None


def _source(evidence: Evidence) -> str | None:
    """Give what the model said, or failing that what a complete answer has of it."""
    if evidence.said is not None or evidence.complete is None:
        return evidence.said
    choices = evidence.complete.choices
    calls = [f"{call.name}{call.arguments}" for choice in choices for call in choice.calls]
    return "".join([*(choice.content + choice.reasoning for choice in choices), *calls])


def content_leaks(evidence: Evidence, choice: Choice) -> bool:
    """Whether the text beside the calls holds what another rule keeps out of it."""
    text = choice.content
    return (
        bool(_marks(evidence, text, evidence.expect.content or ""))
        or _broken_character(evidence, text) is not None
        or stop_string(evidence, choice) is not None
    )


def thoughts_leak(evidence: Evidence, choice: Choice) -> bool:
    """Whether the reasoning holds a broken character."""
    return _broken_character(evidence, choice.reasoning) is not None


def call_leaks(evidence: Evidence, call: ToolCall) -> bool:
    """Whether a call's name or arguments hold markup or a broken character."""
    said = _said_in_calls(evidence)
    return any(
        _marks(evidence, text, said) or _broken_character(evidence, text)
        for text in (call.name or "", call.arguments)
    )


def stop_string(evidence: Evidence, choice: Choice) -> str | None:
    """Find a stop string of the request in a text without calls, where it must not be.

    With calls, what a parser takes out can bring its two halves together.
    """
    request = evidence.request
    stop = request.get("stop") or []
    # Fields of vLLM's: the one asks for the string, the other puts off the stop.
    if choice.calls or request.get("include_stop_str_in_output") or request.get("min_tokens"):
        return None
    wanted = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    found = (text for text in wanted if isinstance(text, str) and text and text in choice.content)
    return next(found, None)


def _texts(evidence: Evidence, choice: Choice) -> Iterator[tuple[str, Pieces, str]]:
    content = _contents(choice) or [(None, choice.content)]
    yield "content", content, evidence.expect.content or ""
    said = _said_in_calls(evidence)
    for call in choice.calls:
        yield f"{call.where} name", [(None, call.name or "")], said
        fragments: Pieces = [(entry.chunk, text) for entry, text in call.fragments]
        yield f"{call.where} arguments", fragments, said


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


def _chunk_at(pieces: Pieces, length: int) -> int | None:
    """Give the number of the chunk that makes the text that long."""
    lengths = accumulate(len(text) for _, text in pieces)
    ends = zip(pieces, lengths, strict=True)
    return next(number for (number, _), end in ends if end >= length)


def _contents(choice: Choice) -> Pieces:
    texts = [(number, delta.get("content")) for number, delta in choice.deltas]
    return [(number, text) for number, text in texts if isinstance(text, str)]
