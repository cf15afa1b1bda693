"""Read calls out of tokens as they come, sending on at once what can no longer become a mark.

Each reader takes what a format's models are known to write beside its own form: other keys, text
behind a call, a mark that is left out. Whether it makes sense of a whole text, `makes_sense` tells.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from conformance.formats.hermes import OPEN
from conformance.formats.mistral import ARGS, CALL_ID, CALLS
from conformance.reference.speech import Token


@dataclass(frozen=True, slots=True)
class Content:
    """More text beside calls."""

    text: str


@dataclass(frozen=True, slots=True)
class Header:
    """A call has begun, and its whole name is known."""

    call: int
    name: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Arguments:
    """More text of a call's arguments."""

    call: int
    text: str


Event = Content | Header | Arguments


class Reader(Protocol):
    """Turns tokens into events."""

    @property
    def begun(self) -> int:
        """How many calls have begun."""
        ...

    def read(self, token: Token) -> Iterator[Event]:
        """Give what a token tells."""
        ...

    def end(self) -> Iterator[Event]:
        """Give what was held back until the end."""
        ...


class PlainReader:
    """All is text: the marks are there, and what they set apart is no call."""

    begun = 0

    def read(self, token: Token) -> Iterator[Event]:
        """Give a token that is no mark."""
        if not token.mark:
            yield Content(token.text)

    def end(self) -> Iterator[Event]:
        """Give nothing more."""
        return iter(())


class HermesReader:
    """Calls between marks; one newline beside a mark is the format's own."""

    def __init__(self) -> None:
        """Begin in text."""
        self._calls = _Objects(outer=0)
        self._inside = False
        self._held = ""
        self._after_call = False

    @property
    def begun(self) -> int:
        """How many calls have begun."""
        return self._calls.begun

    def read(self, token: Token) -> Iterator[Event]:
        """Give what a token tells; a newline waits for what follows it."""
        if token.mark:
            self._inside = token.text == OPEN
            self._after_call = not self._inside
            self._held = ""
        elif self._inside:
            yield from self._calls.read(token.text)
        else:
            text = token.text
            if self._after_call:
                text = text.removeprefix("\n")
                self._after_call = False
            text = self._held + text
            self._held = "\n" if text.endswith("\n") else ""
            if said := text.removesuffix("\n"):
                yield Content(said)

    def end(self) -> Iterator[Event]:
        """Give the newline that no mark followed."""
        if self._held:
            yield Content(self._held)


class MistralReader:
    """Text, then an array of calls behind each mark."""

    def __init__(self) -> None:
        """Begin in text."""
        self._calls = _Objects(outer=1)
        self._at: _Place | None = None

    @property
    def begun(self) -> int:
        """How many calls have begun."""
        return self._calls.begun

    def read(self, token: Token) -> Iterator[Event]:
        """Give what a token tells; behind its array all is text."""
        if token.mark:
            self._at = _Place()
            return
        array, text = self._at.divide(token.text) if self._at else ("", token.text)
        yield from self._calls.read(array)
        if text:
            yield Content(text)

    def end(self) -> Iterator[Event]:
        """Give nothing more."""
        return iter(())


class MistralV11Reader:
    """Text, then calls as mark, name, mark, arguments."""

    def __init__(self) -> None:
        """Begin in text."""
        self._part = ""
        self._call = -1
        self._name = ""
        self._id = ""
        self._at = _Place()

    @property
    def begun(self) -> int:
        """How many calls have begun."""
        return self._call + 1

    def read(self, token: Token) -> Iterator[Event]:
        """Give what a token tells; a name waits until it is whole."""
        if token.mark:
            self._part = token.text
            if token.text == CALLS:
                self._call += 1
                self._name = self._id = ""
            elif token.text == ARGS:
                yield from self._open()
        elif self._part == CALLS:
            name, brace, rest = token.text.partition("{")
            self._name += name
            if brace:  # some models leave the mark out
                self._part = ARGS
                yield from self._open()
                yield from self._value(brace + rest)
        elif self._part == CALL_ID:
            self._id += token.text
        elif self._part == ARGS:
            yield from self._value(token.text)
        else:
            yield Content(token.text)

    def _open(self) -> Iterator[Event]:
        self._at = _Place()
        yield Header(self._call, self._name, self._id or None)

    def _value(self, text: str) -> Iterator[Event]:
        value, behind = self._at.divide(text)
        if value:
            yield Arguments(self._call, value)
        if behind:
            yield Content(behind)

    def end(self) -> Iterator[Event]:
        """Give nothing more."""
        return iter(())


