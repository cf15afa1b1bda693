"""Levels, findings and outcomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Level(StrEnum):
    """How much a rule demands."""

    MUST = "must"
    SHOULD = "should"
    INFO = "info"


Place = tuple[str, ...]
"""A part of an answer, from the whole inwards: `("choice 0", "call 1")`. `()` is all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule broken at a place."""

    where: str
    """Stable words: `chunk 4 choices[0].delta.tool_calls[0].function.name`."""
    expected: str
    actual: str
    chunk: int | None = None
    """Number of the offending event, from 0."""
    place: Place = field(default=(), compare=False)
    """Which part it is about; a rule yields to another where their parts overlap."""


def brief(value: object) -> str:
    """Show a value in a finding: long ones are cut."""
    return repr(value)[:80]


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A rule reports that the answer does not let it decide, and why."""

    reason: str


class Outcome(StrEnum):
    """What became of a rule in an item, or of an item."""

    PASS = "pass"
    FAIL = "fail"
    KNOWN = "known"
    """Broken by a fault that is listed, or that the baseline has too."""
    POLICY = "policy"
    """Broken by nothing but policies: what the implementation demands or does on purpose."""
    STALE = "stale"
    INCONCLUSIVE = "inconclusive"
    NA = "n/a"
    ERROR = "error"
