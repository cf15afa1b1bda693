"""Server-sent events as they were sent: strict framing that reports and never repairs.

The format is WHATWG HTML, sections 9.2.5 and 9.2.6. Clients of Chat Completions read only a part
of it: one `data:` line for each event, then a blank line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LINE_ENDS = re.compile(rb"(\r\n|\n|\r)((?:\r\n|\n|\r)*+)")
"""A line's end, and all blank lines after it: a body may hold millions."""
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Read:
    """Bytes that arrived together."""

    at: float
    """Seconds since the request was sent."""
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One block of lines up to a blank line."""

    number: int
    """Counted from 0, without comments."""
    at: float
    """Seconds from the request until its blank line had arrived."""
    raw: bytes
    fields: tuple[tuple[str, str], ...]
    """Names and values in order; bytes that are not UTF-8 become U+FFFD."""
    data: str
    """The values of all `data` fields, joined by newlines."""
    data_lines: int
    """How many `data` fields there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A body, cut into events."""

    events: tuple[Event, ...]
    tail: bytes
    """The bytes after the last blank line: an event that never ended."""
    bom: bool
    line_ends: frozenset[bytes]
    bad_utf8: int | None
    """Offset of the first byte that is not UTF-8."""


def line_ends(body: bytes) -> int:
    """Count the characters that end lines; an event takes two at least."""
    return body.count(b"\n") + body.count(b"\r")


def read(reads: Sequence[Read]) -> Stream:
    """Cut a body into events; this accepts any bytes."""
    body = b"".join(piece.data for piece in reads)
    bom = body.startswith(BOM)
    start = len(BOM) if bom else 0
    events: list[Event] = []
    fields: list[tuple[str, str]] = []
    line_ends: set[bytes] = set()
    block_start = line_start = start
    clock = _Clock(reads)
    for end in _LINE_ENDS.finditer(body, start):
        line = body[line_start : end.start()]
        line_ends.add(end[1])
        if line and not line.startswith(b":"):
            fields.append(_field(line))
        if blanks := end[2]:
            line_ends.update(_kinds(blanks))
            if fields:
                raw = body[block_start : end.end(1)]
                blank_end = end.end(1) + (2 if blanks.startswith(b"\r\n") else 1)
                events.append(_event(len(events), clock.time_of(blank_end - 1), raw, fields))
                fields = []
        if blanks or not line:
            block_start = end.end()
        line_start = end.end()
    return Stream(
        events=tuple(events),
        tail=body[block_start:],
        bom=bom,
        line_ends=frozenset(line_ends),
        bad_utf8=_bad_utf8(body),
    )


class _Clock:
    """Say when a byte arrived; ask for offsets in rising order."""

    def __init__(self, reads: Sequence[Read]) -> None:
        self._reads = reads
        self._place = 0
        self._end = len(reads[0].data) if reads else 0

    def time_of(self, offset: int) -> float:
        while offset >= self._end:
            self._place += 1
            self._end += len(self._reads[self._place].data)
        return self._reads[self._place].at


def _kinds(line_ends: bytes) -> Sequence[bytes]:
    if len(line_ends) == 1:
        return (line_ends,)
    alone = line_ends.replace(b"\r\n", b"")
    kinds = [one for one in (b"\r", b"\n") if one in alone]
    return kinds if len(alone) == len(line_ends) else [*kinds, b"\r\n"]


def _event(number: int, at: float, raw: bytes, fields: Sequence[tuple[str, str]]) -> Event:
    data = [value for name, value in fields if name == "data"]
    return Event(
        number=number,
        at=at,
        raw=raw,
        fields=tuple(fields),
        data="\n".join(data),
        data_lines=len(data),
    )


def _field(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("utf-8", "replace").partition(":")
    return name, value.removeprefix(" ")


def _bad_utf8(body: bytes) -> int | None:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as problem:
        return problem.start
    return None
