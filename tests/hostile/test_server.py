"""Hostile servers, by name: each is an error that says why, soon, in little memory, kept short."""

from __future__ import annotations

import asyncio
import socket
import threading
import zlib
from functools import partial

import pytest

from conformance.base import sse
from conformance.base.jsonvalue import commas_and_brackets
from conformance.base.sse import Read, line_ends
from conformance.client import probe
from conformance.client.live import KEPT, KEPT_PIECES, Limits, Live
from conformance.client.probe import ProbeProblem
from conformance.commands import judged_file
from conformance.commands.judged_file import Basis
from conformance.terms.exchange import Exchange
from conformance.wires.registry import DEFAULT
from tests.hostile.limits import limits
from tests.servers import STREAM_HEAD, Behave, piece, read_request, serve

LIMITS = Limits(
    connect=2,
    first_byte=3,
    silence=3,
    whole=10,
    patience=0,
    size=2_000_000,
    pieces=5_000,
    line_ends=200_000,
    commas_and_brackets=600_000,
)
JSON_HEAD = STREAM_HEAD.replace(b"text/event-stream", b"application/json")
CODED_HEAD = JSON_HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")
TOO_LARGE = f"a body of more than {LIMITS.size} bytes"
MANY_LINES = f"a body of more than {LIMITS.line_ends} line ends"
MANY_VALUES = f"a body of more than {LIMITS.commas_and_brackets} commas and opening brackets"


def endless(head: bytes, data: bytes, connection: socket.socket, over: threading.Event) -> None:
    """Send the same without end."""
    read_request(connection)
    connection.sendall(head)
    while not over.is_set():
        connection.sendall(data)


def packed() -> bytes:
    """Give half a megabyte that decodes to half a gigabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first, more = (
        packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2)
    )
    return first + more * 500


def bomb(connection: socket.socket, over: threading.Event) -> None:
    """Send what grows when it is decoded."""
    read_request(connection)
    connection.sendall(CODED_HEAD + piece(packed()))
    over.wait()


MODES: dict[str, tuple[Behave, str]] = {
    "endless-events": (
        partial(endless, STREAM_HEAD, piece(b'data: {"choices": []}\n\n' * 1000)),
        TOO_LARGE,
    ),
    "endless-newlines": (partial(endless, STREAM_HEAD, piece(b"\n" * 65_536)), MANY_LINES),
    "tiny-events": (partial(endless, STREAM_HEAD, piece(b"a\r\r" * 20_000)), MANY_LINES),
    "endless-comment": (partial(endless, STREAM_HEAD, piece(b":" * 65_536)), TOO_LARGE),
    "endless-json": (partial(endless, JSON_HEAD, piece(b"[" * 65_536)), MANY_VALUES),
    "endless-calls": (partial(endless, JSON_HEAD, piece(b"{}," * 20_000)), MANY_VALUES),
    "endless-string": (partial(endless, JSON_HEAD, piece(b"x" * 65_536)), TOO_LARGE),
    "crumbs": (
        partial(endless, STREAM_HEAD, piece(b":") * 10_000),
        f"a body in more than {LIMITS.pieces} pieces",
    ),
    "bomb": (
        bomb,
        "content-encoding: gzip, where accept-encoding allowed only identity",
    ),
    "endless-headers": (partial(endless, b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"), "RemoteProtocol"),
    "endless-status": (partial(endless, b"", b"HTTP/1.1 100 Continue\r\n\r\n"), ""),
    "endless-refusal": (
        partial(endless, JSON_HEAD.replace(b"200 OK", b"400 no"), piece(b" " * 65_536)),
        TOO_LARGE,
    ),
}


def ask(url: str, *, stream: bool) -> Exchange:
    async def once() -> Exchange:
        live = Live(url, limits=LIMITS, concurrency=1)
        try:
            return await live.send(DEFAULT.path, {"model": "m", "messages": [], "stream": stream})
        finally:
            await live.close()

    return asyncio.run(once())


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "complete"])
@pytest.mark.parametrize("mode", MODES)
def test_a_hostile_answer_is_an_error_that_is_kept_short(mode: str, stream: bool) -> None:
    behave, told = MODES[mode]
    with serve(behave) as url, limits(seconds=40, megabytes=300):
        found = ask(url, stream=stream)
    assert found.error is not None
    assert found.error.startswith(told or ("waited 3 s" if stream else "no end after 10 s"))
    assert len(found.body) <= KEPT
    assert len(found.reads) <= KEPT_PIECES + 1


@pytest.mark.parametrize("mode", MODES)
def test_a_hostile_answer_to_the_probe_is_said(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "DOCUMENT", 5)
    with (
        serve(MODES[mode][0]) as url,
        limits(seconds=40, megabytes=300),
        pytest.raises(ProbeProblem) as caught,
    ):
        probe.Probe(url, patience=1, greeting=DEFAULT.greeting).models()
    assert url in str(caught.value)
    assert len(str(caught.value)) < 500


CALLS = b'"index":0,"delta":{"tool_calls":['
WORST: dict[str, tuple[bytes, bytes, bytes]] = {
    "tiny-events": (b"data: {}\n\n", b"a\r\r", b""),
    "empty-chunks": (b"", b"data: {}\n\n", b""),
    "calls": (b"", b'data: {"choices":[{%s{"index":0}]}}]}\n\n' % CALLS, b""),
    "one-chunk-of-calls": (b'data: {"choices":[{%s' % CALLS, b"{},", b"0]}}]}\n\n"),
    "one-chunk-of-choices": (b'data: {"choices":[', b"{},", b"0]}\n\n"),
    "complete-calls": (
        b'{"choices":[{"index":0,"message":{"tool_calls":[',
        b"{},",
        b"0]}}]}",
    ),
}
"""What takes longest to judge: how it begins, what it repeats, how it ends."""
LONGEST = Limits()


def largest(head: bytes, part: bytes, tail: bytes) -> bytes:
    """Give the largest of such answers that is recorded whole."""
    costs = (len, line_ends, commas_and_brackets)
    most = (LONGEST.size, LONGEST.line_ends, LONGEST.commas_and_brackets)
    times = min(
        (limit - cost(head + tail)) // cost(part)
        for limit, cost in zip(most, costs, strict=True)
        if cost(part)
    )
    return head + part * times + tail


@pytest.mark.slow
@pytest.mark.parametrize("name", WORST)
def test_the_worst_that_is_recorded_whole_is_judged_in_little_time(name: str) -> None:
    body = largest(*WORST[name])
    with limits(seconds=60, megabytes=1_000):
        judged = judged_file.judge(name, body, Basis())
    assert judged.outcome == "findings"


PARTS = {
    "newlines": b"\n",
    "windows-newlines": b"\r\n",
    "comments": b":\n",
    "fields": b"a\n",
    "events": b"data:\n\n",
    "one-line": b"data",
}
"""What takes longest to cut into events."""


@pytest.mark.parametrize("name", PARTS)
def test_a_body_is_cut_into_events_in_little_time(name: str) -> None:
    part = PARTS[name]
    times = 1_000_000 // len(part)
    with limits(seconds=15, megabytes=800):
        found = sse.read([Read(0.0, part * times)])
    assert len(found.events) == (times if name == "events" else 0)
