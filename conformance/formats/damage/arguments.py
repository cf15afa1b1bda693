"""Damages of arguments; where several calls are meant, the first one is damaged."""

from __future__ import annotations

import json
from collections.abc import Callable

from conformance.base.jsonvalue import Json
from conformance.formats.damage.damage import (
    Says,
    calls_of,
    damage,
    damage_with,
    unlike,
    value_of,
    with_first,
    written,
)
from conformance.formats.format import Format
from conformance.formats.problem import Inexpressible


def _changed(says: Says, format: Format, change: Callable[[str], str], otherwise: str) -> str:
    """Write the first call with other arguments."""
    sound = calls_of(says)[0].arguments
    return written(with_first(says, arguments=unlike(change(sound), sound, otherwise)), format)


def _fields(says: Says) -> dict[str, Json]:
    found = value_of(calls_of(says)[0].arguments)
    if not isinstance(found, dict) or not found:
        raise Inexpressible("There are no arguments.")
    return found


@damage
def trailing_comma(says: Says, format: Format) -> str:
    """A comma stands after the last argument."""
    return _changed(says, format, lambda text: f"{text[:-1]},}}", "There are no arguments.")


@damage
def bare_words(says: Says, format: Format) -> str:
    """Strings have no quotes, and true is True."""
    fields = [
        f"{json.dumps(key, ensure_ascii=False)}: {value}" for key, value in _fields(says).items()
    ]
    return _changed(says, format, lambda _: f"{{{', '.join(fields)}}}", "No argument is a word.")


@damage
def not_a_number(says: Says, format: Format) -> str:
    """Each number is NaN."""
    fields = {
        key: float("nan")
        if isinstance(value, int | float) and not isinstance(value, bool)
        else value
        for key, value in _fields(says).items()
    }
    text = json.dumps(fields, ensure_ascii=False)
    return _changed(says, format, lambda _: text, "No argument is a number.")


def _not_a_number(value: Json) -> Json:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float("nan") if is_number else value


@damage
def raw_line_break(says: Says, format: Format) -> str:
    """A line break stands in a string as it is."""
    return _changed(says, format, lambda text: text.replace("\\n", "\n"), "No line breaks.")


@damage
def unknown_escape(says: Says, format: Format) -> str:
    """A backslash stands in a string without another before it."""
    return _changed(says, format, lambda text: text.replace("\\\\", "\\"), "There is no backslash.")


@damage
def unescaped_quotes(says: Says, format: Format) -> str:
    """Quotes stand in a string without a backslash."""
    return _changed(says, format, lambda text: text.replace('\\"', '"'), "No string has quotes.")


@damage
def null_arguments(says: Says, format: Format) -> str:
    """The arguments are null."""
    return _changed(says, format, lambda _: "null", "The arguments are null.")


@damage
def arguments_in_a_string(says: Says, format: Format) -> str:
    """The arguments are a string that holds the object."""
    return _changed(says, format, lambda text: json.dumps(text, ensure_ascii=False), "They are.")


@damage
def arguments_in_a_list(says: Says, format: Format) -> str:
    """The arguments are a list, without their names; a lone list stands as it is."""
    values = [*_fields(says).values()]
    lone = len(values) == 1 and isinstance(values[0], list)
    listed = json.dumps(values[0] if lone else values, ensure_ascii=False)
    return _changed(says, format, lambda _: listed, "They are.")


@damage_with
def other_arguments(says: Says, format: Format, word: str) -> str:
    """The arguments are another text, which may be broken."""
    return _changed(says, format, lambda _: word, "They are not another text.")


@damage_with
def other_name(says: Says, format: Format, word: str) -> str:
    """The name is another, which may be no tool's."""
    return written(with_first(says, name=word), format)
