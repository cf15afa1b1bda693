"""What came back from a server: bytes, a prompt, a client's view of them."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.base.jsonvalue import Json
from conformance.base.sse import Read
from conformance.terms.said import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and everything that came back, as raw bytes."""

    request: Json
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    reads: tuple[Read, ...] = ()
    error: str | None = None
    """Why no whole answer came: refused, timed out, cut, too large, 429, 502, 503 …"""
    seconds: float = 0.0

    @property
    def body(self) -> bytes:
        """All bytes of the body."""
        return b"".join(read.data for read in self.reads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a chat template made of a conversation, as the server reads it back."""

    text: str
    """What the model is given, in order to go on as the assistant."""
    bare: str | None = None
    """The same without the generation prompt, where the server can be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientView:
    """What a client library made of an answer."""

    client: str
    """Name and version."""
    calls: tuple[tuple[Call, ...], ...] = ()
    """For each choice."""
    content: tuple[str, ...] = ()
    error: str | None = None
    """What it raised instead."""
    unread: str | None = None
    """Why it was not given the answer."""
