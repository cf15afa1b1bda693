"""How much a run may hold at once: answers that are under way, and those that wait to be judged.

Asking is held back while too much waits, except for the case that is to be judged next.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from conformance.base import sse
from conformance.client.sender import CONCURRENCY
from conformance.terms.exchange import Exchange

CEILING = 300_000_000
"""Bytes of memory, about, that answers may take before they are judged."""

PER_BYTE = 10
"""Bytes of memory that a byte of an answer takes once it is read; measured on those of vLLM."""
PER_LINE = 300
"""For each of its lines, which may be short."""
PER_READ = 100
"""For each piece that it arrived in."""

CASE: ContextVar[str] = ContextVar("case", default="")
"""The id of the case that all of a task's requests are for."""


def weight(exchange: Exchange) -> int:
    """Estimate the memory of an answer once it is read."""
    pieces = PER_READ * len(exchange.reads)
    size = sum(len(read.data) for read in exchange.reads)
    if exchange.error is not None:
        return pieces + size  # nobody reads it
    lines = sum(sse.line_ends(read.data) for read in exchange.reads)
    return pieces + PER_BYTE * size + PER_LINE * lines


class Room:
    """Lets requests and answers of a run in, as long as there is room. Belongs to one event loop.

    A task names its case in `CASE`. One case alone may go beyond the ceiling, so that it is judged
    and makes room.
    """

    def __init__(self, at_once: int = CONCURRENCY, ceiling: int = CEILING) -> None:
        """Let so many answers be under way at once, and so many bytes wait to be judged."""
        self._at_once = at_once
        self._ceiling = ceiling
        self._under_way = 0
        self._held: Counter[str] = Counter()
        self._whole = 0
        self._hurried = ""
        self._to_send = _Line()
        self._to_read = _Line()

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Wait for a turn to ask, and have it until the answer is read."""
        waiting = self._to_send.join(0)
        self._let_in()
        try:
            await waiting.turn
            yield
        finally:
            if waiting.came:
                self._under_way -= 1
            self._let_in()

    async def hold(self, exchange: Exchange) -> None:
        """Wait for room to read an answer in, and take it until the case is dropped."""
        waiting = self._to_read.join(weight(exchange))
        self._let_in()
        await waiting.turn

    def hurry(self, case: str) -> None:
        """Let a case in, whatever waits: it is to be judged next."""
        self._hurried = case
        self._let_in()

    def drop(self, case: str) -> None:
        """Give back what the answers of a case took."""
        self._whole -= self._held.pop(case, 0)
        self._let_in()

    def _let_in(self) -> None:
        while waiting := self._to_read.next(self._hurried, free=self._whole < self._ceiling):
            self._held[waiting.case] += waiting.weight
            self._whole += waiting.weight
            waiting.begin()
        while waiting := self._to_send.next(
            self._hurried,
            free=self._whole < self._ceiling and self._under_way < self._at_once,
        ):
            self._under_way += 1
            waiting.begin()


@dataclass(slots=True, kw_only=True)
class _Waiting:
    case: str
    weight: int
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.Future())
    came: bool = False

    def begin(self) -> None:
        self.came = True
        self.turn.set_result(None)


class _Line:
    """Those that wait for a turn, case by case: the modes of a case need one another."""

    def __init__(self) -> None:
        self._cases: dict[str, deque[_Waiting]] = {}

    def join(self, weight: int) -> _Waiting:
        waiting = _Waiting(case=CASE.get(), weight=weight)
        self._cases.setdefault(waiting.case, deque()).append(waiting)
        return waiting

    def next(self, hurried: str, *, free: bool) -> _Waiting | None:
        """Take the next one out: of the hurried case, or else the first, if there is room."""
        while self._cases and (free or hurried in self._cases):
            case = hurried if hurried in self._cases else next(iter(self._cases))
            found = self._cases[case].popleft()
            if not self._cases[case]:
                del self._cases[case]
            if not found.turn.cancelled():
                return found
        return None
