"""The engine waits for its API server, and nothing waits for ever."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from conformance.replay import beat
from conformance.replay.beat import Beat, Ear

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Pair]:
    server, engine = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    yield server, engine
    server.close()
    engine.close()


def test_an_engine_that_nobody_greeted_does_not_wait(ends: Pair) -> None:
    began = time.monotonic()
    assert Beat(ends[1]).wait({"a": 1}) is False
    assert time.monotonic() - began < 1


def test_an_engine_goes_on_when_its_server_has_taken_what_was_said(ends: Pair) -> None:
    taken: dict[str, int] = {"a": 0}

    async def serve() -> bool:
        ear = Ear(
            asyncio.get_running_loop(), ends[0], lambda name, count: taken.get(name, 99) >= count
        )
        waiting = asyncio.create_task(asyncio.to_thread(Beat(ends[1]).wait, {"a": 2, "gone": 7}))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        taken["a"] = 2
        answer = await waiting
        ear.loop.remove_reader(ends[0].fileno())
        return answer

    assert asyncio.run(serve()) is True


def test_a_server_that_does_not_take_what_was_said_stops_nobody_for_long(
    ends: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beat, "PATIENCE_SECONDS", 0.05)
    ends[0].send(b"0")
    assert Beat(ends[1]).wait({"a": 1}) is False


def test_a_late_reply_is_not_taken_for_that_to_the_next_step(
    ends: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beat, "PATIENCE_SECONDS", 0.05)
    ends[0].send(b"0")
    engine = Beat(ends[1])
    assert engine.wait({"a": 1}) is False
    ends[0].send(b"1")
    assert engine.wait({"a": 2}) is False
    ends[0].send(b"2")
    ends[0].send(b"3")
    assert engine.wait({"a": 3}) is True


def test_a_server_that_is_gone_stops_nobody(ends: Pair) -> None:
    ends[0].send(b"0")
    engine = Beat(ends[1])
    ends[0].close()
    assert engine.wait({"a": 1}) is False
