"""What the answers of all wires have in common: turns of text, thoughts and calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from conformance.base import sse
from conformance.terms.case import Ending
from conformance.terms.exchange import Exchange
from conformance.terms.outcome import Finding

Events = tuple[int, ...]
"""Numbers of the events that brought a part; none in a complete answer."""

Piece = tuple[int | None, str]
"""A run of text, and the number of the event that brought it; `None` in a complete answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A run of text for the user."""

    text: str
    events: Events = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Thought:
    """A run of what the model thought, where the server shows it."""

    text: str
    events: Events = ()


class Call(Protocol):
    """A call, put together as a careful client would."""

    @property
    def name(self) -> str | None:
        """Its name; `None` if none came."""

    @property
    def arguments(self) -> str:
        """All text of its arguments, joined."""

    @property
    def id(self) -> str | None:
        """The id by which its result refers to it; `None` if none came."""

    @property
    def where(self) -> str:
        """Say which call of its turn this is."""

    @property
    def events(self) -> Events:
        """The events that brought it."""

    @property
    def names(self) -> Sequence[object]:
        """Each name that came; a careful client waits for one."""

    @property
    def pieces(self) -> Sequence[Piece]:
        """The runs of text that its arguments came in."""

    def finding(
        self, field: str, *, expected: str, actual: str, chunk: int | None = None
    ) -> Finding:
        """Find fault with a field of the call, as a whole or where an event shows it."""

    def finding_at_start(self, field: str, *, expected: str, actual: str) -> Finding:
        """Find fault with a field where the call begins."""

    def finding_in_piece(self, number: int, *, expected: str, actual: str) -> Finding:
        """Find fault with the arguments in the piece of this number."""


Part = Text | Thought | Call


class Turn(Protocol):
    """One turn of the model; of several that were asked for at once, one."""

    @property
    def index(self) -> int:
        """Its place among those that were asked for."""

    @property
    def where(self) -> str:
        """Say which turn this is."""

    @property
    def parts(self) -> Sequence[Part]:
        """Everything in it, in order."""

    @property
    def content(self) -> str:
        """All text, joined."""

    @property
    def reasoning(self) -> str:
        """All thoughts, joined."""

    @property
    def calls(self) -> Sequence[Call]:
        """The calls, in order."""

    @property
    def texts(self) -> Sequence[Piece]:
        """The runs that its text came in."""

    @property
    def ending(self) -> Ending:
        """Why it ended; `unknown` where the server does not say, or in no word of the wire."""

    @property
    def endings(self) -> Sequence[Ending]:
        """Each ending that the server's word may mean."""

    @property
    def word(self) -> str | None:
        """The server's own word for the ending."""

    @property
    def word_field(self) -> str:
        """What the wire calls the ending."""

    @property
    def whole(self) -> bool:
        """Every part had the shape that lets it be put together."""

    def words_for(self, endings: Sequence[Ending] | None) -> tuple[str, ...] | None:
        """Give the wire's words that may stand for one of these endings."""

    def finding(
        self, field: str, *, expected: str, actual: str, chunk: int | None = None
    ) -> Finding:
        """Find fault with a field of the turn, as a whole or where an event shows it."""

    def finding_in_text(self, event: int | None, *, expected: str, actual: str) -> Finding:
        """Find fault with the text that an event brings."""

    def finding_of_ending(self, *, expected: str, actual: str) -> Finding:
        """Find fault with the server's word for the ending."""


class Answer(Protocol):
    """A recorded exchange, read."""

    @property
    def exchange(self) -> Exchange:
        """The bytes, and what was asked."""

    @property
    def stream(self) -> sse.Stream | None:
        """The events, if the answer was to be streamed."""

    @property
    def turns(self) -> Sequence[Turn]:
        """What the model did: one turn, or as many as were asked for."""

    @property
    def damaged(self) -> bool:
        """A part could not be read, so that something missing may have been in it."""

    @property
    def text(self) -> str:
        """The body as text, for a person."""

    @property
    def content_type(self) -> str:
        """The media type with its parameters, in lower case; empty if there is none."""

    def wire(self, event: int | None) -> str | None:
        """Give the raw event of that number, timed, for a person."""
