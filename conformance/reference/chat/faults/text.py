"""Faults in the text beside calls."""

from __future__ import annotations

import json
from dataclasses import replace

from conformance.base.jsonvalue import Json
from conformance.formats import FORMATS
from conformance.formats.stream import Content
from conformance.reference.chat.faults.registry import choices, entries, fault, like, messages
from conformance.reference.fault import USUAL
from conformance.reference.reply import Reply

LEAK = "".join(dict.fromkeys(format.markup[0] for format in FORMATS.values()))
BEGINNINGS = {
    mark[:length]
    for format in FORMATS.values()
    for mark in format.marks
    for length in range(1, len(mark))
}
"""Text that may be the beginning of a mark."""


@fault("chunks", "content.no-marker-leak")
def marker_leaks(chunks: list[Json]) -> list[Json]:
    """Sends the mark of a call as text before the first call.

    A parser that releases its held-back text too early.
    """
    for place, chunk in enumerate(chunks):
        if any("id" in entry for entry in entries([chunk])):
            return [*chunks[:place], like(chunk, {"content": LEAK}), *chunks[place:]]
    return chunks


@fault("chunks", "said.content", "text/less-than-at-the-end")
def partial_marker_lost(chunks: list[Json]) -> list[Json]:
    """Never sends text at the end that might have begun a mark.

    vLLM 0.32.0: held-back text is forgotten when the stream ends.
    """
    for delta in [c["delta"] for c in choices(chunks) if c["delta"].get("content")][-1:]:
        while any(delta["content"].endswith(beginning) for beginning in BEGINNINGS):
            delta["content"] = delta["content"][:-1]
    return chunks


@fault("chunks", "said.content", "text/no-call")
def spaces_stripped(chunks: list[Json]) -> list[Json]:
    """Strips the white space of each delta.

    A parser that tidies what it gets, and joins words and paragraphs.
    """
    for choice in choices(chunks):
        if choice["delta"].get("content"):
            choice["delta"]["content"] = choice["delta"]["content"].strip()
    return chunks


@fault("chunks", "said.content", "text/no-call")
def last_text_twice(chunks: list[Json]) -> list[Json]:
    """Sends the last text of an answer in words again.

    A parser that flushes at the end what it has already sent.
    """
    if any(entries(chunks)):
        return chunks
    *_, last = (place for place, chunk in enumerate(chunks) if chunk["choices"])
    return [*chunks[:last], *chunks[last - 1 :]]


@fault("reply", "content.lossless")
def text_beside_calls_lost(reply: Reply) -> Reply:
    """Leaves the text beside calls out, complete and streamed.

    A parser that takes an answer for either text or calls.
    """
    if not reply.ids:
        return reply
    groups = [tuple(e for e in group if not isinstance(e, Content)) for group in reply.groups]
    return replace(reply, groups=tuple(groups))


@fault("body", "equiv.content")
def complete_answer_differs(body: Json) -> Json:
    """Leaves the text beside calls out of the complete answer.

    Parsers have two code paths, and the complete one often takes the calls alone.
    """
    for message in messages(body):
        if message.get("tool_calls"):
            message["content"] = None
    return body


@fault("chunks", "content.order")
def text_late(chunks: list[Json]) -> list[Json]:
    """Sends the text before a call in the middle of its arguments.

    A server that sends text and calls from two queues; the AI SDK moves the text after the call.
    """
    numbers = [number for number, chunk in enumerate(chunks) if any(entries([chunk]))]
    if len(numbers) < 4:
        return chunks
    head, text = chunks[:1], chunks[1 : numbers[0]]
    return [*head, *chunks[numbers[0] : numbers[2]], *text, *chunks[numbers[2] :]]


@fault("chunks", "chunk.content-xor-tools")
def text_and_call_in_a_delta(chunks: list[Json]) -> list[Json]:
    """Sends the last text before a call in one delta with it.

    vLLM 0.32.0, where a delta has many tokens; AutoGen goes on after the text and loses the call.
    """
    for place, chunk in enumerate(chunks):
        if any(entries([chunk])):
            text = chunks[place - 1]["choices"][0]["delta"].get("content")
            if text:
                chunk["choices"][0]["delta"]["content"] = text
                return [*chunks[: place - 1], *chunks[place:]]
            return chunks
    return chunks


@fault("body", "content.no-marker-leak")
def complete_call_as_text(body: Json) -> Json:
    """Gives a call in a complete answer as the text that the model said.

    vLLM #47903 where the call was cut short, #17514 where the server lost sight of its parser.
    """
    opened, closed = FORMATS[USUAL].marks
    for message in messages(body):
        calls = message.pop("tool_calls", ())
        texts = [f"{opened}{json.dumps(call['function'])}{closed}" for call in calls]
        message["content"] = (message["content"] or "") + "".join(texts)
    for choice in body["choices"]:
        choice["finish_reason"] = choice["finish_reason"].replace("tool_calls", "stop")
    return body


@fault("chunks", "chunk.content.string", "text/no-call")
def content_in_parts(chunks: list[Json]) -> list[Json]:
    """Sends the text as a list of content parts, as requests may have it.

    openai-python and LangChain raise where they join it.
    """
    for choice in choices(chunks):
        if choice["delta"].get("content"):
            choice["delta"]["content"] = [{"type": "text", "text": choice["delta"]["content"]}]
    return chunks


@fault("body", "equiv.reasoning")
def complete_reasoning_alone(body: Json) -> Json:
    """Shows what the model thought in the complete answer only.

    Models that want their thoughts sent back see another conversation.
    """
    for message in messages(body):
        message["reasoning"] = "Both cities have a clock."
    return body


@fault("chunks", "said.kept", "broken/ends-in-a-string")
def half_call_swallowed(chunks: list[Json]) -> list[Json]:
    """Sends nothing of a call that never became whole.

    Parsers that wait for its end, as those of vLLM, where the stream ends first.
    """
    texts = [choice["delta"].get("content") or "" for choice in choices(chunks)]
    if any(entries(chunks)) or '"arguments"' not in "".join(texts):
        return chunks
    return [c for c in chunks if not any(one["delta"].get("content") for one in choices([c]))]


@fault("body", "said.kept", "broken/single-quotes")
def broken_call_lost(body: Json) -> Json:
    """Gives nothing of a call that it cannot read.

    A parser that takes the text out before it knows what it is; the user sees an empty answer.
    """
    for message in messages(body):
        if "tool_calls" not in message:
            message["content"] = ""
    return body
