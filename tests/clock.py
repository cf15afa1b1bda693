"""Time that passes only while somebody sleeps, for tests of waiting."""

from __future__ import annotations

import asyncio

from conformance.client.retry import Clock


class Time:
    """Begins at 0; whoever sleeps sets it forward, and goes on at once."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.clock = Clock(now=lambda: self.passed, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        end = self.passed + seconds
        await asyncio.sleep(0)  # others may sleep meanwhile: the same seconds
        self.passed = max(self.passed, end)
