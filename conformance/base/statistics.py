"""Rates from few attempts, with confidence intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count

Z = 1.959964
"""Standard deviations on either side of the mean that hold 95 % of a normal distribution."""

REQUIRED_RATE = 0.5
"""In most attempts."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How many attempts met something, of how many."""

    met: int
    of: int

    @property
    def value(self) -> float:
        """The rate itself; 0 if there were no attempts."""
        return self.met / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval for the true rate, 95 %; it holds for few attempts too.

        E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
        Journal of the American Statistical Association 22 (1927).
        """
        if not self.of:
            return 0.0, 1.0
        square = Z * Z / self.of
        middle = (self.value + square / 2) / (1 + square)
        spread = self.value * (1 - self.value) / self.of + square / (4 * self.of)
        half = Z * math.sqrt(spread) / (1 + square)
        # With all or none met the end is exactly 1 or 0, which floating point may miss.
        low = 0.0 if self.met == 0 else max(0.0, middle - half)
        high = 1.0 if self.met == self.of else min(1.0, middle + half)
        return low, high

    def is_clear(self, required_rate: float) -> bool:
        """Whether the whole interval lies on one side of a required rate."""
        low, high = self.interval
        return low > required_rate or high < required_rate

    def __str__(self) -> str:
        """Write it for a person: `3 of 4, 75 % (30 to 95 %)`."""
        low, high = (round(100 * end) for end in self.interval)
        return f"{self.met} of {self.of}, {round(100 * self.value)} % ({low} to {high} %)"


def fewest(required_rate: float) -> int:
    """Give the number of attempts below which no rate is clear."""
    return next(
        size
        for size in count(1)
        if Rate(size, size).is_clear(required_rate) or Rate(0, size).is_clear(required_rate)
    )


def difference(old: Rate, new: Rate) -> tuple[float, float]:
    """Give Newcombe's interval, 95 %, for the new rate less the old one.

    R. G. Newcombe, "Interval estimation for the difference between independent proportions",
    Statistics in Medicine 17 (1998), method 10.
    """
    middle = new.value - old.value
    (old_low, old_high), (new_low, new_high) = old.interval, new.interval
    low = middle - math.hypot(new.value - new_low, old_high - old.value)
    high = middle + math.hypot(new_high - new.value, old.value - old_low)
    return max(-1.0, low), min(1.0, high)


def rose(old: Rate, new: Rate) -> bool:
    """Whether a rate is higher than before, beyond chance."""
    return difference(old, new)[0] > 0


def fell(old: Rate, new: Rate) -> bool:
    """Whether a rate is lower than before, beyond chance."""
    return difference(old, new)[1] < 0
