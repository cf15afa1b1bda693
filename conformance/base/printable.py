"""Text of any origin as text that can be seen and does nothing."""

from __future__ import annotations


def visible(text: str, keep: str = "") -> str:
    """Write what a reader cannot see, or a terminal or browser would obey, as escapes.

    That is control characters, bidi controls, odd spaces and lone surrogates; `keep` stays.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else _escape(one) for one in text)


def cut(text: str, limit: int) -> str:
    """Leave out the middle of a long text, and say how much."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]} […{len(text) - 2 * half:,} characters…] {text[-half:]}"


def _escape(one: str) -> str:
    code = ord(one)
    named = {9: "\\t", 10: "\\n", 13: "\\r"}.get(code)
    if named:
        return named
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )
