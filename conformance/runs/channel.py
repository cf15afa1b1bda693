"""What an item is asked through: a server, what sends to it, and the words of its endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from conformance.base.jsonvalue import Json
from conformance.client.sender import ASKED_FOR, Asker
from conformance.terms.case import Case, Mode
from conformance.terms.exchange import ClientView, Exchange
from conformance.terms.said import Script
from conformance.terms.server import Server
from conformance.verdicts.item import Item
from conformance.wires.chat import answers, follow_up, request, token_ids
from conformance.wires.chat.answers import Answer
from conformance.wires.chat.token_ids import Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What a session and its strategies need of an endpoint's protocol."""

    build: Callable[[Case, Mode, Server, Script | None], Json]
    limited: Callable[[Json, int], Json]
    """Sets a limit of tokens, unless the case has one."""
    ended: Callable[[Json, int], Json]
    """Sets a limit of tokens in any case."""
    with_ids: Callable[[Json], Json]
    """Asks for the ids of the tokens that are said."""
    without_turn: Callable[[Json], Json]
    """Asks for the prompt as it is before the model's turn is begun."""
    sampled: Callable[[Json, Server], Json]
    spare_tokens: int
    read: Callable[[Exchange], Answer]
    refusal: Callable[[Answer], str | None]
    is_too_long: Callable[[Answer, Server], bool]
    follow_up: Callable[[Case, Answer], Case | None]
    prompt_ids: Callable[[Answer], Ids]
    first_ids: Callable[[Answer], list[int]]
    view: Callable[[Exchange], ClientView]


def _view(exchange: Exchange) -> ClientView:
    # The SDK takes a second to import, and what only writes reports needs none.
    from conformance.wires.chat import client

    return client.read(exchange)


CHAT = Wire(
    build=request.build,
    limited=request.limited,
    ended=lambda body, tokens: body | {"max_completion_tokens": tokens},
    with_ids=lambda body: body | {"return_token_ids": True},
    without_turn=lambda body: body | {"add_generation_prompt": False},
    sampled=request.sampled,
    spare_tokens=request.SPARE_TOKENS,
    read=answers.read,
    refusal=request.refusal,
    is_too_long=request.is_too_long,
    follow_up=follow_up.answered,
    prompt_ids=token_ids.prompt,
    first_ids=token_ids.of_first_choice,
    view=_view,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One server, asked over one wire, all on one event loop."""

    server: Server
    asker: Asker
    wire: Wire = CHAT
    _shared: dict[tuple[str, ...], asyncio.Future[Script]] = field(default_factory=dict)

    async def ask(self, body: Json) -> Answer:
        """Post a request that the model answers."""
        return self.wire.read(await self.asker.ask(body))

    async def show_prompt(self, path: str, body: Json) -> tuple[Answer, str | None]:
        """Post a request whose prompt the server shows; give the answer and the prompt's text."""
        answer = self.wire.read(await self.asker.render(path, body))
        return answer, await self.asker.detokenize(list(self.wire.prompt_ids(answer)))

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
