"""Read calls out of tokens as they come, sending on at once what can no longer become a mark.

The text is known to be of the format, or to be the beginning of such a text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
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

    def read(self, token: Token) -> Iterator[Event]:
        """Give what a token tells."""
        ...

    def end(self) -> Iterator[Event]:
        """Give what was held back until the end."""
        ...


class PlainReader:
    """All is text: there is no parser, or the text is not of its format."""

    def read(self, token: Token) -> Iterator[Event]:
        """Give the token."""
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
    """Text, then one array of calls."""

    def __init__(self) -> None:
        """Begin in text."""
        self._calls = _Objects(outer=1)
        self._inside = False

    def read(self, token: Token) -> Iterator[Event]:
        """Give what a token tells."""
        if token.mark:
            self._inside = True
        elif self._inside:
            yield from self._calls.read(token.text)
        else:
            yield Content(token.text)

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

    def read(self, token: Token) -> Iterator[Event]:
        """Give what a token tells; a name waits until it is whole."""
        if token.mark:
            self._part = token.text
            if token.text == CALLS:
                self._call += 1
                self._name = self._id = ""
            elif token.text == ARGS:
                self._at = _Place()
                yield Header(self._call, self._name, self._id or None)
        elif self._part == CALLS:
            self._name += token.text
        elif self._part == CALL_ID:
            self._id += token.text
        elif self._part == ARGS:
            inner = "".join(sign for sign in token.text if self._at.step(sign))
            if inner:
                yield Arguments(self._call, inner)
        else:
            yield Content(token.text)

    def end(self) -> Iterator[Event]:
        """Give nothing more."""
        return iter(())


@dataclass(slots=True)
class _Place:
    """A place in JSON text."""

    depth: int = 0
    quoted: bool = False
    escaped: bool = False

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


READERS: dict[str, Callable[[], Reader]] = {
    "hermes": HermesReader,
    "mistral": MistralReader,
    "mistral-v11": MistralV11Reader,
}
"""A reader for each format."""
