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

    Of what closes, the least said goes first, so that a string without a limit is closed too.
    """
    if allows(mask, end):
        return end
    usual = [token for token in closers if allows(mask, token)]
    if usual:
        return min(usual, key=said.count)
    return another(mask, size, (), otherwise=end)
