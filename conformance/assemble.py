"""Deltas to calls, as a careful client would: by index, first name and id kept, text joined.

Nothing here judges. What is malformed is left out and noted, so that a rule can own it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance import jsonvalue, sse
from conformance.jsonvalue import JsonProblem
from conformance.model import Exchange, Json

DONE = "[DONE]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """An event whose data is a JSON object."""

    number: int
    """Of its event."""
    value: Mapping[str, Json]

    @property
    def choices(self) -> list[tuple[int, Mapping[str, Json]]]:
        """Each well-formed choice with its place in the list."""
        found = self.value.get("choices")
        items = found if isinstance(found, list) else []
        return [(place, item) for place, item in enumerate(items) if isinstance(item, dict)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One item of a `tool_calls` list."""

    where: str
    chunk: int | None
    value: Mapping[str, Json]

    @property
    def function(self) -> Mapping[str, Json]:
        """The `function` object; empty if it is none."""
        found = self.value.get("function")
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call put together from its entries."""

    index: int
    entries: tuple[Entry, ...]

    @property
    def id(self) -> str | None:
        """The first id that is a non-empty string."""
        return _first(entry.value.get("id") for entry in self.entries)

    @property
    def name(self) -> str | None:
        """The first name that is a non-empty string."""
        return _first(entry.function.get("name") for entry in self.entries)

    @property
    def fragments(self) -> list[tuple[Entry, str]]:
        """Each non-empty run of argument text, with the entry that brought it."""
        found = [(entry, entry.function.get("arguments")) for entry in self.entries]
        return [(entry, text) for entry, text in found if isinstance(text, str) and text]

    @property
    def arguments(self) -> str:
        """All argument text, joined."""
        return "".join(text for _, text in self.fragments)

    @property
    def where(self) -> str:
        """Say which call this is."""
        return f"call {self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One choice, put together."""

    index: int
    content: str
    calls: tuple[ToolCall, ...]
    finishes: tuple[tuple[int | None, Json], ...]
    """Each finish_reason that is not null, with the number of its chunk."""
    deltas: tuple[tuple[int, Mapping[str, Json]], ...] = ()
    """Each delta with the number of its chunk; none in a complete answer."""
    whole: bool = True
    """Every entry had the shape that lets it be put together."""

    @property
    def finish_reason(self) -> str | None:
        """The last finish_reason, if it is a string."""
        reason = self.finishes[-1][1] if self.finishes else None
        return reason if isinstance(reason, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A recorded exchange, read."""

    exchange: Exchange
    stream: sse.Stream | None = None
    """The events, if the answer was to be streamed."""
    chunks: tuple[Chunk, ...] = ()
    document: Json = None
    """The body, if the answer was to be complete."""
    problem: str | None = None
    """Why there is no document."""
    choices: tuple[Choice, ...] = ()

    @property
    def text(self) -> str:
        """The body as text, for a person."""
        return self.exchange.body.decode("utf-8", "replace")

    @property
    def content_type(self) -> str:
        """The media type with its parameters, in lower case; empty if there is none."""
        named = [value for name, value in self.exchange.headers if name.lower() == "content-type"]
        return named[-1].lower() if named else ""

    def wire(self, chunk: int | None) -> str | None:
        """Give the raw event of that number, timed, for a person."""
        if self.stream is None or chunk is None:
            return None
        event = self.stream.events[chunk]
        return f"+{event.at:.3f}s  {event.raw.decode('utf-8', 'replace').strip()}"


def read(exchange: Exchange) -> Answer:
    """Read an exchange; any bytes at all give an `Answer`."""
    if exchange.request.get("stream"):
        return _read_stream(exchange)
    try:
        document = jsonvalue.parse(exchange.body.decode("utf-8"))
    except UnicodeDecodeError as problem:
        return Answer(exchange=exchange, problem=f"no UTF-8 at byte {problem.start}")
    except JsonProblem as problem:
        return Answer(exchange=exchange, problem=str(problem))
    return Answer(exchange=exchange, document=document, choices=tuple(_complete_choices(document)))


@dataclass(slots=True)
class _Gathering:
    content: list[str] = field(default_factory=list)
    entries: dict[int, list[Entry]] = field(default_factory=dict)
    finishes: list[tuple[int | None, Json]] = field(default_factory=list)
    deltas: list[tuple[int, Mapping[str, Json]]] = field(default_factory=list)
    whole: bool = True

    def take(self, chunk: int, choice: Mapping[str, Json], where: str) -> None:
        if choice.get("finish_reason") is not None:
            self.finishes.append((chunk, choice["finish_reason"]))
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return
        self.deltas.append((chunk, delta))
        if isinstance(delta.get("content"), str):
            self.content.append(delta["content"])
        calls = delta.get("tool_calls")
        for place, value in enumerate(calls if isinstance(calls, list) else []):
            index = value.get("index") if isinstance(value, dict) else None
            if type(index) is not int or not _entry_is_whole(value):
                self.whole = False
            if type(index) is int:
                entry = Entry(where=f"{where}.delta.tool_calls[{place}]", chunk=chunk, value=value)
                self.entries.setdefault(index, []).append(entry)

    def choice(self, index: int) -> Choice:
        return Choice(
            index=index,
            content="".join(self.content),
            calls=tuple(
                ToolCall(index=at, entries=tuple(entries))
                for at, entries in sorted(self.entries.items())
            ),
            finishes=tuple(self.finishes),
            deltas=tuple(self.deltas),
            whole=self.whole,
        )


def _read_stream(exchange: Exchange) -> Answer:
    stream = sse.read(exchange.reads)
    chunks: list[Chunk] = []
    gathered: dict[int, _Gathering] = {}
    for event in stream.events:
        try:
            value = jsonvalue.parse(event.data)
        except JsonProblem:
            continue
        if not isinstance(value, dict):
            continue
        chunk = Chunk(number=event.number, value=value)
        chunks.append(chunk)
        for place, choice in chunk.choices:
            index = choice.get("index")
            if type(index) is int:
                where = f"chunk {event.number} choices[{place}]"
                gathered.setdefault(index, _Gathering()).take(event.number, choice, where)
    return Answer(
        exchange=exchange,
        stream=stream,
        chunks=tuple(chunks),
        choices=tuple(found.choice(index) for index, found in sorted(gathered.items())),
    )


def _complete_choices(document: Json) -> Iterator[Choice]:
    found = document.get("choices") if isinstance(document, dict) else None
    for place, choice in enumerate(found if isinstance(found, list) else []):
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            continue
        listed = message.get("tool_calls")
        calls = listed if isinstance(listed, list) else []
        content = message.get("content")
        index = choice.get("index")
        reason = choice.get("finish_reason")
        yield Choice(
            index=index if type(index) is int else place,
            content=content if isinstance(content, str) else "",
            calls=tuple(
                ToolCall(
                    index=at,
                    entries=(
                        Entry(
                            where=f"choices[{place}].message.tool_calls[{at}]",
                            chunk=None,
                            value=value,
                        ),
                    ),
                )
                for at, value in enumerate(calls)
                if isinstance(value, dict)
            ),
            finishes=((None, reason),) if reason is not None else (),
            whole=all(isinstance(value, dict) and _entry_is_whole(value) for value in calls),
        )


def _entry_is_whole(value: Mapping[str, Json]) -> bool:
    function = value.get("function")
    return isinstance(function, dict) and isinstance(function.get("arguments", ""), str | None)


def _first(values: Iterator[Any]) -> str | None:
    return next((value for value in values if isinstance(value, str) and value), None)
