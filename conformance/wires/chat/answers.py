"""Join deltas to calls as a careful client would: by index, the first name and id kept.

Nothing here judges. Malformed parts are left out and noted, so that a rule can own them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import UnionType
from typing import Any

from conformance.base import jsonvalue, sse
from conformance.base.jsonvalue import Json, JsonProblem
from conformance.base.printable import visible
from conformance.terms.exchange import Exchange
from conformance.wires.chat.choices import Choice, Chunk, Entry, ToolCall
from conformance.wires.chat.parts import reasoning_of

DONE = "[DONE]"


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
    damaged: bool = False
    """A part could not be read, so that something missing may have been in it."""
    choices: tuple[Choice, ...] = ()

    @property
    def turns(self) -> tuple[Choice, ...]:
        """The choices, under the name that they have on every wire."""
        return self.choices

    @property
    def text(self) -> str:
        """The body as text, for a person."""
        return self.exchange.body.decode("utf-8", "replace")

    @property
    def content_type(self) -> str:
        """The media type with its parameters, in lower case; empty if there is none."""
        named = [value for name, value in self.exchange.headers if name.lower() == "content-type"]
        return named[-1].lower() if named else ""

    def wire(self, event: int | None) -> str | None:
        """Give the raw event of that number, timed, for a person."""
        if self.stream is None or event is None:
            return None
        found = self.stream.events[event]
        text = found.raw.decode("utf-8", "replace").strip()
        return f"+{found.at:.3f}s  {visible(text)}"


def read(exchange: Exchange) -> Answer:
    """Read an exchange; any bytes at all give an `Answer`.

    One that is not whole is not judged, so nothing in it is read.
    """
    if exchange.error is not None:
        return Answer(exchange=exchange, problem=exchange.error, damaged=True)
    if exchange.request.get("stream"):
        return _read_stream(exchange)
    try:
        document = jsonvalue.parse(exchange.body.decode("utf-8"))
    except UnicodeDecodeError as problem:
        what = f"no UTF-8 at byte {problem.start}"
        return Answer(exchange=exchange, problem=what, damaged=True)
    except JsonProblem as problem:
        return Answer(exchange=exchange, problem=str(problem), damaged=True)
    choices = tuple(_complete_choices(document))
    return Answer(
        exchange=exchange,
        document=document,
        damaged=len(choices) != _length_of_choices(document),
        choices=choices,
    )


@dataclass(slots=True)
class _Gathering:
    content: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    entries: dict[int, list[Entry]] = field(default_factory=dict)
    finishes: list[tuple[int | None, Json]] = field(default_factory=list)
    deltas: list[tuple[int, Mapping[str, Json]]] = field(default_factory=list)
    indexes: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    whole: bool = True

    def take(self, chunk: int, choice: Mapping[str, Json], where: str) -> None:
        if choice.get("finish_reason") is not None:
            self.finishes.append((chunk, choice["finish_reason"]))
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            return
        self.deltas.append((chunk, delta))
        content = delta.get("content")
        if isinstance(content, str):
            self.content.append(content)
        self.whole = self.whole and isinstance(content, str | None)
        self.reasoning.append(reasoning_of(delta))
        calls = delta.get("tool_calls")
        if isinstance(calls, list):
            self._take_calls(chunk, calls, choice["index"], where)
        else:
            self.whole = self.whole and not calls

    def _take_calls(self, chunk: int, calls: list[Json], choice: int, where: str) -> None:
        indexes: list[int] = []
        for place, value in enumerate(calls):
            index = value.get("index") if isinstance(value, dict) else None
            if type(index) is not int or not _entry_is_whole(value, str | None):
                self.whole = False
            if type(index) is int:
                here = f"{where}.delta.tool_calls[{place}]"
                entry = _entry(here, chunk, value, choice, index)
                self.entries.setdefault(index, []).append(entry)
                indexes.append(index)
        self.indexes.append((chunk, tuple(indexes)))

    def choice(self, index: int, damaged: bool) -> Choice:
        calls = tuple(_call(at, entries) for at, entries in sorted(self.entries.items()))
        return Choice(
            index=index,
            content="".join(self.content),
            reasoning="".join(self.reasoning),
            calls=calls,
            finishes=tuple(self.finishes),
            deltas=tuple(self.deltas),
            indexes=tuple(self.indexes),
            whole=self.whole and not damaged and not any(call.others for call in calls),
        )


def _read_stream(exchange: Exchange) -> Answer:
    stream = sse.read(exchange.reads)
    chunks: list[Chunk] = []
    gathered: dict[int, _Gathering] = {}
    damaged = bool(stream.bad_utf8 is not None or stream.tail.strip())
    for event in stream.events:
        chunk = _read_event(event)
        if chunk is None:
            damaged = damaged or not _holds_nothing(event)
            continue
        chunks.append(chunk)
        damaged = damaged or chunk.error is not None or not _choices_are_whole(chunk)
        for place, choice in chunk.choices:
            index = choice.get("index")
            if type(index) is int:
                where = f"chunk {event.number} choices[{place}]"
                gathered.setdefault(index, _Gathering()).take(event.number, choice, where)
    return Answer(
        exchange=exchange,
        stream=stream,
        chunks=tuple(chunks),
        damaged=damaged,
        choices=tuple(found.choice(index, damaged) for index, found in sorted(gathered.items())),
    )


def _read_event(event: sse.Event) -> Chunk | None:
    # To say why a text is not JSON takes longest, and an answer can have very many such events.
    if not event.data.lstrip().startswith("{"):
        return None
    try:
        value = jsonvalue.parse(event.data)
    except JsonProblem:
        return None
    listed = value.get("choices")
    items = enumerate(listed if isinstance(listed, list) else ())
    choices = tuple((place, item) for place, item in items if isinstance(item, dict))
    return Chunk(number=event.number, value=value, choices=choices, error=_error_in(value))


def _error_in(value: Mapping[str, Json]) -> Json:
    # Older servers send the error bare.
    return value.get("error", value if value.get("object") == "error" else None)


def _holds_nothing(event: sse.Event) -> bool:
    return event.data_lines > 0 and event.data.strip() in ("", DONE)


def _choices_are_whole(chunk: Chunk) -> bool:
    listed = chunk.value.get("choices") or []
    return (
        isinstance(listed, list)
        and len(listed) == len(chunk.choices)
        and all(type(choice.get("index")) is int for _, choice in chunk.choices)
    )


def _length_of_choices(document: Json) -> int | None:
    listed = document.get("choices") if isinstance(document, dict) else None
    return len(listed) if isinstance(listed, list) else None


def _complete_choices(document: Json) -> Iterator[Choice]:
    found = document.get("choices") if isinstance(document, dict) else None
    for place, choice in enumerate(found if isinstance(found, list) else []):
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            continue
        listed = message.get("tool_calls") or []
        calls = listed if isinstance(listed, list) else []
        content = message.get("content")
        found_index = choice.get("index")
        index = found_index if type(found_index) is int else place
        reason = choice.get("finish_reason")
        where = f"choices[{place}].message"
        yield Choice(
            index=index,
            content=content if isinstance(content, str) else "",
            reasoning=reasoning_of(message),
            calls=tuple(
                _call(at, [_entry(f"{where}.tool_calls[{at}]", None, value, index, at)])
                for at, value in enumerate(calls)
                if isinstance(value, dict)
            ),
            finishes=((None, reason),) if reason is not None else (),
            whole=isinstance(listed, list)
            and isinstance(content, str | None)
            and all(_entry_is_whole(value, str) for value in calls),
        )


def _entry(where: str, chunk: int | None, value: Json, choice: int, call: int) -> Entry:
    place = (f"choice {choice}", f"call {call}")
    return Entry(where=where, chunk=chunk, value=value, place=place)


def _call(index: int, entries: Sequence[Entry]) -> ToolCall:
    id = _first(entry.value.get("id") for entry in entries)
    found = [(entry, entry.function.get("arguments")) for entry in entries]
    fragments = tuple((entry, text) for entry, text in found if isinstance(text, str) and text)
    return ToolCall(
        index=index,
        entries=tuple(entries),
        others=tuple(entry for entry in entries if _begins_another(entry, id)),
        id=id,
        name=_first(entry.function.get("name") for entry in entries),
        fragments=fragments,
        arguments="".join(text for _, text in fragments),
    )


def _entry_is_whole(value: Json, arguments: type | UnionType) -> bool:
    function = value.get("function") if isinstance(value, dict) else None
    return isinstance(function, dict) and isinstance(function.get("arguments"), arguments)


def _begins_another(entry: Entry, id: str | None) -> bool:
    own = entry.value.get("id")
    return bool(isinstance(own, str) and own and own != id and entry.function.get("name"))


def _first(values: Iterator[Any]) -> str | None:
    return next((value for value in values if isinstance(value, str) and value), None)
