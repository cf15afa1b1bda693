"""Odd spellings of a sound call: other white space, a fence of code, text right beside it."""

from __future__ import annotations

import json
from collections.abc import Callable

from conformance.base.jsonvalue import Json
from conformance.formats.damage.damage import (
    Says,
    calls_of,
    damage,
    framed,
    object_of,
    value_of,
    with_first,
    words_of,
    written,
)
from conformance.formats.format import Format
from conformance.formats.problem import Inexpressible
from conformance.terms.said import Call

Spell = Callable[[Json], str]
"""How JSON is spelled."""


def _compact(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _spaced(value: Json) -> str:
    if isinstance(value, dict) and value:
        fields = (f"{json.dumps(key)} : {_spaced(item)}" for key, item in value.items())
        return f"{{ {' , '.join(fields)} }}"
    if isinstance(value, list) and value:
        return f"[ {' , '.join(map(_spaced, value))} ]"
    return json.dumps(value, ensure_ascii=False)


def _indented(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _tabbed(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",\r\n", ":\t"))


def _bodies(says: Says, format: Format) -> list[Json]:
    """Give what stands between the marks, where that is JSON; each member has marks of its own."""
    objects = [value_of(object_of(call, format)) for call in calls_of(says)]
    return [objects] if format.frame.listed else objects


def _respelled(says: Says, format: Format, spell: Spell) -> str:
    """Write calls whose arguments alone are JSON."""
    calls = [
        Call(name=call.name, arguments=spell(value_of(call.arguments))) for call in calls_of(says)
    ]
    return written(calls, format)


@damage
def compact(says: Says, format: Format) -> str:
    """No white space stands anywhere in the calls or around them."""
    if format.frame.keys is None:
        return _respelled(says, format, _compact)
    begin, end = format.frame.begin.rstrip(), format.frame.end.lstrip()
    return "".join(f"{begin}{_compact(body)}{end}" for body in _bodies(says, format))


@damage
def spaced(says: Says, format: Format) -> str:
    """Spaces stand on both sides of everything, except before an end mark."""
    if format.frame.keys is None:
        return _respelled(says, format, lambda value: f" {_spaced(value)} ")
    after = "" if format.frame.end else " "
    return "\n".join(framed(f" {_spaced(body)}{after}", format) for body in _bodies(says, format))


@damage
def indented(says: Says, format: Format) -> str:
    """JSON is indented, and a line break ends the answer."""
    if format.frame.keys is None:
        return _respelled(says, format, _indented) + "\n"
    begin, end = format.frame.begin.rstrip(), format.frame.end
    return "".join(f"{begin}\n{_indented(body)}{end}\n" for body in _bodies(says, format))


@damage
def windows_lines(says: Says, format: Format) -> str:
    """Lines end as on Windows, and tabs stand where spaces do."""
    if format.frame.keys is None:
        return _respelled(
            says,
            format,
            lambda value: json.dumps(
                value, ensure_ascii=False, indent="\t", separators=(",", ":\t")
            ).replace("\n", "\r\n"),
        )
    begin, end = format.frame.begin.rstrip(), format.frame.end.lstrip()
    return "".join(f"{begin}\r\n{_tabbed(body)}\r\n{end}" for body in _bodies(says, format))


@damage
def lines_between(says: Says, format: Format) -> str:
    """Empty lines stand between the calls."""
    calls = calls_of(says)
    if format.frame.listed:
        objects = "\n,\n\n".join(object_of(call, format) for call in calls)
        return framed(f"[\n{objects}\n]", format)
    return "\n\n\n".join(written([call], format) for call in calls)


@damage
def fenced(says: Says, format: Format) -> str:
    """The JSON of the call stands in a fence of code."""
    if format.frame.keys is None:
        first = calls_of(says)[0].arguments
        return written(with_first(says, arguments=f"\n```json\n{first}\n```"), format)
    objects = ", ".join(object_of(call, format) for call in calls_of(says))
    body = f"[{objects}]" if format.frame.listed else objects
    return f"{format.frame.begin.rstrip()}\n```json\n{body}\n```{format.frame.end}"


@damage
def right_before_the_mark(says: Says, format: Format) -> str:
    """The text stands right before the first call."""
    return words_of(says) + written(calls_of(says), format)


@damage
def text_after(says: Says, format: Format) -> str:
    """Text stands after the last call, whether the format has a place for it or not."""
    words, space = words_of(says), format.frame.space
    if not words:
        raise Inexpressible("There is no text.")
    return written(calls_of(says), format) + ("" if words.isspace() else space) + words


@damage
def as_it_is(says: Says, format: Format) -> str:
    """All is sound; the case itself says what is expected, and nothing is derived."""
    return written(says, format)
