"""The parts of an answer: chunks, and choices with calls put together from entries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from conformance.base.jsonvalue import Json
from conformance.terms.case import Ending
from conformance.terms.outcome import Finding, Place
from conformance.wires.answer import Part, Piece, Text, Thought
from conformance.wires.chat.parts import ordered

ENDINGS: Mapping[str, tuple[Ending, ...]] = {
    "stop": ("finished", "stopped"),
    "length": ("limit",),
    "tool_calls": ("called",),
    "content_filter": ("filtered",),
}
"""A finish_reason to the endings that it may mean; a stop string has no word of its own."""


_PART = re.compile(r"(?:delta(?:\.|$))?(call \d+|\w+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """An event whose data is a JSON object."""

    number: int
    """Of its event."""
    value: Mapping[str, Json]
    choices: tuple[tuple[int, Mapping[str, Json]], ...]
    """Each well-formed choice with its place in the list."""

    error: Json = None
    """What went wrong, if the event says so."""

    def finding(self, field: str, *, expected: str, actual: str) -> Finding:
        """Find fault with a field of the chunk."""
        return Finding(
            where=f"chunk {self.number} {field}",
            expected=expected,
            actual=actual,
            chunk=self.number,
            place=(f"chunk {self.number}",),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One item of a `tool_calls` list."""

    where: str
    chunk: int | None
    value: Mapping[str, Json]
    place: Place = ()
    """Its choice and its call."""

    @property
    def function(self) -> Mapping[str, Json]:
        """The `function` object; empty if it is not an object."""
        found = self.value.get("function")
        return found if isinstance(found, dict) else {}

    def finding(self, field: str, *, expected: str, actual: str) -> Finding:
        """Find fault with a field of the entry."""
        return Finding(
            where=f"{self.where}.{field}",
            expected=expected,
            actual=actual,
            chunk=self.chunk,
            place=self.place,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call put together from its entries."""

    index: int
    entries: tuple[Entry, ...]
    others: tuple[Entry, ...]
    """Those of them that begin another call: a name with an id that is not this call's."""
    id: str | None
    """The first id that is a non-empty string."""
    name: str | None
    """The first name that is a non-empty string."""
    fragments: tuple[tuple[Entry, str], ...]
    """Each non-empty run of argument text, with the entry that brought it."""
    arguments: str
    """All argument text, joined."""

    @property
    def own(self) -> list[Entry]:
        """The entries that are not of another call."""
        others = {entry.where for entry in self.others}
        return [entry for entry in self.entries if entry.where not in others]

    @property
    def where(self) -> str:
        """Say which call this is."""
        return f"call {self.index}"

    @property
    def events(self) -> tuple[int, ...]:
        """The chunks that brought it."""
        return tuple(entry.chunk for entry in self.entries if entry.chunk is not None)

    @property
    def names(self) -> list[Json]:
        """Each name that came, of whatever type."""
        return [entry.function["name"] for entry in self.entries if entry.function.get("name")]

    @property
    def pieces(self) -> list[Piece]:
        """The runs of text that its arguments came in, with the numbers of their chunks."""
        return [(entry.chunk, text) for entry, text in self.fragments]

    def finding_at_start(self, field: str, *, expected: str, actual: str) -> Finding:
        """Find fault with a field of the entry that begins the call."""
        return self.entries[0].finding(field, expected=expected, actual=actual)

    def finding_in_piece(self, number: int, *, expected: str, actual: str) -> Finding:
        """Find fault with the arguments in one of their fragments."""
        entry, _ = self.fragments[number]
        return entry.finding("function.arguments", expected=expected, actual=actual)

    def finding(
        self, field: str, *, expected: str, actual: str, chunk: int | None = None
    ) -> Finding:
        """Find fault with a field of the call, which its last entry shows if no chunk is given."""
        place = self.entries[-1].place
        return Finding(
            where=" ".join((*place, field)),
            expected=expected,
            actual=actual,
            chunk=self.entries[-1].chunk if chunk is None else chunk,
            place=place,
        )


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
    indexes: tuple[tuple[int, tuple[int, ...]], ...] = ()
    """Of each delta with a list of calls: the number of its chunk, and its entries' indexes."""
    whole: bool = True
    """Every entry had the shape that lets it be put together, and every call its own index."""
    reasoning: str = ""
    """What the model thought, where the server shows it: a field outside the specification."""

    @property
    def finish_reason(self) -> str | None:
        """The last finish_reason, if it is a string."""
        reason = self.finishes[-1][1] if self.finishes else None
        return reason if isinstance(reason, str) else None

    @property
    def word(self) -> str | None:
        """The last finish_reason, under the name that it has on every wire."""
        return self.finish_reason

    @property
    def word_field(self) -> str:
        """The name of the field that has it."""
        return "finish_reason"

    @property
    def texts(self) -> list[Piece]:
        """The runs that its text came in, with the numbers of their chunks."""
        found = [(number, delta.get("content")) for number, delta in self.deltas]
        texts: list[Piece] = [(number, text) for number, text in found if isinstance(text, str)]
        return texts or [(None, self.content)]

    @property
    def endings(self) -> tuple[Ending, ...]:
        """What the finish_reason may mean."""
        return ENDINGS.get(self.finish_reason or "", ("unknown",))

    @property
    def ending(self) -> Ending:
        """What the finish_reason means, unless more is known of the answer."""
        return self.endings[0]

    @property
    def where(self) -> str:
        """Say which choice this is."""
        return f"choice {self.index}"

    @property
    def parts(self) -> tuple[Part, ...]:
        """Thoughts, text and calls in order; a complete answer does not show theirs."""
        if self.deltas:
            return tuple(ordered(self.deltas, {call.index: call for call in self.calls}))
        thought, text = Thought(text=self.reasoning), Text(text=self.content)
        return (*(part for part in (thought, text) if part.text), *self.calls)

    def finding(
        self, field: str, *, expected: str, actual: str, chunk: int | None = None
    ) -> Finding:
        """Find fault with a field of the choice, which the chunk shows."""
        return Finding(
            where=f"choice {self.index} {field}".rstrip(),
            expected=expected,
            actual=actual,
            chunk=chunk,
            place=(f"choice {self.index}", *_part(field)),
        )

    def words_for(self, endings: Sequence[Ending] | None) -> tuple[str, ...] | None:
        """Give each finish_reason that may stand for one of these endings."""
        return reasons(endings)

    def finding_in_text(self, event: int | None, *, expected: str, actual: str) -> Finding:
        """Find fault with the text that a chunk brings."""
        return self.finding_in(event, "delta.content", expected=expected, actual=actual)

    def finding_of_ending(self, *, expected: str, actual: str) -> Finding:
        """Find fault with the last finish_reason."""
        chunk = self.finishes[-1][0]
        return self.finding("finish_reason", expected=expected, actual=actual, chunk=chunk)

    def finding_in(self, chunk: int | None, field: str, *, expected: str, actual: str) -> Finding:
        """Find fault with a field of what a chunk brings for the choice."""
        found = self.finding(field, expected=expected, actual=actual, chunk=chunk)
        place = (*found.place, f"chunk {chunk}") if len(found.place) > 1 else found.place
        return replace(found, where=f"chunk {chunk} {found.where}", place=place)


def _part(field: str) -> Place:
    """Name the part of a choice that a field is in: `content`, `call 0`; a delta is not a part."""
    found = _PART.match(field)
    return (found[1],) if found and found[1] else ()


def reasons(endings: Iterable[Ending] | None) -> tuple[str, ...] | None:
    """Give each finish_reason that may stand for one of these endings."""
    if endings is None:
        return None
    wanted = [reason for ending in endings for reason, all in ENDINGS.items() if ending in all]
    return tuple(dict.fromkeys(wanted))
