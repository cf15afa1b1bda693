"""Hear what a sampled model said: the text of its tokens, as the server itself tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from conformance.base import jsonvalue
from conformance.base.jsonvalue import Json
from conformance.casefiles.expectation import LIMITS
from conformance.client.sender import Asker
from conformance.formats import Format
from conformance.verdicts import spoken
from conformance.verdicts.spoken import End, Reading
from conformance.wires.chat import token_ids
from conformance.wires.chat.answers import Answer
from conformance.wires.chat.token_ids import Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What is known of a sampled answer beside its bytes."""

    reading: Reading | None = None
    """`None` where the tokens are not known, or their text is not."""
    ids: Ids | None = None
    unshown: str | None = None
    """What the conversation has and the prompt does not show, if the model did not do as asked."""


async def transcribe(
    asker: Asker, answer: Answer, format: Format, *, wanted: list[str]
) -> Transcript:
    """Read the tokens of an answer; `wanted` are the names of the calls that were asked for."""
    ids = token_ids.said(answer)
    if ids is None or answer.exchange.status != 200:
        return Transcript()
    whole = await asker.detokenize(list(ids))
    before = await asker.detokenize(list(ids[:-1])) if len(ids) > 1 else ""
    if whole is None or before is None:
        return Transcript(ids=ids)
    text, ended = spoken.without_end(whole, before)
    request = answer.exchange.request
    found = spoken.read(text, _end(ids, request, ended=ended), request, format)
    called = [call.name for call in found.calls or ()]
    unshown = None
    if called != wanted:
        prompt = await asker.detokenize(list(token_ids.prompt(answer)))
        unshown = missing_in(prompt, request) if prompt is not None else None
    return Transcript(reading=found, ids=ids, unshown=unshown)


def _end(ids: Ids, request: Mapping[str, Json], *, ended: bool) -> End:
    if ended:
        return "ended"
    limits = [request[name] for name in LIMITS if request.get(name)]
    return "cut" if limits and len(ids) >= min(limits) else "unknown"


def missing_in(prompt: str, request: Mapping[str, Json]) -> str | None:
    """Say which tool, call or result a prompt does not show, if so.

    Only names, and results that are plain words, are looked for: a template may respell the rest.
    """
    if request.get("tool_choice") != "none":
        for tool in request.get("tools") or ():
            if tool["function"]["name"] not in prompt:
                return f"the prompt does not show the tool {tool['function']['name']!r}"
    for message in request["messages"]:
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
