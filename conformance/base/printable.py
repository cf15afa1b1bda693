"""Text from any source, made safe to print: visible, inert, cut or wrapped."""

from __future__ import annotations

import re
import textwrap

MAX_LINE_CHARACTERS = 4_000
"""More of a printed line is left out. A command to copy is long; a flood is longer."""

_ROOM = 40
"""For the words that say how much is left out, so that a line which was cut is not cut again."""

ORDER = re.compile(r"^( *):(?=:)|#(?=#\w*\[)", re.MULTILINE)
"""What makes a line of a log an order to GitHub, Azure or TeamCity: `::error::`, `##vso[`."""


def visible(text: str, keep: str = "") -> str:
    """Escape what a reader cannot see and what a terminal or browser would obey.

    These are control characters, bidi controls, odd spaces and lone surrogates. Characters in
    `keep` stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else _escape(one) for one in text)


def cut(text: str, limit: int) -> str:
    """Leave out the middle of a long text, and say how many characters are missing."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]} […{len(text) - 2 * half:,} characters…] {text[-half:]}"


def line(text: str, limit: int = MAX_LINE_CHARACTERS) -> str:
    """Write any text as one line that is visible, not too long, and no order to a CI system."""
    inert = ORDER.sub(lambda found: f"{found[1] or ''}{_escape(found[0][-1])}", visible(text))
    return inert if len(inert) <= limit else cut(inert, limit - _ROOM)


def block(text: str) -> str:
    """Write a text of several lines, each as `line` does.

    What is foreign in it must be one line already, or it could pass for lines of ours.
    """
    return "\n".join(map(line, text.split("\n")))


def counted(number: int, thing: str, things: str | None = None) -> str:
    """Count things in words: `1 file`, `2 files`, `1,000 entries`."""
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"


def wrapped(text: str, width: int, *, first: str = "", rest: str = "") -> list[str]:
    """Wrap a text at spaces only; `first` indents the first line, and `rest` all others."""
    rows = textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )
    return [line(row) for row in rows]


def _escape(one: str) -> str:
    code = ord(one)
    named = {9: "\\t", 10: "\\n", 13: "\\r"}.get(code)
    if named:
        return named
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )
