"""Whether a format's reader understands a text, and a reader for where it does not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from conformance.formats.format import Format
from conformance.formats.stream import Arguments, Content, Event, Header, Token


class PlainReader:
    """Takes everything as text: there are marks, but what they enclose is not a call."""

    begun = 0

    def read(self, token: Token) -> Iterator[Event]:
        """Give a token that is not a mark."""
        if not token.mark:
            yield Content(token.text)

    def end(self) -> Iterator[Event]:
        """Give nothing more."""
        return iter(())


def makes_sense(format: Format, tokens: Sequence[Token]) -> bool:
    """Whether a format's reader finds whole calls after all marks that begin one."""
    reader = format.reader()
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
    marks = sum(token.mark and token.text == format.mark for token in tokens)
    whole = all(names.values()) and all(map(_is_object, arguments.values()))
    return len(names) == reader.begun >= marks and whole


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
