"""Damages of the object that a call is: keys that are missing, doubled, others, or elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable

from conformance.formats.damage.damage import (
    Says,
    calls_of,
    damage,
    damage_with,
    framed,
    object_of,
    part,
    unlike,
    with_first,
    written,
)
from conformance.formats.format import Format
from conformance.formats.problem import Inexpressible
from conformance.terms.said import Call

ID = "call_00001"
"""An id where any will do."""

NO_OTHER_PARTS = "A call has no other parts."


def _reworded(says: Says, format: Format, otherwise: str, reword: Callable[[str, str], str]) -> str:
    """Write each call's object anew, given its members for the name and for the arguments."""
    text, at = written(says, format), 0
    for call in calls_of(says):
        whole = object_of(call, format, otherwise)
        at = text.find(whole, at)
        if at < 0:
            raise Inexpressible(otherwise)
        name, arguments = _members(call, format)
        new = f"{{{reword(name, arguments)}}}"
        text = text[:at] + new + text[at + len(whole) :]
        at += len(new)
    return text


def _members(call: Call, format: Format) -> tuple[str, str]:
    label, key = format.frame.keys or ("name", "arguments")
    name = json.dumps(call.name, ensure_ascii=False)
    return f'"{label}": {name}', f'"{key}": {call.arguments}'


def _id(format: Format) -> str:
    return format.ids.example if format.ids else ID


@damage
def arguments_first(says: Says, format: Format) -> str:
    """The arguments stand before the name."""
    why = "The name always comes first."
    return _reworded(says, format, why, lambda name, arguments: f"{arguments}, {name}")


@damage
def other_keys_before(says: Says, format: Format) -> str:
    """An id and a type stand before the name."""
    before = f'"id": "{_id(format)}", "type": "function"'
    return _reworded(
        says, format, NO_OTHER_PARTS, lambda name, arguments: f"{before}, {name}, {arguments}"
    )


@damage
def other_key_after(says: Says, format: Format) -> str:
    """An id stands after the arguments."""
    after = f'"id": "{_id(format)}"'
    return _reworded(
        says, format, NO_OTHER_PARTS, lambda name, arguments: f"{name}, {arguments}, {after}"
    )


@damage
def other_key_between(says: Says, format: Format) -> str:
    """An object that looks like a call stands between name and arguments."""
    other = '"meta": {"name": "plan", "arguments": {}}'
    return _reworded(
        says, format, NO_OTHER_PARTS, lambda name, arguments: f"{name}, {other}, {arguments}"
    )


@damage
def call_id(says: Says, format: Format) -> str:
    """The first call has an id, as the format writes it."""
    return unlike(
        written(with_first(says, id=_id(format)), format),
        written(says, format),
        "Its models give no ids.",
    )


@damage
def colon_missing(says: Says, format: Format) -> str:
    """No colon stands after the key of the name."""
    return _reworded(
        says,
        format,
        "The name has no key.",
        lambda name, arguments: f"{name.replace(':', '', 1)}, {arguments}",
    )


@damage
def parameters(says: Says, format: Format) -> str:
    """The arguments have another key: parameters, or arguments where that is the format's."""
    _, key = format.frame.keys or ("", "")
    other = "arguments" if key == "parameters" else "parameters"
    return _reworded(
        says,
        format,
        "Arguments have no key.",
        lambda name, arguments: f"{name}, {arguments.replace(key, other, 1)}",
    )


@damage
def no_arguments_key(says: Says, format: Format) -> str:
    """The call ends after the name."""
    if format.frame.keys is not None:
        return _reworded(says, format, "", lambda name, arguments: name)
    name, text = calls_of(says)[-1].name, written(says, format)
    place = text.rfind(name)
    before = part(text, place + len(name) if place >= 0 else -1, "The name is not written so.")
    return before + format.frame.end


@damage
def no_arguments_text(says: Says, format: Format) -> str:
    """The arguments are an empty text."""
    empty = '""' if format.frame.keys else ""
    return written(with_first(says, arguments=empty), format)


@damage_with
def second_name(says: Says, format: Format, word: str) -> str:
    """Another name stands before the name, under the same key."""
    first = json.dumps(word, ensure_ascii=False)
    return _reworded(
        says,
        format,
        "A name has no key.",
        lambda name, arguments: f"{name.partition(': ')[0]}: {first}, {name}, {arguments}",
    )


@damage
def escaped_name(says: Says, format: Format) -> str:
    """The name's underscores are written as JSON escapes."""
    text = _reworded(
        says,
        format,
        "Names are not JSON there.",
        lambda name, arguments: f"{_escaped(name)}, {arguments}",
    )
    return unlike(text, written(says, format), "The name has no underscore.")


def _escaped(member: str) -> str:
    key, colon, name = member.partition(": ")
    return f"{key}{colon}{name.replace('_', chr(92) + 'u005f')}"


@damage
def wrapped_in_function(says: Says, format: Format) -> str:
    """The call stands in another object, as in the API."""
    return _reworded(
        says,
        format,
        "A call is no object there.",
        lambda name, arguments: f'"type": "function", "function": {{{name}, {arguments}}}',
    )


@damage
def list_and_object_swapped(says: Says, format: Format) -> str:
    """A list stands where the format has an object, or an object where it has a list."""
    text = ", ".join(object_of(call, format) for call in calls_of(says))
    return framed(text if format.frame.listed else f"[{text}]", format)
