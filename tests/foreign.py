"""Text as a hostile server or file would choose it, and what must hold wherever it is shown."""

from __future__ import annotations

import re

from hypothesis import strategies as st

NASTY = (
    "\x1b[2J\x1b]0;owned\x07",
    "\u202eevil\u2066",
    "\n::error::forged",
    "\r::add-mask::a",
    " ::warning::forged",
    "##[error]forged",
    "##vso[task.complete result=Succeeded]",
    "\nFORGED 1 passed",
    "\u2028FORGED\x85FORGED",
    "\ud800",
    "\x00\x08\x7f\x9b",
    "| </td> `x` [a](http://e) @everyone &#10;",
    "{}%s{{ 7 * 7 }}",
)

FOREIGN = st.one_of(
    st.sampled_from(NASTY),
    st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=20)), max_size=4).map("".join),
)
"""Any text, and rather often a nasty one."""

_ORDER = re.compile(r"^\s*::|##\w*\[", re.MULTILINE)


def is_inert(text: str) -> bool:
    """Whether a terminal, a CI system's log and a reader take a text for nothing but text."""
    return text.replace("\n", "").isprintable() and not _ORDER.search(text)
