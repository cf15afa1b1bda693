"""Answers of the Chat Completions API, complete and streamed, from what the model said."""

from __future__ import annotations

import json
import secrets
import string
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, zip_longest

from conformance.formats import Format
from conformance.model import Json
from conformance.reference.reader import (
    READERS,
    Arguments,
    Content,
    Event,
    Header,
    PlainReader,
    Reader,
    makes_sense,
)
from conformance.reference.speech import Speech, Token


class Variant(StrEnum):
    """A choice that the specification leaves to a server, other than the default's."""

    BARE_ROLE = "bare-role"
    """The first delta has the role alone, without an empty content."""
    LAST_DATA_IN_FINISH = "last-data-in-finish"
    """The chunk with the finish_reason has the last data, not an empty delta."""
    HEADER_WITH_ARGUMENTS = "header-with-arguments"
    """A call's name comes with its first arguments, not in a delta of its own."""
    NO_EMPTY_ARGUMENTS = "no-empty-arguments"
    """A delta with the name alone has no `arguments` key."""
    STOP_WHEN_NAMED = "stop-when-named"
    """A call that a named tool_choice demanded ends with `stop`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model said in one choice, read."""

    groups: tuple[tuple[Event, ...], ...]
    """The events of each delta's tokens."""
    finish_reason: str
    ids: tuple[str, ...]
    """Of each call that has a name."""


def reply(request: Json, speech: Speech, format: Format, variants: frozenset[Variant]) -> Reply:
    """Read one choice's tokens, `stream_interval` at a time."""
    sound = makes_sense(READERS[format.name](), speech.whole)
    reader = READERS[format.name]() if sound else PlainReader()
    width = request.get("stream_interval") or 1
    groups = list(_groups(reader, speech.tokens, width))
    wanted = _wanted_calls(request, speech, list(chain.from_iterable(groups)))
    kept = [
        tuple(event for event in group if isinstance(event, Content) or event.call in wanted)
        for group in groups
    ]
    headers = [event for event in chain.from_iterable(kept) if isinstance(event, Header)]
    named = isinstance(request.get("tool_choice"), dict) and Variant.STOP_WHEN_NAMED in variants
    natural = "tool_calls" if headers and not named else "stop"
    return Reply(
        groups=tuple(kept),
        finish_reason="length" if speech.cut else natural,
        ids=tuple(header.id or _new_id(format) for header in headers),
    )


def _groups(reader: Reader, tokens: Sequence[Token], width: int) -> Iterator[tuple[Event, ...]]:
    for start in range(0, len(tokens), width):
        run = tokens[start : start + width]
        yield tuple(_joined(chain.from_iterable(reader.read(token) for token in run)))
    yield tuple(reader.end())


def _joined(events: Iterator[Event]) -> Iterator[Event]:
    """Join neighbours that are more of the same, as one delta carries them."""
    last: Event | None = None
    for event in events:
        if isinstance(last, Content) and isinstance(event, Content):
            last = Content(last.text + event.text)
        elif (
            isinstance(last, Arguments)
            and isinstance(event, Arguments)
            and (last.call == event.call)
        ):
            last = Arguments(last.call, last.text + event.text)
        else:
            if last is not None:
                yield last
            last = event
    if last is not None:
        yield last


def _wanted_calls(request: Json, speech: Speech, events: Sequence[Event]) -> set[int]:
    """Tell which calls the client gets: those that it allows and that no stop string cut."""
    if not request.get("tools") or request.get("tool_choice") == "none":
        return set()
    wanted = {event.call for event in events if isinstance(event, Header)}
    if request.get("parallel_tool_calls") is False:
        wanted &= {0}
    return {call for call in wanted if speech.cut or _is_json(_arguments(events, call))}


def _arguments(events: Sequence[Event], call: int) -> str:
    return "".join(e.text for e in events if isinstance(e, Arguments) and e.call == call)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _new_id(format: Format) -> str:
    if format.call_id is None:
        return f"call_{secrets.token_hex(12)}"
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(9))


def complete(request: Json, replies: Sequence[Reply], usage: Json) -> Json:
    """Write the complete answer."""
    choices = [
        {
            "index": index,
            "message": _message(reply),
            "logprobs": None,
            "finish_reason": reply.finish_reason,
        }
        for index, reply in enumerate(replies)
    ]
    return {**_envelope(request, "chat.completion"), "choices": choices, "usage": usage}


def _message(reply: Reply) -> Json:
    events = list(chain.from_iterable(reply.groups))
    content = "".join(event.text for event in events if isinstance(event, Content))
    headers = [event for event in events if isinstance(event, Header)]
    message: Json = {"role": "assistant", "content": content, "refusal": None}
    if headers:
        message["content"] = content or None
        message["tool_calls"] = [
            {
                "id": id,
                "type": "function",
                "function": {"name": header.name, "arguments": _arguments(events, header.call)},
            }
            for id, header in zip(reply.ids, headers, strict=True)
        ]
    return message


def chunks(
    request: Json, replies: Sequence[Reply], usage: Json, variants: frozenset[Variant]
) -> Iterator[Json]:
    """Write the chunks of a streamed answer, all choices side by side."""
    envelope = _envelope(request, "chat.completion.chunk")
    asked = bool((request.get("stream_options") or {}).get("include_usage"))
    if asked:
        envelope["usage"] = None
    streams = [_choices(index, reply, variants) for index, reply in enumerate(replies)]
    for abreast in zip_longest(*streams):
        for choice in filter(None, abreast):
            yield {**envelope, "choices": [choice]}
    if asked:
        yield {**envelope, "choices": [], "usage": usage}


def _choices(index: int, reply: Reply, variants: frozenset[Variant]) -> Iterator[Json]:
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    if Variant.BARE_ROLE in variants:
        del deltas[0]["content"]
    for event in chain.from_iterable(reply.groups):
        delta = _delta(event, reply)
        if Variant.HEADER_WITH_ARGUMENTS in variants and isinstance(event, Arguments):
            delta = _with_header(deltas, delta)
        deltas.append(delta)
    if Variant.NO_EMPTY_ARGUMENTS in variants:
        deltas = [_without_empty_arguments(delta) for delta in deltas]
    if Variant.LAST_DATA_IN_FINISH not in variants:
        deltas.append({})
    for place, delta in enumerate(deltas):
        last = place == len(deltas) - 1
        yield {
            "index": index,
            "delta": delta,
            "logprobs": None,
            "finish_reason": reply.finish_reason if last else None,
        }


def _delta(event: Event, reply: Reply) -> Json:
    if isinstance(event, Content):
        return {"content": event.text}
    if isinstance(event, Arguments):
        return {"tool_calls": [{"index": event.call, "function": {"arguments": event.text}}]}
    entry = {
        "index": event.call,
        "id": reply.ids[event.call],
        "type": "function",
        "function": {"name": event.name, "arguments": ""},
    }
    return {"tool_calls": [entry]}


def _with_header(deltas: list[Json], delta: Json) -> Json:
    """Take the header that stands alone at the end, and put the arguments in it."""
    entry = deltas[-1].get("tool_calls", [{}])[0]
    if "id" not in entry or entry["function"]["arguments"]:
        return delta
    entry["function"]["arguments"] = delta["tool_calls"][0]["function"]["arguments"]
    return deltas.pop()


def _without_empty_arguments(delta: Json) -> Json:
    for entry in delta.get("tool_calls", ()):
        if entry["function"]["arguments"] == "":
            del entry["function"]["arguments"]
    return delta


def _envelope(request: Json, object: str) -> dict[str, Json]:
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": object,
        "created": int(time.time()),
        "model": request["model"],
    }
