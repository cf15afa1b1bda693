"""Keeps an engine from overtaking its API server, which joins what is waiting into one delta.

Before a step, the engine says how far each streamed answer was said. The API server replies when
its streams have taken all of that. So a machine under load answers slowly, and not in other deltas.
The two talk through a pair of sockets, which the engine inherits from the API server.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from functools import cache
from types import FrameType
from typing import Any

PATIENCE_SECONDS = 5.0
"""How long an engine waits for its server; a client that does not read must not stop the others."""
LOOK_AGAIN_SECONDS = 0.0002
MOST_BYTES = 1 << 20

Taken = Callable[[str, int], bool]
"""Whether the stream of a request, by its name, has taken that many tokens."""


class Beat:
    """The engine's side."""

    def __init__(self, line: socket.socket) -> None:
        """Take the engine's end of the pair."""
        self.line = line
        self.number = 0
        self.is_heard = False

    def wait(self, said: Mapping[str, int]) -> bool:
        """Wait until the server has taken so many tokens of each request.

        False if it does not listen, or does not take them in time.
        """
        self.is_heard = self.is_heard or self._was_greeted()
        if not self.is_heard:
            return False
        self.number += 1
        self.line.settimeout(PATIENCE_SECONDS)
        try:
            self.line.send(json.dumps([self.number, dict(said)]).encode())
            while int(self.line.recv(MOST_BYTES)) != self.number:
                pass  # the reply to a step that was not waited for to the end
        except OSError:
            return False
        return True

    def _was_greeted(self) -> bool:
        self.line.setblocking(False)
        try:
            return bool(self.line.recv(MOST_BYTES))
        except OSError:
            return False


class Ear:
    """The API server's side."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, line: socket.socket, has_taken: Taken
    ) -> None:
        """Listen from now on, and say so."""
        self.loop, self.line, self.has_taken = loop, line, has_taken
        line.setblocking(False)
        loop.add_reader(line.fileno(), self.hear)
        line.send(b"0")

    def hear(self) -> None:
        """Read what the engine says."""
        try:
            number, said = json.loads(self.line.recv(MOST_BYTES))
        except (OSError, ValueError):  # the engine is gone
            self.loop.remove_reader(self.line.fileno())
            return
        self.look(number, said)

    def look(self, number: int, said: Mapping[str, int]) -> None:
        """Reply if all was taken; else look again soon."""
        if not all(self.has_taken(name, count) for name, count in said.items()):
            self.loop.call_later(LOOK_AGAIN_SECONDS, self.look, number, said)
            return
        try:
            self.line.send(str(number).encode())
        except OSError:
            self.loop.remove_reader(self.line.fileno())


@cache
def pair() -> tuple[socket.socket, socket.socket]:
    """Give the ends of the API server and of the engine; made before the engine is forked."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


@cache
def listen(loop: asyncio.AbstractEventLoop, states: _States) -> Ear:
    """Listen once in an event loop of the API server."""
    return Ear(loop, pair()[0], states.has_taken)


class _States:
    """vLLM's own record of the requests under way."""

    def __init__(self, states: Mapping[str, Any]) -> None:
        self.states = states

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _States) and self.states is other.states

    def __hash__(self) -> int:
        return id(self.states)

    def has_taken(self, name: str, count: int) -> bool:
        """Whether a stream took so many tokens; one that is gone has nothing to take."""
        state = self.states.get(name)
        if state is None or state.detokenizer is None or state.queue is None:
            return True
        taken: bool = len(state.detokenizer.output_token_ids) >= count
        return taken and state.queue.output is None


def serve(frame: FrameType | None) -> None:
    """Listen in the API server, if this vLLM shows its requests up the stack.

    Where it does not, the engine hears nothing and keeps to a pace.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    while frame is not None:
        asking = frame.f_locals.get("self")
        for one in (asking, getattr(asking, "engine_client", None)):
            states = getattr(getattr(one, "output_processor", None), "request_states", None)
            if states is not None:
                listen(loop, _States(states))
                return
        frame = frame.f_back
