"""The copying model's weights: a Llama of one layer that says what stood `reach` tokens before.

Nothing is trained. The page docs/copying-model.md explains each of these numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from conformance.copying.vocabulary import Vocabulary

HEADS = 4
HEAD = 128
WIDTH = HEADS * HEAD
INNER = 256
"""Of the feed-forward layer, which does nothing."""
BASE = 10_000.0
"""Of the rotary positions."""
EPSILON = 1e-6
CONTEXT = 65_536
"""Tokens of a conversation."""
CONSTANT = WIDTH - 1
"""The place in a state that holds 1 whatever the token is."""
NORMED = math.sqrt(WIDTH / 2)
"""What the 1 of a token and that of `CONSTANT` become when the state is normalised: 16."""
GAIN = 40.0
"""How sharply attention looks at one place: what the next best gets is e to the minus 6.7."""
STEPS = 1024
"""Steps of a query's numbers between 0 and 1."""
SPOKEN = 8.0
"""How much louder the token that was found is than the one that was read last."""
CERTAIN = 20.0
"""How far the logit of that token stands above all others, before it is multiplied by about 13."""

LEAST_REACH, MOST_REACH = 64, 60_000
MOST_TOKENS = CONSTANT

Cell = tuple[int, int, float]
"""Row, column, and what stands there."""
Pairs = Literal["halves", "neighbours"]
"""Which two numbers of a head are turned together: `i` and `i + 64`, or `2i` and `2i + 1`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A matrix that is zero except for some cells; one row of ones if it has no rows."""

    name: str
    """Hugging Face's."""
    shape: tuple[int, ...]
    cells: tuple[Cell, ...]


def angles() -> list[float]:
    """Give how far each pair of a head is turned from one token to the next, in radians."""
    return [BASE ** (-2 * pair / HEAD) for pair in range(HEAD // 2)]


def score(distance: int, reach: int) -> float:
    """Give attention's score of the token so many places before the one that is read."""
    off = distance - (reach - 1)
    return GAIN / math.sqrt(HEAD) * sum(math.cos(angle * off) for angle in angles())


def tensors(vocabulary: Vocabulary, reach: int, pairs: Pairs) -> Iterator[Tensor]:
    """Write every tensor of the model, in the order in which a Llama uses them."""
    tokens, layer = vocabulary.size, "model.layers.0"
    itself = [(token, token, 1.0) for token in range(tokens)]
    constant = [(token, CONSTANT, 1.0) for token in range(tokens)]
    yield _matrix("model.embed_tokens", tokens, WIDTH, [*itself, *constant])
    yield _ones(f"{layer}.input_layernorm")
    for name, head in (("q", _query(reach, pairs)), ("k", _key(pairs))):
        cells = [(row, CONSTANT, value / NORMED) for row, value in _in_each_head(head)]
        yield _matrix(f"{layer}.self_attn.{name}_proj", WIDTH, WIDTH, cells)
    yield _matrix(f"{layer}.self_attn.v_proj", WIDTH, WIDTH, _diagonal(1 / NORMED))
    yield _matrix(f"{layer}.self_attn.o_proj", WIDTH, WIDTH, _diagonal(SPOKEN))
    yield _ones(f"{layer}.post_attention_layernorm")
    yield _matrix(f"{layer}.mlp.gate_proj", INNER, WIDTH, [])
    yield _matrix(f"{layer}.mlp.up_proj", INNER, WIDTH, [])
    yield _matrix(f"{layer}.mlp.down_proj", WIDTH, INNER, [])
    yield _ones("model.norm")
    yield _matrix("lm_head", tokens, WIDTH, [(row, col, CERTAIN) for row, col, _ in itself])


def _query(reach: int, pairs: Pairs) -> list[float]:
    """Write a head's query: the key, turned back by as many tokens as the script stands before."""
    turns = [angle * (reach - 1) for angle in angles()]
    return _placed([(_even(math.cos(turn)), _even(-math.sin(turn))) for turn in turns], pairs)


def _even(part: float) -> float:
    """Take a part of the gain, in steps so coarse that each machine's cosine gives the same."""
    return round(GAIN * part * STEPS) / STEPS


def _key(pairs: Pairs) -> list[float]:
    return _placed([(1.0, 0.0)] * (HEAD // 2), pairs)


def _placed(found: list[tuple[float, float]], pairs: Pairs) -> list[float]:
    if pairs == "neighbours":
        return [value for pair in found for value in pair]
    return [pair[half] for half in (0, 1) for pair in found]


def _in_each_head(head: list[float]) -> list[tuple[int, float]]:
    return list(enumerate(head * HEADS))


def _diagonal(value: float) -> list[Cell]:
    return [(place, place, value) for place in range(WIDTH)]


def _matrix(name: str, rows: int, columns: int, cells: list[Cell]) -> Tensor:
    return Tensor(name=f"{name}.weight", shape=(rows, columns), cells=tuple(cells))


def _ones(name: str) -> Tensor:
    cells = tuple((0, place, 1.0) for place in range(WIDTH))
    return Tensor(name=f"{name}.weight", shape=(WIDTH,), cells=cells)


def fill(tensor: Tensor, width: int, pack: Callable[[float], bytes]) -> bytes:
    """Give a tensor's numbers, row by row, each in so many bytes; zero is all zeros."""
    found = bytearray(width * math.prod(tensor.shape))
    for row, column, value in tensor.cells:
        at = width * (row * tensor.shape[-1] + column)
        found[at : at + width] = pack(value)
    return bytes(found)
