"""Measures where a copying model looks: it is shown a ruler, and says from which place it reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from conformance.base.jsonvalue import Json
from conformance.formats import Format
from conformance.terms.server import Copies

Says = Callable[[Sequence[Json], int], str | None]
"""Gives what the model says to some messages, in so many tokens at most; `None` if refused."""

MARK = 6
"""Characters from one number of the ruler to the next: five figures and a dot."""
LENGTHS = (400, 3_000, 10_000)
"""Numbers on a ruler; the shortest that reaches so far is the cheapest to read."""
LOOK = 16
"""Tokens of an answer: at least one whole number, wherever it begins."""
ENOUGH = 2 * MARK
"""Characters that no model says by chance."""
CALL = {"id": "aB3dE6gH9", "type": "function", "function": {"name": "look", "arguments": "{}"}}
BEFORE: dict[str, tuple[Json, ...]] = {
    "user": (),
    "tool": (
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
    ),
    "system": (),
}
"""The role of a last message to what must stand before such a one."""
MORE: dict[str, Json] = {"tool": {"tool_call_id": CALL["id"]}}


def measure(says: Says, format: Format) -> Copies | None:
    """Find out where a model looks, after each kind of last message; `None` if it copies nothing.

    It is asked with rulers of two lengths, and must read both at the same distance from their ends.
    """
    reach, length = _reach(says)
    if reach is None or _distance(says, "user", length + ENOUGH) != reach:
        return None
    marks = {mark: _tokens(says, mark, reach, length) for mark in _marks(format)}
    known = {mark: tokens for mark, tokens in marks.items() if tokens is not None}
    if known.get(format.end) != 1:
        return None  # nothing would end an answer
    found = {role: _distance(says, role, length) for role in BEFORE}
    distances = {role: distance for role, distance in found.items() if distance is not None}
    return Copies(distances=distances, marks=known)


def ruler(length: int) -> str:
    """Write the numbers from 0 on, each with its dot."""
    return "".join(f"{number:0{MARK - 1}d}." for number in range(length))


def place(answer: str, shown: str) -> int | None:
    """Say from which place of a ruler an answer was read; `None` if it was not read there."""
    found = re.search(rf"(\d{{{MARK - 1}}})\.", answer)
    if found is None or len(answer) < ENOUGH:
        return None
    start = MARK * int(found[1]) - found.start()
    return start if start >= 0 and shown[start:].startswith(answer[:LOOK]) else None


def _marks(format: Format) -> Iterator[str]:
    yield from dict.fromkeys((*format.marks, *format.markup, format.end))


def _reach(says: Says) -> tuple[int | None, int]:
    for length in LENGTHS:
        found = _distance(says, "user", length)
        if found is not None:
            return found, length
    return None, 0


def _distance(says: Says, role: str, length: int, more: str = "") -> int | None:
    """Count the characters of the ruler, from the one that the model looks at to the last."""
    shown = ruler(length)
    last = {"role": role, "content": shown + more, **MORE.get(role, {})}
    answer = says((*BEFORE[role], last), LOOK)
    start = None if answer is None else place(answer, shown)
    return None if start is None else len(shown) - start


def _tokens(says: Says, mark: str, reach: int, length: int) -> int | None:
    """Count the tokens of a mark by how much nearer the model looks if it stands after the ruler.

    `None` if it is neither one token nor spelled out.
    """
    nearer = _distance(says, "user", length, mark)
    tokens = None if nearer is None else reach - nearer
    return tokens if tokens in (1, len(mark.encode())) else None
