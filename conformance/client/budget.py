"""What requests cost: estimated before they are sent, counted after, and kept within a limit."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from conformance.base.jsonvalue import Json
from conformance.client.sender import NotAsked, Sender
from conformance.terms.exchange import Exchange

_BUDGET = re.compile(r"([0-9]{1,12})(tokens|requests)?")


BYTES_TO_A_TOKEN = 4
"""English and JSON have 3 to 5, by the tokenizer."""


def tokens_of(text: str) -> int:
    """Estimate the tokens of a text."""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / BYTES_TO_A_TOKEN)


class BudgetProblem(Exception):
    """A text is not a budget; the message says what is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What requests use, in requests and tokens."""

    requests: int = 0
    prompt: int = 0
    answer: int = 0

    @property
    def tokens(self) -> int:
        """Count all tokens."""
        return self.prompt + self.answer

    def __add__(self, other: Cost) -> Cost:
        """Add up."""
        return Cost(
            requests=self.requests + other.requests,
            prompt=self.prompt + other.prompt,
            answer=self.answer + other.answer,
        )

    def __rmul__(self, times: int) -> Cost:
        """Multiply the cost."""
        return Cost(
            requests=times * self.requests, prompt=times * self.prompt, answer=times * self.answer
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much may be used, of one of the two."""

    most: int
    unit: str
    """`tokens` or `requests`."""

    def __str__(self) -> str:
        """Write it for people."""
        return f"{self.most:,} {self.unit}"

    def of(self, cost: Cost) -> int:
        """Give what counts of a cost."""
        return cost.tokens if self.unit == "tokens" else cost.requests


def read(text: str) -> Budget:
    """Read a budget, `50000`, `50000tokens` or `300requests`; raises `BudgetProblem`."""
    found = _BUDGET.fullmatch(text.replace("_", ""))
    if found is None or not int(found[1]):
        raise BudgetProblem(f"{text!r}; allowed: 50000 (tokens), or 300requests")
    return Budget(most=int(found[1]), unit=found[2] or "tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """How the cost of requests to one endpoint is known."""

    prompt: Callable[[Json], int]
    """Estimates the tokens of a body's prompt."""
    limit: Callable[[Json], int]
    """Gives the tokens that all answers to a body may have."""
    used: Callable[[Exchange], Cost]
    """Gives what an exchange cost."""
    how: str
    """How a prompt is estimated, for people."""


class Purse:
    """Sends as another sender does, as long as the budget lasts; then nothing more is asked."""

    def __init__(self, inner: Sender, budget: Budget, meters: Mapping[str, Meter]) -> None:
        """Begin with the whole budget; `meters` are those of paths where a model answers."""
        self._inner = inner
        self._budget = budget
        self._meters = meters
        self._spent = Cost()
        self._reserved = Cost()
        self._changed = asyncio.Condition()
        self._empty = False
        self._rate = 1.0
        """The most tokens so far that a prompt had for each one estimated."""

    @property
    def spent(self) -> Cost:
        """Say what was used so far."""
        return self._spent

    async def send(self, path: str, body: Json) -> Exchange:
        """Send, if what is left covers the most that it may cost; raises `NotAsked`."""
        meter = self._meters.get(path)
        if meter is None:
            return await self._inner.send(path, body)  # no model answers there
        need = await self._reserve(body, meter)
        cost = need
        try:
            exchange = await self._inner.send(path, body)
            cost = meter.used(exchange)
            if exchange.status == 200:
                self._rate = max(self._rate, cost.prompt / meter.prompt(body))
            return exchange
        except NotAsked:
            cost = Cost()
            raise
        finally:
            self._reserved += Cost(prompt=-need.prompt, answer=-need.answer, requests=-1)
            self._spent += cost
            async with self._changed:
                self._changed.notify_all()

    async def close(self) -> None:
        """Close the other sender."""
        await self._inner.close()

    async def _reserve(self, body: Json, meter: Meter) -> Cost:
        async with self._changed:
            while True:
                prompt = math.ceil(meter.prompt(body) * self._rate)
                need = Cost(requests=1, prompt=prompt, answer=meter.limit(body))
                wanted = self._budget.of(self._spent + self._reserved + need)
                if not self._empty and wanted <= self._budget.most:
                    self._reserved += need
                    return need
                if self._empty or not self._reserved.requests:
                    self._empty = True
                    self._changed.notify_all()
                    raise NotAsked(f"the budget of {self._budget} would not cover it")
                # Those under way may cost less than they might.
                await self._changed.wait()
