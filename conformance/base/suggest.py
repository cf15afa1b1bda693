"""Suggestions for misspelt words, and lists of what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from conformance.base.printable import line

MAX_LISTED = 60
"""Of more names the rest is counted: a server may serve thousands of models."""
MAX_NAME_CHARACTERS = 120


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Suggest the nearest allowed word, then list what is allowed."""
    names = sorted(allowed)
    near = get_close_matches(word, names, n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + f"allowed: {listed(names)}"


def listed(names: Iterable[str]) -> str:
    """List names in a line; `none` if there is none."""
    every = [line(name, MAX_NAME_CHARACTERS) for name in names]
    more = len(every) - MAX_LISTED
    shown = ", ".join(every[:MAX_LISTED]) or "none"
    return f"{shown} and {more:,} more" if more > 0 else shown
