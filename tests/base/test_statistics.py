"""Rates with their intervals; the numbers are those of the papers, or worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.base.statistics import Rate, difference, fell, fewest, rose

SIZES = st.integers(1, 200)


def made(draw: st.DrawFn) -> Rate:
    size = draw(SIZES)
    return Rate(draw(st.integers(0, size)), size)


RATES = st.composite(made)()


@pytest.mark.parametrize(
    ("rate", "low", "high"),
    # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", table I, method 3
    [
        (Rate(81, 263), 0.2553, 0.3662),
        (Rate(15, 148), 0.0624, 0.1605),
        (Rate(0, 20), 0.0, 0.1611),
        (Rate(1, 29), 0.0061, 0.1718),
    ],
)
def test_an_interval_is_wilsons(rate: Rate, low: float, high: float) -> None:
    assert rate.interval == pytest.approx((low, high), abs=0.00005)


@pytest.mark.parametrize(
    ("old", "new", "low", "high"),
    # R. G. Newcombe, "Interval estimation for the difference", table II, method 10
    [
        (Rate(48, 80), Rate(56, 70), 0.0524, 0.3339),
        (Rate(3, 10), Rate(9, 10), 0.1705, 0.8090),
        (Rate(0, 29), Rate(5, 56), -0.0381, 0.1926),
        (Rate(0, 10), Rate(10, 10), 0.6075, 1.0),
    ],
)
def test_the_interval_of_a_difference_is_newcombes(
    old: Rate, new: Rate, low: float, high: float
) -> None:
    assert difference(old, new) == pytest.approx((low, high), abs=0.00005)


def test_a_rate_of_no_answers_is_unknown() -> None:
    assert Rate(0, 0).interval == (0.0, 1.0)
    assert not Rate(0, 0).is_clear(0.5)
    assert not fell(Rate(0, 0), Rate(5, 5))
    assert not rose(Rate(0, 0), Rate(5, 5))


@given(RATES)
def test_an_interval_holds_its_rate(rate: Rate) -> None:
    low, high = rate.interval
    assert 0 <= low <= rate.value <= high <= 1


@given(RATES, RATES)
def test_swapped_rates_have_the_mirrored_interval(old: Rate, new: Rate) -> None:
    low, high = difference(old, new)
    assert difference(new, old) == pytest.approx((-high, -low))
    assert rose(old, new) == fell(new, old)
    assert not (rose(old, new) and fell(old, new))


@given(RATES)
def test_what_stays_as_it_was_has_not_changed(rate: Rate) -> None:
    assert not rose(rate, rate)
    assert not fell(rate, rate)


def test_four_of_four_show_what_a_model_mostly_does() -> None:
    assert fewest(0.5) == 4
    assert Rate(4, 4).is_clear(0.5)
    assert Rate(0, 4).is_clear(0.5)
    assert not Rate(3, 3).is_clear(0.5)
    assert not Rate(3, 4).is_clear(0.5)
    assert fewest(0.9) == 1, "one miss shows that it is not nine of ten"


def test_a_rate_is_written_for_a_person() -> None:
    assert str(Rate(3, 4)) == "3 of 4, 75 % (30 to 95 %)"
