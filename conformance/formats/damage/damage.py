"""What a damage is, and what the damages share."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from conformance.base.jsonvalue import Json
from conformance.formats.format import Format, text_of
from conformance.formats.problem import Inexpressible
from conformance.terms.said import Call, Text, Utterance

Says = Sequence[Utterance]


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One way in which a model says something wrongly, or oddly."""

    name: str
    about: str
    takes: bool
    """It needs a word beside its name."""
    write: Callable[[Says, Format, str], str]
    """Write what was meant, damaged; raises `Inexpressible` where that makes no sense."""


DAMAGES: dict[str, Damage] = {}
"""Every damage by its name."""


def damage(write: Callable[[Says, Format], str]) -> Callable[[Says, Format], str]:
    """Enter a damage: the name is the function's, the first line of its docstring says what."""
    _enter(write, lambda says, format, word: write(says, format), takes=False)
    return write


def damage_with(write: Callable[[Says, Format, str], str]) -> Callable[[Says, Format, str], str]:
    """Enter a damage that needs a word beside its name."""
    _enter(write, write, takes=True)
    return write


def _enter(
    entered: Callable[..., str], write: Callable[[Says, Format, str], str], *, takes: bool
) -> None:
    name = entered.__name__.replace("_", "-")
    about = (entered.__doc__ or "").splitlines()[0]
    DAMAGES[name] = Damage(name=name, about=about, takes=takes, write=write)


def written(says: Says, format: Format) -> str:
    """Write what was meant as a sound model does."""
    return text_of(format.write(says))


def calls_of(says: Says) -> list[Call]:
    """Give the calls; raises `Inexpressible` where there are none."""
    calls = [item for item in says if isinstance(item, Call)]
    if not calls:
        raise Inexpressible("No call is meant.")
    return calls


def words_of(says: Says) -> str:
    """Give the text beside calls."""
    return "".join(item.text for item in says if isinstance(item, Text))


def with_first(says: Says, **changed: str) -> list[Utterance]:
    """Change the first call."""
    first = calls_of(says)[0]
    place = next(place for place, item in enumerate(says) if item is first)
    return [*says[:place], replace(first, **changed), *says[place + 1 :]]


def framed(body: str, format: Format) -> str:
    """Put a call's own text between the marks."""
    return f"{format.frame.begin}{body}{format.frame.end}"


def body_of(call: Call, format: Format) -> str:
    """Give a call's own text, without what stands around it."""
    if format.frame.keys is not None:
        return object_of(call, format)
    return written([call], format).removeprefix(format.frame.begin).removesuffix(format.frame.end)


def object_of(call: Call, format: Format, otherwise: str = "A call is no object there.") -> str:
    """Give a call's object; raises `Inexpressible`, and says why, where it is none."""
    keys = format.frame.keys
    text = written([call], format)
    if keys is not None:
        start = text.find("{", len(format.frame.begin))
        whole = text[start : text.rindex("}") + 1]
        if start >= 0:
            return whole
    raise Inexpressible(otherwise)


def value_of(text: str) -> Json:
    """Read JSON; raises `Inexpressible` where that is not possible."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Inexpressible("Its arguments cannot be read.") from None


def part(text: str, place: int, otherwise: str) -> str:
    """Cut a text at a place that was looked for; raises `Inexpressible` if it was not found."""
    if place < 0:
        raise Inexpressible(otherwise)
    return text[:place]


def unlike(text: str, sound: str, otherwise: str) -> str:
    """Give a text if it is damaged; raises `Inexpressible` if it is as sound as before."""
    if text == sound:
        raise Inexpressible(otherwise)
    return text
