"""Read calls out of tokens as they come, sending on at once what can no longer become a mark.

Each family's reader takes what its models are known to write beside their own form: other keys,
text after a call, a mark that is left out. This module has what the readers share.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Token:
    """What a model says in one step."""

    text: str
    mark: bool = False
    """A token of the format's own, not text that looks like one."""


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
        """Give what a token says."""
        ...

    def end(self) -> Iterator[Event]:
        """Give what was held back until the end."""
        ...


@dataclass(slots=True)
class Place:
    """A place in JSON text."""

    depth: int = 0
    quoted: bool = False
    escaped: bool = False
    closed: bool = False
    """A whole object or array has been read."""
    left: bool = False
    """The white space after it has been read too."""

    def divide(self, text: str) -> tuple[str, str]:
        """Read on; give the rest of the first value, and what follows it without white space."""
        value = after = ""
        for character in text:
            if not self.closed:
                value += character if self.step(character) else ""
            elif self.left or not character.isspace():
                self.left = True
                after += character
        return value, after

    def step(self, character: str) -> bool:
        """Read one more character; say whether it is part of a value, not space around it."""
        outside = self.depth == 0 and not self.quoted
        if self.quoted:
            self.quoted = character != '"' or self.escaped
            self.escaped = character == "\\" and not self.escaped
        elif character == '"':
            self.quoted = True
        elif character in "{[":
            self.depth += 1
        elif character in "}]":
            self.depth -= 1
            self.closed = self.depth == 0
        return not (outside and character.isspace())


class Objects:
    """Calls as objects with `name` and `arguments`, in any order."""

    def __init__(self, outer: int) -> None:
        """Take the depth at which the objects lie."""
        self._outer = outer
        self._at = Place()
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
        """Read more text; give its events."""
        for character in text:
            depth, quoted = self._at.depth - self._outer, self._at.quoted
            self._at.step(character)
            if depth < 1:
                if character == "{":
                    self._begin()
            elif depth == 1 and not quoted and character in ":,}":
                self._turn(character)
                if character == "}":
                    yield from self._news()
            elif depth > 1 or quoted or not character.isspace():
                self._take(character)
        yield from self._news()

    def _begin(self) -> None:
        self._call += 1
        self._key = self._name = None
        self._text = self._arguments = ""
        self._told = False

    def _turn(self, character: str) -> None:
        """Go from a key to its value, or from a value to the next key."""
        if character == ":":
            self._key = json.loads(self._text)
        else:
            if self._key == "name":
                self._name = json.loads(self._text)
            self._key = None
        self._text = ""

    def _take(self, character: str) -> None:
        if self._key == "arguments":
            self._arguments += character
        else:
            self._text += character

    def _news(self) -> Iterator[Event]:
        if self._name is None:
            return
        if not self._told:
            yield Header(self._call, self._name)
            self._told = True
        if self._arguments:
            yield Arguments(self._call, self._arguments)
            self._arguments = ""
