"""What a grammar allows next: a mask of 32 tokens to a number, lowest bit first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

WIDTH = 32
"""Tokens in a number of a mask."""


def allows(mask: Sequence[int], token: int) -> bool:
    """Whether a token may come next."""
    return bool(int(mask[token // WIDTH]) >> token % WIDTH & 1)


def allowed(mask: Sequence[int], size: int) -> Iterator[int]:
    """Give the tokens that may come next, last one first."""
    for place in reversed(range(min(len(mask), -(-size // WIDTH)))):
        if not mask[place]:
            continue
        first = place * WIDTH
        for token in reversed(range(first, min(first + WIDTH, size))):
            if allows(mask, token):
                yield token


def another(mask: Sequence[int], size: int, avoid: Collection[int], *, otherwise: int) -> int:
    """Choose a token that is none of some others where that can be.

    `otherwise` is for a mask that allows nothing.
    """
    found = otherwise
    for token in allowed(mask, size):
        found = token
        if token not in avoid:
            return token
    return found


def closer(
    mask: Sequence[int], size: int, closers: Sequence[int], said: Sequence[int], end: int
) -> int:
    """Choose a token that brings an answer to its end: the end itself as soon as it may come.

    Else it is the best of what closes, except for one that was just said three times: it may fill
    a text that has no end.
    """
    if allows(mask, end):
        return end
    stuck = said[-1] if len(said) > 2 and len({*said[-3:]}) == 1 else None
    usual = (token for token in closers if token != stuck and allows(mask, token))
    found = next(usual, None)
    return another(mask, size, (), otherwise=end) if found is None else found
