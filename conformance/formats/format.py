"""What a format is: all that is known of one family of models."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from conformance.base.jsonvalue import Json
from conformance.formats import forced
from conformance.formats.stream import Reader
from conformance.terms.said import Call, Piece, Script, Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What stands around a call; the named damages use it."""

    begin: str
    """What comes before a call's own text: the mark, and white space if the models write some."""
    end: str = ""
    """What comes after it."""
    keys: tuple[str, str] | None = None
    """Where a call is a JSON object: its keys for the name and for the arguments."""
    listed: bool = False
    """All calls stand in one JSON array, in one frame."""

    @property
    def space(self) -> str:
        """Give the white space after the mark."""
        return self.begin[len(self.begin.rstrip()) :]

    @property
    def line(self) -> str:
        """Give the line break after the mark, where marks have lines of their own."""
        return self.space if "\n" in self.space else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdForm:
    """The form that the models' own templates demand of a call's id."""

    pattern: str
    """Every id matches it as a whole."""
    example: str
    make: Callable[[int], str]
    """Make an id of a random number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How a family of models writes calls as text, and how that text reads as calls."""

    name: str
    parsers: tuple[str, ...]
    """Names of the server parsers that read it; a run with the first is named after the format."""
    marks: Mapping[str, Literal["marker", "control"]]
    """The strings that set calls apart from text, and whether each must be one token.

    The first one begins a call.
    """
    markup: tuple[str, ...]
    """Strings that never belong in what a client is given."""
    write: Callable[[Sequence[Utterance]], Script]
    """Raises `Inexpressible`. A call's arguments may be broken text: it is written as it is, or
    refused."""
    read: Callable[[Script], tuple[Utterance, ...]]
    """Raises `Unreadable`. Gives back what `write` was given."""
    frame: Frame
    reader: Callable[[], Reader]
    """Reads tokens as they come, for the reference server."""
    template: Callable[[Sequence[Json], str, bool], Iterator[str]]
    """Write a prompt, for the reference server.

    It is given messages, the tools as JSON text, and whether the model's turn is to be opened.
    """
    offer: str
    """What a prompt with tools has, and one without has not."""
    end: str
    """What ends the model's turn."""
    opener: str = ""
    """What opens the model's turn in a prompt; empty where nothing does."""
    chat_template: str = ""
    """What `template` writes, as a chat template in Jinja, for a server that loads a model of ours;
    empty where nobody has written it."""
    grammar: bool = False
    """vLLM may bind this model to a grammar in any request; without tools, one without calls."""
    ids: IdForm | None = None
    """`None` where any id is accepted."""
    optional: tuple[str, ...] = ()
    """Marks that some models leave out, and that parsers do without."""
    related: tuple[str, ...] = ()
    """Formats that a model may write instead: a parser's name alone does not say which."""
    sign: Script = ()
    """A script that only a server of this format, among those of its parser, can be made to say."""
    thought: tuple[str, str] | None = None
    """What comes before and after a model's reasoning, where that is known."""
    forced_shapes: Callable[[Script, Sequence[Call], bool], list[Script]] = forced.shapes
    """Write the shapes to which a server may bind forced calls; see `forced.shapes`."""
    read_forced: Callable[[str, str | None], list[Call]] = forced.read
    """Read such a shape; see `forced.read`."""
    spared: Mapping[str, str] = field(default_factory=dict)
    """Damages, by name, that make no sense in this format, and why."""

    @property
    def mark(self) -> str:
        """Give the mark that begins a call; empty where none does."""
        return next(iter(self.marks), "")

    @property
    def call_id(self) -> str | None:
        """Give the pattern that every call's id matches, if there is one."""
        return self.ids.pattern if self.ids else None

    def pieces(self, text: str) -> Script:
        """Cut a text at the format's marks."""
        if not self.marks:
            return (Piece("text", text),) if text else ()
        pattern = "|".join(re.escape(mark) for mark in sorted(self.marks, key=len, reverse=True))
        found: list[Piece] = []
        for run in re.split(f"({pattern})", text):
            if run:
                found.append(Piece(self.marks.get(run, "text"), run))
        return tuple(found)


def text_of(script: Script) -> str:
    """Join a script's pieces to the text that is said."""
    return "".join(piece.text for piece in script)
