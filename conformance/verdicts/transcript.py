"""Hear what a sampled model said: the text of its tokens, as the server itself gives it."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.base import jsonvalue
from conformance.client.sender import Asker
from conformance.formats import Format
from conformance.terms.asked import Asked
from conformance.verdicts import spoken
from conformance.verdicts.spoken import End, Reading
from conformance.wires.answer import Answer
from conformance.wires.wire import Ids, Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What is known of a sampled answer beside its bytes."""

    reading: Reading | None = None
    """`None` where the tokens are not known, or their text is not."""
    ids: Ids | None = None
    unshown: str | None = None
    """What of the conversation the prompt does not show, if the model did not do as asked."""


async def transcribe(
    asker: Asker, wire: Wire, answer: Answer, format: Format, *, wanted: list[str]
) -> Transcript:
    """Read the tokens of an answer; `wanted` are the names of the calls that were asked for."""
    ids = wire.tokens.said(answer)
    if ids is None or answer.exchange.status != 200:
        return Transcript()
    whole = await asker.detokenize(list(ids))
    before = await asker.detokenize(list(ids[:-1])) if len(ids) > 1 else ""
    if whole is None or before is None:
        return Transcript(ids=ids)
    text, ended = spoken.without_end(whole, before)
    asked = wire.asked(answer.exchange.request)
    end = _end(ids, asked.options.limit, ended=ended)
    found = spoken.read(text, end, asked, format)
    called = [call.name for call in found.calls or ()]
    unshown = None
    if called != wanted:
        prompt = await asker.detokenize(list(wire.tokens.prompt(answer)))
        unshown = missing_in(prompt, asked) if prompt is not None else None
    return Transcript(reading=found, ids=ids, unshown=unshown)


def _end(ids: Ids, limit: int | None, *, ended: bool) -> End:
    if ended:
        return "ended"
    return "cut" if limit and len(ids) >= limit else "unknown"


def missing_in(prompt: str, asked: Asked) -> str | None:
    """Say which tool, call or result a prompt does not show, if so.

    Only names, and results that are plain words, are looked for: a template may respell the rest.
    """
    if asked.choice != "none":
        for tool in asked.tools:
            if tool["function"]["name"] not in prompt:
                return f"the prompt does not show the tool {tool['function']['name']!r}"
    for message in asked.messages:
        for call in message.get("tool_calls") or ():
            if call["function"]["name"] not in prompt:
                return f"the prompt does not show the earlier call of {call['function']['name']!r}"
        content = message.get("content")
        plain = isinstance(content, str) and content.replace(" ", "").isalnum()
        if message.get("role") == "tool" and plain and content.strip() not in prompt:
            return f"the prompt does not show the result {jsonvalue.show(content)}"
    return None


def difference(complete: Transcript, streamed: Transcript) -> str | None:
    """Say why a stream cannot be held to the complete answer, if so: not the same tokens."""
    if streamed.ids is None:
        return "not all token ids of the stream are shown"
    if complete.ids == streamed.ids:
        return None
    left, right = jsonvalue.show_apart(_text(complete), _text(streamed))
    return f"the model said {left} complete, and {right} streamed"


def _text(transcript: Transcript) -> str:
    return transcript.reading.text if transcript.reading else ""
