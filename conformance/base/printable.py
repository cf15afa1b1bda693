"""Text from any source, made safe to print: visible, inert, cut or wrapped."""

from __future__ import annotations

import textwrap


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


def wrapped(text: str, width: int, *, first: str = "", rest: str = "") -> list[str]:
    """Wrap a text at spaces only; `first` indents the first line, and `rest` all others."""
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )


def _escape(one: str) -> str:
    code = ord(one)
    named = {9: "\\t", 10: "\\n", 13: "\\r"}.get(code)
    if named:
        return named
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )
