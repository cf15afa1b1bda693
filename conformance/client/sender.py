"""What takes a request and gives an exchange: a server, or a recording of one."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Protocol

from conformance.base.jsonvalue import Json
from conformance.terms.exchange import Exchange

DETOKENIZE = "/detokenize"


READS = {"detokenize", "render", "tokenize"}
"""The last parts of paths where a server reads text or tokens, and no model answers."""


CONCURRENCY = 32
"""Requests at once, by default."""


def is_answered(path: str) -> bool:
    """Whether a model answers at a path."""
    return path.rpartition("/")[2] not in READS


def is_trouble(status: int | None) -> bool:
    """Whether a status says that the server is busy, down or not reached.

    A plain 500 is the server's own answer to this request.
    """
    return status is not None and (status == 429 or status > 500)


class NotAsked(Exception):
    """A request was not sent, by the user's own wish; the message says why."""


ASKED_FOR: ContextVar[str] = ContextVar("asked for", default="")
"""Which item a request is for, where one request may serve several."""


class Sender(Protocol):
    """What takes a request and gives an exchange: a server, or a tape of one."""

    async def send(self, path: str, body: Json) -> Exchange:
        """Post a body; every outcome is an `Exchange`, or `NotAsked`."""

    async def close(self) -> None:
        """End all that is under way."""


class Asker:
    """Asks what the suite wants to know."""

    def __init__(self, sender: Sender) -> None:
        """Ask through a sender."""
        self._sender = sender

    async def close(self) -> None:
        """Close all connections."""
        await self._sender.close()

    async def ask(self, path: str, body: Json) -> Exchange:
        """Post a request of a wire; every outcome is an `Exchange`."""
        return await self._sender.send(path, body)

    async def detokenize(self, tokens: list[int]) -> str | None:
        """Ask for the text of tokens; `None` where the server cannot say."""
        if not tokens:
            return None
        exchange = await self._sender.send(DETOKENIZE, {"tokens": tokens})
        if exchange.error is not None or exchange.status != 200:
            return None
        try:
            found: Json = json.loads(exchange.body)
        except (ValueError, RecursionError):
            return None
        said = found.get("prompt") if isinstance(found, dict) else None
        return said if isinstance(said, str) else None
