"""Made-up logprobs: of the right form, and likely in the right order."""

from __future__ import annotations

import math

import pytest

from conformance.replay import likelihood


@pytest.mark.parametrize(
    ("asked", "width"),
    [([], None), ([None, None], None), ([None, 0], 0), ([3, 5, None], 5), ([-1], 70), ([99], 70)],
)
def test_a_step_needs_as_many_likely_tokens_as_somebody_asks_for(
    asked: list[int | None], width: int | None
) -> None:
    assert likelihood.width(asked, 70) == width


def test_each_said_token_comes_first_and_the_likeliest_follow_without_doubles() -> None:
    found = likelihood.of([5, 69], 3, 70)
    assert found.ids == [[5, 5, 6, 7], [69, 69, 0, 1]]
    assert found.ranks == [1, 1]
    for row in found.logs:
        assert row[0] == row[1] == likelihood.SAID
        assert row[1:] == sorted(row[1:], reverse=True)
        assert len(set(row[1:])) == 3


def test_all_tokens_together_are_no_likelier_than_one() -> None:
    (row,) = likelihood.of([5], 70, 70).logs
    assert sum(map(math.exp, row[1:])) <= 1.0
