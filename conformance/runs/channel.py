"""What an item is asked through: a server, what sends to it, and the words of its endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from conformance.base.jsonvalue import Json
from conformance.client.sender import ASKED_FOR, Asker
from conformance.runs.room import Room
from conformance.terms.said import Script
from conformance.terms.server import Server
from conformance.verdicts.item import Item
from conformance.wires.answer import Answer
from conformance.wires.registry import DEFAULT
from conformance.wires.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One server, asked over one wire, all on one event loop."""

    server: Server
    asker: Asker
    wire: Wire = DEFAULT
    room: Room = field(default_factory=Room)
    _shared: dict[tuple[str, ...], asyncio.Future[Script]] = field(default_factory=dict)

    async def ask(self, body: Json) -> Answer:
        """Post a request that the model answers."""
        return await self._asked(self.wire.path, body)

    async def show_prompt(self, path: str, body: Json) -> tuple[Answer, str | None]:
        """Post a request whose prompt the server shows; give the answer and the prompt's text."""
        answer = await self._asked(path, body)
        return answer, await self.asker.detokenize(list(self.wire.tokens.prompt(answer)))

    async def _asked(self, path: str, body: Json) -> Answer:
        async with self.room.asking():
            exchange = await self.asker.ask(path, body)
            await self.room.hold(exchange)
            answer: Answer = self.wire.read(exchange)
            return answer

    async def once(
        self, key: tuple[str, ...], begin: Callable[[], Coroutine[None, None, Script]]
    ) -> Script:
        """Wait for what several items need and one of them has begun."""
        if key not in self._shared:
            self._shared[key] = asyncio.ensure_future(begin())
        return await self._shared[key]


def announce(item: Item) -> None:
    """Say which item the requests that follow in this task are for."""
    ASKED_FOR.set(f"{item.case.id} {item.mode.name} {item.attempt}")
