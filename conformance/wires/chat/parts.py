"""What the deltas of a choice bring, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from conformance.base.jsonvalue import Json
from conformance.wires.answer import Call, Part, Text, Thought


def ordered(
    deltas: Iterable[tuple[int, Mapping[str, Json]]], calls: Mapping[int, Call]
) -> Iterator[Part]:
    """Give thoughts, text and calls in the order in which they begin.

    `deltas` have the numbers of their chunks, and `calls` are known by their index.
    """
    left = dict(calls)
    pieces = (piece for number, delta in deltas for piece in _pieces(number, delta))
    for kind, run in groupby(pieces, key=lambda piece: piece[0]):
        if isinstance(kind, int):
            if kind in left:
                yield left.pop(kind)
            continue
        listed = list(run)
        text = "".join(text for _, text, _ in listed)
        yield kind(text=text, events=tuple(number for _, _, number in listed))


def _pieces(
    number: int, delta: Mapping[str, Json]
) -> Iterator[tuple[type[Text] | type[Thought] | int, str, int]]:
    """Give what a delta brings: its kind or the index of its call, its text, and its chunk."""
    if thought := reasoning_of(delta):
        yield Thought, thought, number
    if isinstance(delta.get("content"), str) and delta["content"]:
        yield Text, delta["content"], number
    listed = delta.get("tool_calls")
    for value in listed if isinstance(listed, list) else ():
        index = value.get("index") if isinstance(value, dict) else None
        if type(index) is int:
            yield index, "", number


def reasoning_of(message: Mapping[str, Json]) -> str:
    """Give the thoughts in a message or a delta; servers that use both names say the same twice."""
    found = (message.get(name) for name in ("reasoning", "reasoning_content"))
    return next((text for text in found if isinstance(text, str) and text), "")
