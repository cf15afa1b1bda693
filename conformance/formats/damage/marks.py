"""Damages of marks: too many, too few, around something else, in prose."""

from __future__ import annotations

import json

from conformance.formats.damage.damage import (
    Says,
    body_of,
    calls_of,
    damage,
    damage_with,
    framed,
    object_of,
    unlike,
    words_of,
    written,
)
from conformance.formats.format import Format
from conformance.formats.jsontext import write_call
from conformance.formats.problem import Inexpressible
from conformance.terms.said import Call, Text


def _mark(format: Format) -> str:
    if not format.mark:
        raise Inexpressible("No mark begins a call.")
    return format.mark


def _two(says: Says) -> list[Call]:
    calls = calls_of(says)
    if len(calls) == 1:
        raise Inexpressible("There is one call.")
    return calls


@damage
def words_between_marks(says: Says, format: Format) -> str:
    """Words stand where a call belongs."""
    return framed(words_of(says), format)


@damage
def string_between_marks(says: Says, format: Format) -> str:
    """A JSON string stands where a call belongs."""
    said = json.dumps(words_of(says), ensure_ascii=False)
    return framed(f"[{said}]" if format.frame.listed else said, format)


@damage
def nothing_between_marks(says: Says, format: Format) -> str:
    """Nothing stands where a call belongs: an empty list, or a call without name and arguments."""
    if format.frame.listed:
        return framed("[]", format)
    if format.frame.end:
        return f"{format.frame.begin.rstrip()}{format.frame.end}"
    return written([Call(name="", arguments="{}")], format)


@damage
def mark_alone(says: Says, format: Format) -> str:
    """The mark of a call stands after the words, and the model ends."""
    return f"{words_of(says)}{_mark(format)}"


@damage
def mark_twice(says: Says, format: Format) -> str:
    """The mark of the first call is there twice."""
    mark = _mark(format)
    return written(says, format).replace(mark, f"{mark}{format.frame.line}{mark}", 1)


@damage
def end_mark_alone(says: Says, format: Format) -> str:
    """A mark that begins no call stands between two texts."""
    texts = [item.text for item in says if isinstance(item, Text)]
    marks = [*format.marks]
    if len(marks) < 2:
        raise Inexpressible("There is one mark only.")
    if len(texts) != 2:
        raise Inexpressible("There is nothing to stand between.")
    line = format.frame.line
    return f"{texts[0]}{line}{marks[1]}{line}{texts[1]}"


@damage
def mark_in_prose(says: Says, format: Format) -> str:
    """The mark of a call is a word between two texts."""
    texts = [item.text for item in says if isinstance(item, Text)]
    if len(texts) != 2:
        raise Inexpressible("There is nothing to stand between.")
    return f"{texts[0]} {_mark(format)} {texts[1]}"


@damage
def optional_mark_missing(says: Says, format: Format) -> str:
    """A mark is left out that some models leave out."""
    sound = text = written(says, format)
    for mark in format.optional:
        text = text.replace(mark, "", 1)
    return unlike(text, sound, "There is no such mark.")


@damage
def two_calls_in_one_mark(says: Says, format: Format) -> str:
    """All calls stand after one mark, where each needs one or a list is needed."""
    return framed(format.frame.space.join(body_of(call, format) for call in _two(says)), format)


@damage
def two_marks(says: Says, format: Format) -> str:
    """Each call has a mark, where one mark begins them all."""
    if not format.frame.listed:
        raise Inexpressible("Every call has a mark of its own.")
    return "\n\n".join(written([call], format) for call in _two(says))


@damage
def comma_missing_between_calls(says: Says, format: Format) -> str:
    """Nothing but white space stands between the calls of a list."""
    if not format.frame.listed:
        raise Inexpressible("Nothing stands between calls.")
    return framed(f"[{' '.join(object_of(call, format) for call in _two(says))}]", format)


@damage_with
def in_foreign_marks(says: Says, format: Format, word: str) -> str:
    """The call is an object in another family's marks, which stand around `{}` in the word."""
    if any(mark in word for mark in format.marks):
        raise Inexpressible("The marks are its own.")
    return word.replace("{}", write_call(calls_of(says)[0]))
