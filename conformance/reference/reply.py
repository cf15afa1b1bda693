"""What the client gets in one choice, before it is written as JSON."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from conformance.base.jsonvalue import Json
from conformance.formats import Format
from conformance.formats.stream import Arguments, Content, Event, Header, Reader, Token
from conformance.reference.reader import PlainReader, makes_sense
from conformance.reference.speech import Speech
from conformance.reference.variant import Variant, Variants


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model said in one choice, read."""

    groups: tuple[tuple[Event, ...], ...]
    """The events of the tokens of each delta."""
    tokens: tuple[tuple[str, ...], ...]
    """The tokens of each group."""
    finish_reason: str
    ids: tuple[str, ...]
    """The id of each call that has a name."""

    @property
    def events(self) -> list[Event]:
        """All events."""
        return list(chain.from_iterable(self.groups))


def read(request: Json, speech: Speech, format: Format, variants: Variants) -> Reply:
    """Read one choice's tokens, `stream_interval` at a time."""
    reader = format.reader() if makes_sense(format, speech.whole) else PlainReader()
    width = request.get("stream_interval") or 1
    groups = list(_groups(reader, speech.tokens, width))
    wanted = _wanted_calls(request, speech, list(chain.from_iterable(groups)), variants)
    kept = [
        tuple(event for event in group if isinstance(event, Content) or event.call in wanted)
        for group in groups
    ]
    headers = [event for event in chain.from_iterable(kept) if isinstance(event, Header)]
    named = isinstance(request.get("tool_choice"), dict) and Variant.STOP_WHEN_NAMED in variants
    natural = "tool_calls" if headers and not named else "stop"
    return Reply(
        groups=tuple(kept),
        tokens=tuple(_runs(speech.tokens, width)),
        finish_reason="length" if speech.cut else natural,
        ids=tuple(header.id or _new_id(format, variants) for header in headers),
    )


def _runs(tokens: Sequence[Token], width: int) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(tokens), width):
        yield tuple(token.text for token in tokens[start : start + width])
    yield ()  # the events at the end come from no token


def _groups(reader: Reader, tokens: Sequence[Token], width: int) -> Iterator[tuple[Event, ...]]:
    for start in range(0, len(tokens), width):
        run = tokens[start : start + width]
        yield tuple(_joined(chain.from_iterable(reader.read(token) for token in run)))
    yield tuple(reader.end())


def _joined(events: Iterator[Event]) -> Iterator[Event]:
    """Join events of the same kind that follow one another, as one delta carries them."""
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


def _wanted_calls(
    request: Json, speech: Speech, events: Sequence[Event], variants: Variants
) -> set[int]:
    """Choose the calls that the client gets: allowed by the request, not cut by a stop string."""
    if not request.get("tools") or request.get("tool_choice") == "none":
        return set()
    wanted = {event.call for event in events if isinstance(event, Header)}
    if request.get("parallel_tool_calls") is False:
        wanted &= {0}
    halves_too = speech.cut and Variant.CUT_CALLS_WITHHELD not in variants
    return {call for call in wanted if halves_too or _is_json(arguments(events, call))}


def arguments(events: Sequence[Event], call: int) -> str:
    """Give all arguments of a call."""
    return "".join(e.text for e in events if isinstance(e, Arguments) and e.call == call)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _new_id(format: Format, variants: Variants) -> str:
    if format.ids is not None:
        return format.ids.make(secrets.randbits(64))
    return f"{'chatcmpl-tool-' if Variant.LONG_IDS in variants else 'call_'}{secrets.token_hex(12)}"
