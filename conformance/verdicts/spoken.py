"""What a sampled model said, read: which calls its text holds, and what a client must get of it.

The text is the truth, as a script is. Where it is ambiguous, only what every reasonable reading
agrees on is required.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from conformance.base import jsonvalue
from conformance.base.jsonvalue import JsonProblem
from conformance.casefiles.expectation import derive
from conformance.formats import FORMATS, Format, Unreadable
from conformance.formats.format import text_of
from conformance.formats.registry import THOUGHTS
from conformance.terms.asked import Asked, Named, Options
from conformance.terms.case import Expectation
from conformance.terms.said import Call, Piece, Script, Utterance

End = Literal["ended", "cut", "unknown"]
"""How the tokens end: with an end of sequence, at the limit, or nobody knows."""

NOTHING = Expectation()

_END = re.compile(
    r"<[|\uff5c][^<>]{1,60}[|\uff5c]>|</s>|<eos>|<end_of_turn>|<end_of_utterance>|\[EOS\]"
)
_SPECIAL = re.compile(r"<[|\uff5c][^<>]{1,60}[|\uff5c]>|</?s>|<(?:bos|eos|pad|unk)>")
"""Tokens that a server may show or leave out."""
_THOUGHT = re.compile("|".join(re.escape(after) for _, after in THOUGHTS))
_THINKS = re.compile("|".join(re.escape(mark) for pair in THOUGHTS for mark in pair))
_LOST = "\ufffd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A model's own text, and what follows from it."""

    text: str
    """Without the end of the sequence."""
    calls: tuple[Call, ...] | None = None
    """Those that it holds; `None` where it cannot be read, or in more than one way."""
    expect: Expectation = NOTHING
    """What the client must get."""
    odd: str | None = None
    """Why it cannot be read, or what it holds that no server has to take."""
    classes: frozenset[str] = frozenset()
    """What in it is known to trouble parsers; see `every` and `sampled` of known issues."""


def without_end(whole: str, before: str) -> tuple[str, bool]:
    """Take the end of the sequence from a text, given the text of all tokens but the last.

    The second value says whether there was one: a token shown as such, or not shown at all.
    """
    last = whole.removeprefix(before) if whole.startswith(before) else None
    if last is not None and (not last or _END.fullmatch(last)):
        return before, True
    return whole, False


def read(text: str, end: End, asked: Asked, format: Format) -> Reading:
    """Read what a model said in answer to a request."""
    found = _read(text, end, asked, format)
    return replace(found, classes=frozenset(_classes(found, end, format)))


def _read(text: str, end: End, asked: Asked, format: Format) -> Reading:
    if _LOST in text:
        return Reading(text=text, odd="it holds bytes that are no text")
    if end == "cut":
        return Reading(text=text, expect=Expectation(ending=("limit",)))
    if end == "unknown" and _may_be_cut(text, asked):
        return Reading(text=text, odd="nothing tells whether it is whole")
    thought, spoken = _part_thought(text)
    if thought and _marked(thought, format):
        return Reading(text=text, odd="there is markup of calls among its thoughts")
    try:
        says = _says(spoken, asked, format)
        calls = _sound_calls(says, asked)
    except Unreadable as problem:
        return _unread(text, asked, format, str(problem))
    expect = derive(says, _options(asked))
    if asked.choice == "none" and calls:
        expect = NOTHING  # choice.none has it
    if end == "unknown":
        # The last token may be an end of the sequence that the server does not pass on.
        expect = replace(expect, content=None, ending=None)
    special = _SPECIAL.search(text)
    if thought or _THINKS.search(text) or special:
        expect = replace(expect, content=None)
    odd = f"it holds the special token {special[0]}" if special else None
    return Reading(text=text, calls=calls, expect=expect, odd=odd)


def _classes(found: Reading, end: End, format: Format) -> Iterator[str]:
    opener = format.mark
    before, *marked = found.text.split(opener) if opener else [found.text]
    calls = max(len(marked), len(found.calls or ()))
    if calls:
        yield "call"
        if calls > 1:
            yield "several-calls"
        if before.strip() and marked:
            yield "text-before-call"
    if end == "cut" and marked:
        yield "cut-behind-a-call" if _is_readable(format.pieces(found.text), format) else "cut-call"
    if any(found.text.endswith(opener[:length]) for length in range(1, len(opener))):
        yield "half-a-mark"
    if end != "cut" and _is_readable(_one_call(found.text, format), format):
        yield "mark-in-a-call"


