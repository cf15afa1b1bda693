"""How likely tokens were, made up: whoever asks gets an answer of the right form.

The token that was said has nine tenths, and those after it in the vocabulary share the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SAID = math.log(0.9)
NEXT = math.log(0.05)
"""That of the second token; each further one is less likely by the factor e."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihoods:
    """A row for each token that was said: that token, then the likeliest ones, itself first."""

    ids: list[list[int]]
    logs: list[list[float]]
    ranks: list[int]


def width(asked: Sequence[int | None], size: int) -> int | None:
    """Give how many of the likeliest tokens a step needs; None if nobody asks.

    A request asks for so many, for all by a negative number, or not at all.
    """
    counts = [size if one < 0 else min(one, size) for one in asked if one is not None]
    return max(counts, default=None)


def of(tokens: Sequence[int], count: int, size: int) -> Likelihoods:
    """Make up what a model would know of some tokens, with so many of the likeliest."""
    logs = [SAID, *(SAID if place == 0 else NEXT - (place - 1) for place in range(count))]
    return Likelihoods(
        ids=[[token, *((token + place) % size for place in range(count))] for token in tokens],
        logs=[list(logs) for _ in tokens],
        ranks=[1] * len(tokens),
    )
