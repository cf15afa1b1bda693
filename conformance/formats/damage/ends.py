"""Damages at the end of a call: it breaks off, or a bracket is missing or too many."""

from __future__ import annotations

from conformance.formats.damage.damage import (
    Says,
    calls_of,
    damage,
    part,
    unlike,
    value_of,
    written,
)
from conformance.formats.format import Format
from conformance.formats.problem import Inexpressible


def _core(says: Says, format: Format) -> str:
    """Write all but what ends the last call."""
    calls_of(says)
    return written(says, format).removesuffix(format.frame.end)


def _last_string(says: Says) -> str:
    found = value_of(calls_of(says)[-1].arguments)
    last = [*found.values()][-1] if isinstance(found, dict) and found else None
    if not isinstance(last, str) or not last:
        raise Inexpressible("The last argument is no string.")
    return last


@damage
def ends_in_a_string(says: Says, format: Format) -> str:
    """The model stops before the end of the last argument's string."""
    last, text = _last_string(says), _core(says, format)
    place = text.rfind(last)
    return part(text, place + len(last) if place >= 0 else -1, "The string is not written so.")


@damage
def string_not_closed(says: Says, format: Format) -> str:
    """The last argument's string has no end, and the call's end follows."""
    return f"{ends_in_a_string(says, format)}{format.frame.end}"


@damage
def ends_in_the_name(says: Says, format: Format) -> str:
    """The model stops before the last word of the last call's name."""
    name, text = calls_of(says)[-1].name, _core(says, format)
    beginning, found, _ = name.rpartition("_")
    place = text.rfind(name) if found else -1
    return part(text, place + len(beginning) if place >= 0 else -1, "The name is one word.")


@damage
def ends_before_arguments(says: Says, format: Format) -> str:
    """The model stops before the last call's arguments."""
    text = _core(says, format)
    place = text.rfind(calls_of(says)[-1].arguments)
    return part(text, place, "The arguments are not written as JSON.")


@damage
def last_brace_missing(says: Says, format: Format) -> str:
    """The last brace of the last call is missing, with all that would follow it in a list."""
    text = _core(says, format)
    return part(text, text.rfind("}"), "No brace ends a call.") + format.frame.end


@damage
def last_bracket_missing(says: Says, format: Format) -> str:
    """The end of the list of calls is missing."""
    if not format.frame.listed:
        raise Inexpressible("There is no list.")
    return _core(says, format).removesuffix("]") + format.frame.end


@damage
def brace_too_many(says: Says, format: Format) -> str:
    """A brace stands after the last one of the last call."""
    text = _core(says, format)
    before = part(text, text.rfind("}"), "No brace ends a call.")
    return f"{before}}}{text[len(before) :]}{format.frame.end}"


@damage
def bracket_too_many(says: Says, format: Format) -> str:
    """A bracket stands after the last call."""
    return f"{_core(says, format)}]{format.frame.end}"


@damage
def single_quotes(says: Says, format: Format) -> str:
    """All quotes are single ones."""
    sound = written(says, format)
    return unlike(sound.replace('"', "'"), sound, "There are no quotes.")


@damage
def end_mark_missing(says: Says, format: Format) -> str:
    """No mark ends the last call."""
    return unlike(_core(says, format), written(says, format), "There is no end mark.")


@damage
def end_mark_missing_between(says: Says, format: Format) -> str:
    """No mark ends the first call."""
    if not format.frame.end:
        raise Inexpressible("There is no end mark.")
    if len(calls_of(says)) == 1:
        raise Inexpressible("There is one call.")
    return written(says, format).replace(format.frame.end, "", 1)