def _is_readable(script: Script, format: Format) -> bool:
    try:
        return bool(format.read(script))
    except Unreadable:
        return False


def _one_call(text: str, format: Format) -> Script:
    """Cut a text as if all marks except the outermost were words in the strings of one call.

    Give nothing if there are no other marks.
    """
    pieces = format.pieces(text)
    at = [place for place, piece in enumerate(pieces) if piece.kind != "text"]
    if len(at) <= len(format.marks):
        return ()
    first, last = at[0] + 1, at[-1] if len(format.marks) > 1 else len(pieces)
    return (*pieces[:first], Piece("text", text_of(pieces[first:last])), *pieces[last:])


def _options(asked: Asked) -> Options:
    """Give the options that change what a client gets of a text that has ended by itself."""
    return Options(choice=asked.options.choice, parallel=asked.options.parallel)


def _may_be_cut(text: str, asked: Asked) -> bool:
    stops = asked.options.stop or ()
    listed = [stops] if isinstance(stops, str) else stops
    return any(stop in text for stop in listed) or asked.ignores_end


def _part_thought(text: str) -> tuple[str, str]:
    """Part what a reasoning model thought from what it said afterwards."""
    ends = [found.end() for found in _THOUGHT.finditer(text)]
    return (text[: ends[-1]], text[ends[-1] :]) if ends else ("", text)


def _marked(text: str, format: Format) -> bool:
    return any(mark in text for mark in format.marks)


def _says(text: str, asked: Asked, format: Format) -> Sequence[Utterance]:
    """Read a text in its format, or in a shape to which a server binds a forced call."""
    choice, marked = asked.choice, _marked(text, format)
    if choice not in ("auto", "none") and not marked:
        return format.read_forced(text, choice.name if isinstance(choice, Named) else None)
    says = _in_format(text, format)
    if marked and not any(isinstance(said, Call) for said in says):
        raise Unreadable("marks without a call")
    return says


def _in_format(text: str, format: Format) -> Sequence[Utterance]:
    try:
        return format.read(format.pieces(text))
    except Unreadable:
        for other in (FORMATS[name] for name in format.related):
            if any(mark in text for mark in other.marks.keys() - format.marks.keys()):
                return other.read(other.pieces(text))
        raise


def _sound_calls(says: Sequence[Utterance], asked: Asked) -> tuple[Call, ...]:
    """Give the calls, if every server has to take them as they are; raises `Unreadable`."""
    calls = tuple(said for said in says if isinstance(said, Call))
    offered = _offered(asked)
    for call in calls:
        if call.name not in offered:
            raise Unreadable(f"a call of {call.name!r}, which is not offered")
        try:
            value = jsonvalue.parse(call.arguments)
        except JsonProblem as problem:
            raise Unreadable(f"the arguments of {call.name!r}: {problem}") from None
        if not isinstance(value, dict):
            raise Unreadable(f"the arguments of {call.name!r} are no object")
    return calls


def _unread(text: str, asked: Asked, format: Format, why: str) -> Reading:
    """Demand of a text that cannot be read only that it is not swallowed."""
    if asked.choice == "none" or asked.options.parallel is False:
        return Reading(text=text, expect=Expectation(broken=True), odd=why)
    parts = text.split(format.mark)[1:] if format.mark else [text]
    names = _names(parts, _offered(asked))
    return Reading(text=text, expect=Expectation(broken=True, keeps=names), odd=why)


def _names(parts: Iterable[str], offered: Iterable[str]) -> tuple[str, ...]:
    """Find the tools that broken calls name: what a client gets, whatever is made of the rest."""
    begin = r"""(?:["']name["']\s*:\s*["']|^\s*)"""
    patterns = {name: re.compile(rf"{begin}{re.escape(name)}(?![\w-])") for name in offered}
    found = [name for part in parts for name, own in patterns.items() if own.search(part)]
    return tuple(dict.fromkeys(found))


def _offered(asked: Asked) -> list[str]:
    return [tool["function"]["name"] for tool in asked.tools]
