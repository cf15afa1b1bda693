"""Waiting for a server that is busy or gone: all exchanges together, and within limits."""

from __future__ import annotations

import asyncio
import email.utils
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from conformance.base.jsonvalue import Json
from conformance.terms.exchange import Exchange

BUSY = {429, 503}
"""Statuses of a server that has not begun with a request, and may be asked again."""

LIMIT = 120.0
"""Seconds to wait for a server, by default."""

SILENCES = 10
"""Answers in a row that do not come: one of a slow server may be late, or two."""

LONGEST = 15.0
"""Seconds between two attempts, where the server has not said how many."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What the time is, and how to wait; a test brings one that needs no waiting."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep


REAL_TIME = Clock()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A server's answer or silence that shows that it has not begun with a request."""

    reason: str
    pause: float | None = None
    """Seconds that it asked to wait."""


@dataclass(frozen=True, slots=True)
class Silence:
    """An answer that did not come, or did not end, in the time that one may take."""


@dataclass(slots=True)
class Waits:
    """How often a server was waited for, and how long in all."""

    times: int = 0
    seconds: float = 0.0


class Patience:
    """Lets exchanges begin, and begin again; belongs to one event loop.

    A refusal concerns all exchanges: none begins before the pause is over, and then as few at once
    as the server bears; each answer lets one more in. When nothing but refusals has come for
    `limit` seconds, the server is asked no more. Nor is it when it was silent `SILENCES` times, and
    twice for each request that is under way at once, without a whole answer in between.
    """

    def __init__(
        self,
        *,
        limit: float,
        attempts: int,
        pause: float,
        concurrency: int,
        clock: Clock,
    ) -> None:
        """Take the limits of one exchange too: `limit` seconds of pauses, and `attempts`.

        `pause` is the first one, in seconds; each further pause of an exchange is twice as long.
        """
        self._limit = limit
        self._attempts = attempts
        self._pause = pause
        self._concurrency = concurrency
        self._clock = clock
        self._width = float(concurrency)
        self._under_way = 0
        self._room = asyncio.Condition()
        self._opens = 0.0
        self._refused_since: float | None = None
        self._silences = 0
        self._over: str | None = None
        self.waits = Waits()

    async def through(
        self,
        request: Json,
        send: Callable[[], Awaitable[tuple[Exchange, Refusal | Silence | None]]],
    ) -> Exchange:
        """Send until there is an answer, or a limit is reached; the last exchange is the one."""
        attempts, paused, ours = 0, 0.0, pauses(self._pause)
        while True:
            async with self._turn():
                if self._over is not None:
                    return Exchange(request=request, error=self._over)
                exchange, refusal = await send()
                if not isinstance(refusal, Refusal):
                    self._note_answer(exchange, silent=refusal is not None)
                    return exchange
                attempts += 1
                own = next(ours)
                pause = refusal.pause or own
                self._note_refusal(refusal, pause)
                paused += pause
                if self._over or paused > self._limit or attempts >= self._attempts:
                    return _given_up(exchange, attempts, paused - pause)
                self._close(pause)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with self._room:
            await self._room.wait_for(lambda: self._under_way < int(self._width))
            self._under_way += 1
        try:
            while self._over is None and (left := self._opens - self._clock.now()) > 0:
                await self._clock.sleep(left)
            yield
        finally:
            self._under_way -= 1
            async with self._room:
                self._room.notify_all()

    def _close(self, pause: float) -> None:
        now = self._clock.now()
        self.waits.times += 1
        self.waits.seconds += max(0.0, now + pause - max(now, self._opens))
        self._opens = max(self._opens, now + pause)

    def _note_answer(self, exchange: Exchange, *, silent: bool) -> None:
        if exchange.status is not None:
            self._refused_since = None
            self._width = min(self._concurrency, self._width + 1 / self._width)
        if silent:
            self._silences += 1
            if self._over is None and self._silences >= max(SILENCES, 2 * self._concurrency):
                self._over = (
                    f"the server is asked no more, for none of the last {self._silences} answers "
                    f"came in time, the last one: {exchange.error}"
                )
        elif exchange.error is None:
            self._silences = 0

    def _note_refusal(self, refusal: Refusal, pause: float) -> None:
        now = self._clock.now()
        self._width = max(1.0, self._width / 2)
        if self._refused_since is None:
            self._refused_since = now
        if now + pause - self._refused_since > self._limit:
            self._over = (
                f"{refusal.reason}; the server is asked no more, for it took no request in "
                f"{now - self._refused_since:.0f} s and {pause:.0f} s more would be too many "
                f"(--patience {self._limit:g})"
            )


def pauses(first: float) -> Iterator[float]:
    """Give the seconds before each further attempt, where the server does not say how many."""
    pause = first
    while True:
        pause = min(LONGEST, pause)
        yield pause
        pause *= 2


def _given_up(exchange: Exchange, attempts: int, paused: float) -> Exchange:
    if attempts == 1:
        return exchange
    error = f"{exchange.error} (asked {attempts} times, with {paused:.1f} s between)"
    return replace(exchange, error=error)


def seconds_of(header: str | None) -> float | None:
    """Read a Retry-After, seconds or a date; `None` where it names no time to come."""
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text) or None
    try:
        date = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    left = date.timestamp() - time.time()
    return left if left > 0 else None