@dataclass(slots=True)
class _Place:
    """A place in JSON text."""

    depth: int = 0
    quoted: bool = False
    escaped: bool = False
    closed: bool = False
    """A whole object or array lies behind."""
    left: bool = False
    """So does the white space after it."""

    def divide(self, text: str) -> tuple[str, str]:
        """Go on; give what belongs to the first value and what follows it, space around aside."""
        value = behind = ""
        for sign in text:
            if not self.closed:
                value += sign if self.step(sign) else ""
            elif self.left or not sign.isspace():
                self.left = True
                behind += sign
        return value, behind

    def step(self, sign: str) -> bool:
        """Go on by one character; tell whether it is part of a value, not space around it."""
        outside = self.depth == 0 and not self.quoted
        if self.quoted:
            self.quoted = sign != '"' or self.escaped
            self.escaped = sign == "\\" and not self.escaped
        elif sign == '"':
            self.quoted = True
        elif sign in "{[":
            self.depth += 1
        elif sign in "}]":
            self.depth -= 1
            self.closed = self.depth == 0
        return not (outside and sign.isspace())


class _Objects:
    """Calls as objects with `name` and `arguments`, in any order."""

    def __init__(self, outer: int) -> None:
        """Take the depth at which the objects lie."""
        self._outer = outer
        self._at = _Place()
        self._call = -1
        self._key: str | None = None
        self._text = ""
        self._name: str | None = None
        self._told = False
        self._arguments = ""

    @property
    def begun(self) -> int:
        """How many calls have begun."""
        return self._call + 1

    def read(self, text: str) -> Iterator[Event]:
        """Give what more text tells."""
        for sign in text:
            depth, quoted = self._at.depth - self._outer, self._at.quoted
            self._at.step(sign)
            if depth < 1:
                if sign == "{":
                    self._begin()
            elif depth == 1 and not quoted and sign in ":,}":
                self._turn(sign)
                if sign == "}":
                    yield from self._news()
            elif depth > 1 or quoted or not sign.isspace():
                self._take(sign)
        yield from self._news()

    def _begin(self) -> None:
        self._call += 1
        self._key = self._name = None
        self._text = self._arguments = ""
        self._told = False

    def _turn(self, sign: str) -> None:
        """Go from a key to its value, or from a value to the next key."""
        if sign == ":":
            self._key = json.loads(self._text)
        else:
            if self._key == "name":
                self._name = json.loads(self._text)
            self._key = None
        self._text = ""

    def _take(self, sign: str) -> None:
        if self._key == "arguments":
            self._arguments += sign
        else:
            self._text += sign

    def _news(self) -> Iterator[Event]:
        if self._name is None:
            return
        if not self._told:
            yield Header(self._call, self._name)
            self._told = True
        if self._arguments:
            yield Arguments(self._call, self._arguments)
            self._arguments = ""


def makes_sense(reader: Reader, tokens: Sequence[Token]) -> bool:
    """Whether a reader finds whole calls behind all marks that begin some, and nothing half."""
    events: list[Event] = []
    try:
        for token in tokens:
            events += reader.read(token)
    except ValueError:
        return False
    names = {event.call: event.name for event in events if isinstance(event, Header)}
    arguments = dict.fromkeys(names, "")
    for event in events:
        if isinstance(event, Arguments):
            arguments[event.call] += event.text
    marks = sum(token.mark and token.text in (OPEN, CALLS) for token in tokens)
    whole = all(names.values()) and all(map(_is_object, arguments.values()))
    return len(names) == reader.begun >= marks and whole


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


READERS: dict[str, Callable[[], Reader]] = {
    "hermes": HermesReader,
    "mistral": MistralReader,
    "mistral-v11": MistralV11Reader,
}
"""A reader for each format."""
