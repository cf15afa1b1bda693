"""The text beside calls."""

from __future__ import annotations

import json
import re
from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import accumulate

from conformance.base import jsonvalue
from conformance.rules.rule import MUST, NOTHING_KNOWN, SHOULD, Evidence, Findings, has_calls, rule
from conformance.rules.truth import calls_are_as_said
from conformance.wires.answer import Call, Piece, Turn

BLAME = "parser"

LEAKS = ("content.no-marker-leak", "content.characters")
"""Rules on what may not reach the client, in a text or in a call."""

KEPT_OUT_OF_TEXT = (*LEAKS, "finish.stop-string")
"""Rules on what may not be in a text, whatever else it says."""


@rule(
    "content.no-marker-leak",
    MUST,
    "any",
    lambda evidence: evidence.format is not None and evidence.asked.choice != "none",
)
def no_marker_leak(evidence: Evidence) -> Findings:
    """No markup of a call reaches the client.

    Why: users see it in the text and agents send it back as part of the conversation; no client
        takes it out. What is no call may be given as text, marks and all: see docs/marks.md.
    Wrong: "content": "<tool_call>"
    Right: "content": null
    """
    for turn in evidence.turns:
        for where, pieces, said in _texts(evidence, turn):
            if where == "content" and _holds_no_call(evidence, turn):
                continue
            text = "".join(piece for _, piece in pieces)
            for mark in _marks(evidence, text, said):
                at = text.index(mark)
                yield turn.finding(
                    f"{where}",
                    expected=f"no {mark}",
                    actual=jsonvalue.show(text[max(0, at - 20) : at + 60]),
                    chunk=_chunk_at(pieces, at + len(mark)),
                )


@rule("content.order", SHOULD, "stream", has_calls, yields_to=LEAKS)
def order(evidence: Evidence) -> Findings:
    """No text stands between two deltas of one call's arguments.

    Why: the AI SDK, pydantic-ai and openai-agents move it after the call; vLLM's own Messages and
        Responses endpoints fail on it.
    Wrong: {"city", then the content "Hm.", then : "Paris"}
    Right: the content "Hm.", then {"city", then : "Paris"}
    """
    for turn in evidence.turns:
        if not turn.whole:
            continue
        # White space alone is a habit of templates, and nobody reads it.
        texts = {number: text for number, text in turn.texts if number is not None and text.strip()}
        places = list(texts)
        for call in turn.calls:
            numbers = [number for number, _ in call.pieces if number is not None]
            after = bisect(places, numbers[0]) if numbers else len(places)
            if after < len(places) and places[after] < numbers[-1]:
                number = places[after]
                yield turn.finding_in_text(
                    number,
                    expected=f"no text before the end of {call.where}",
                    actual=jsonvalue.show(texts[number]),
                )


@rule("content.characters", MUST, "any")
def characters(evidence: Evidence) -> Findings:
    """No character is lost or split: no U+FFFD and no half of a pair that the model did not say.

    Why: no client can repair it, the text stays wrong; Python cannot encode half a pair, so
        printing or storing it raises UnicodeEncodeError.
    Wrong: the first half of an escaped emoji in one delta, the second half in the next
    Right: the emoji in one delta
    """
    if evidence.answer.damaged:
        return  # bytes that cannot be decoded are read as U+FFFD
    for turn in evidence.turns:
        reasoning: list[Piece] = [(None, turn.reasoning)]
        texts = [(where, pieces) for where, pieces, _ in _texts(evidence, turn)]
        for where, pieces in [*texts, ("reasoning", reasoning)]:
            text = "".join(piece for _, piece in pieces)
            # A limit on tokens may end an answer inside a character.
            cut = turn.ending == "limit"
            if found := _broken_character(evidence, text.rstrip(_LOST) if cut else text):
                at = text.index(found)
                yield turn.finding(
                    f"{where}",
                    expected="whole characters",
                    actual=jsonvalue.show(text[max(0, at - 20) : at + 20]),
                    chunk=_chunk_at(pieces, at + len(found)),
                )


def _holds_no_call(evidence: Evidence, turn: Turn) -> bool:
    """Whether the model itself broke its markup or spoke about it, so that no call can be demanded.

    A call that a limit or a stop string cut off was a call.
    """
    expect = evidence.expect
    if expect == NOTHING_KNOWN or expect.calls or expect.content is not None:
        return False
    return turn.ending != "limit" and not evidence.asked.options.stop


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
    # Where nothing is known of what the model said, it may have said U+FFFD itself.
    if source is not None and text.count(_LOST) > own.count(_LOST) + len(_SPELT_LOST.findall(own)):
        return _LOST
    return None


def _source(evidence: Evidence) -> str | None:
    """Give what the model said; where that is unknown, what a complete answer has of it."""
    if evidence.said is not None or evidence.complete is None:
        return evidence.said
    turns = evidence.complete.turns
    calls = [f"{call.name}{call.arguments}" for turn in turns for call in turn.calls]
    return "".join([*(turn.content + turn.reasoning for turn in turns), *calls])


def cut_in_a_character(evidence: Evidence, turn: Turn, text: str) -> bool:
    """Whether a limit has cut a text inside a character, so that its end is not what was said."""
    return turn.ending == "limit" and _broken_character(evidence, text) is not None


def call_leaks(evidence: Evidence, call: Call) -> bool:
    """Whether a call's name or arguments hold markup or a broken character."""
    said = _said_in_calls(evidence)
    return any(
        _marks(evidence, text, said) or _broken_character(evidence, text)
        for text in (call.name or "", call.arguments)
    )


def _texts(evidence: Evidence, turn: Turn) -> Iterator[tuple[str, Sequence[Piece], str]]:
    yield "content", turn.texts, evidence.expect.content or ""
    said = _said_in_calls(evidence)
    for call in turn.calls:
        yield f"{call.where} name", [(None, call.name or "")], said
        yield f"{call.where} arguments", call.pieces, said


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


def _chunk_at(pieces: Sequence[Piece], length: int) -> int | None:
    """Give the number of the chunk that makes the text that long."""
    lengths = accumulate(len(text) for _, text in pieces)
    ends = zip(pieces, lengths, strict=True)
    return next(number for (number, _), end in ends if end >= length)


@rule(
    "content.lossless",
    SHOULD,
    "any",
    lambda evidence: bool(evidence.expect.calls) and evidence.expect.content is not None,
    yields_to=(*LEAKS, "equiv.content"),
)
def lossless(evidence: Evidence) -> Findings:
    """Text beside calls is not lost, doubled or invented.

    Why: users read it, and agents send it back; no specification says that calls swallow it.
    Wrong: the model says "I will look." and calls, the answer has no content
    Right: "content": "I will look."
    """
    yield from other_text(evidence)


def other_text(evidence: Evidence) -> Findings:
    """Find fault with text that is not what the model said."""
    said = evidence.expect.content
    if said is None:
        return
    for turn in evidence.turns:
        if not turn.whole or not calls_are_as_said(evidence, turn):
            continue  # other calls come with other text
        if cut_in_a_character(evidence, turn, turn.content):
            continue
        # A format sets text apart from calls by white space of its own.
        if "".join(turn.content.split()) != "".join(said.split()) or (
            not evidence.expect.calls and turn.content.strip() != said.strip()
        ):
            expected, actual = jsonvalue.show_apart(said.strip(), turn.content.strip())
            yield turn.finding("content", expected=expected, actual=actual)
