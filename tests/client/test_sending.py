"""Every exchange ends within its limits, and keeps what came and nothing that is secret."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from conformance.base.jsonvalue import Json
from conformance.client.access import Access
from conformance.client.live import Limits, Live
from conformance.client.retry import Patience
from conformance.client.sender import DETOKENIZE, Asker
from conformance.reference import FAULTS, Reference
from conformance.terms.exchange import Exchange
from conformance.wires.registry import DEFAULT
from tests.servers import STREAM_HEAD, Behave, closed_port, piece, read_request, serve

LIMITS = Limits(connect=2, first_byte=5, silence=5, whole=10, size=100_000, patience=0)
CHAT = DEFAULT.path
KEY = "sk-very-secret-0123456789"
KEYED = Access(api_key=KEY)
EVENT = b'data: {"choices": []}\n\n'


def ask(
    url: str,
    limits: Limits = LIMITS,
    *,
    access: Access = KEYED,
    stream: bool = True,
    **fields: Any,
) -> Exchange:
    async def once() -> Exchange:
        asker = Asker(Live(url, access, limits=limits, concurrency=4))
        try:
            return await asker.ask(CHAT, body(stream=stream, **fields))
        finally:
            await asker.close()

    started = time.monotonic()
    found = asyncio.run(once())
    assert time.monotonic() - started < limits.whole + 5
    return found


def body(*, stream: bool = True, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Hello"}]
    return {"model": "reference", "messages": messages, "stream": stream, **fields}


def answer(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(STREAM_HEAD + piece(EVENT) + piece(b"data: [DONE]\n\n") + b"0\r\n\r\n")
    over.wait()


def last_words(words: bytes, health: bytes) -> Behave:
    """Give a server that answers a request like that, and says then how it is."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        asked = read_request(connection)
        if asked.startswith(b"GET /health HTTP"):
            connection.sendall(b"HTTP/1.1 " + health + b"\r\ncontent-length: 0\r\n\r\n")
        else:
            connection.sendall(words)

    return behave


FAILED = (
    b'HTTP/1.1 500 no\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{"error": {}}'
)
ENDED = STREAM_HEAD + piece(EVENT) + piece(b'data: {"error": {}}\n\n') + b"0\r\n\r\n"


@pytest.mark.parametrize("words", [FAILED, ENDED], ids=["whole", "in a stream"])
@pytest.mark.parametrize(
    ("health", "error"),
    [
        (b"200 OK", None),
        (b"404 Not Found", None),
        (b"500 no", None),
        (
            b"503 no",
            "the server failed, and was down or not well right after that; GET /health: 503",
        ),
    ],
)
def test_what_a_server_fails_while_it_dies_is_no_answer(
    words: bytes, health: bytes, error: str | None
) -> None:
    with serve(last_words(words, health)) as url:
        found = ask(url)
    assert (found.status, found.error) == (500 if words == FAILED else 200, error)
    assert b'{"error": {}}' in found.body


def test_what_a_server_fails_before_it_is_gone_is_no_answer() -> None:
    def last(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            read_request(connection)
            listening.close()
            connection.sendall(FAILED)

    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=last, args=(listening,), daemon=True)
    thread.start()
    found = ask(f"http://127.0.0.1:{listening.getsockname()[1]}/v1")
    thread.join(5)
    assert found.status == 500
    assert found.error is not None
    assert "GET /health: ConnectError" in found.error


def test_a_whole_answer_that_speaks_of_errors_is_one() -> None:
    said = piece(b'data: {"choices": [], "a": "\\"error\\""}\n\n')
    with serve(last_words(STREAM_HEAD + said + b"0\r\n\r\n", b"200 OK")) as url:
        found = ask(url)
    assert (found.status, found.error) == (200, None)


def say_nothing(connection: socket.socket, over: threading.Event) -> None:
    over.wait()


def stall(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(STREAM_HEAD + piece(EVENT))
    over.wait()


def stall_in_the_headers(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(STREAM_HEAD[:40])
    over.wait()


def go_on_for_ever(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(STREAM_HEAD)
    while not over.wait(0.02):
        connection.sendall(piece(b": still here\n\n"))


def close_early(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(STREAM_HEAD + piece(EVENT))


def close_at_once(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)


def flood(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(STREAM_HEAD)
    while not over.is_set():
        connection.sendall(piece(b"data: " + b"x" * 50_000))


def talk_nonsense(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


def test_an_answer_is_kept_byte_for_byte_with_its_times() -> None:
    with serve(answer) as url:
        found = ask(url)
    assert (found.error, found.status) == (None, 200)
    assert found.body == EVENT + b"data: [DONE]\n\n"
    times = [read.at for read in found.reads]
    assert 0 < times[0] <= times[-1] <= found.seconds


def test_the_request_is_sent_as_it_is_kept() -> None:
    sent: list[bytes] = []

    def listen(connection: socket.socket, over: threading.Event) -> None:
        sent.append(read_request(connection))
        connection.sendall(STREAM_HEAD + b"0\r\n\r\n")

    with serve(listen) as url:
        found = ask(url, vllm_xargs={"conformance_script": "ö"}, stream_interval=5)
    head, _, text = sent[0].partition(b"\r\n\r\n")
    assert json.loads(text) == found.request
    assert b"POST /v1/chat/completions " in head
    assert f"Bearer {KEY}".encode() in head


def test_a_refused_connection_is_an_error() -> None:
    found = ask(closed_port())
    assert found.status is None
    assert found.error is not None
    assert "ConnectError" in found.error


@pytest.mark.parametrize(
    ("behave", "limits", "error"),
    [
        (say_nothing, {"first_byte": 0.4}, "waited 0.4 s for the first byte"),
        (stall_in_the_headers, {"first_byte": 0.4}, "waited 0.4 s for the first byte"),
        (stall, {"silence": 0.4}, "waited 0.4 s for more bytes"),
        (go_on_for_ever, {"whole": 0.8}, "no end after 0.8 s"),
        (flood, {}, "a body of more than 100000 bytes"),
        (close_early, {}, "RemoteProtocolError: peer closed connection"),
        (close_at_once, {}, "RemoteProtocolError: Server disconnected"),
        (talk_nonsense, {}, "RemoteProtocolError: "),
    ],
)
def test_an_answer_that_does_not_end_well_is_an_error_within_its_limit(
    behave: Behave, limits: dict[str, Any], error: str
) -> None:
    with serve(behave) as url:
        found = ask(url, replace(LIMITS, **limits))
    assert found.error is not None
    assert found.error.startswith(error)


def test_a_complete_answer_may_take_the_whole_time_to_begin() -> None:
    def think(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        over.wait(0.6)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    with serve(think) as url:
        found = ask(url, replace(LIMITS, first_byte=0.2), stream=False)
    assert (found.error, found.body) == (None, b"{}")


def test_what_came_before_a_stall_is_kept() -> None:
    with serve(stall) as url:
        found = ask(url, replace(LIMITS, silence=0.3))
    assert (found.status, found.body) == (200, EVENT)


@pytest.mark.parametrize(
    ("name", "status"), [("status-500", 500), ("refuses", 400), ("html-page", 200)]
)
def test_an_answer_with_a_status_is_recorded_whole(name: str, status: int) -> None:
    tools = [{"type": "function", "function": {"name": "look"}}]
    with Reference("hermes", fault=FAULTS[name]) as running:
        found = ask(running.url, tools=tools)
    assert (found.status, found.error) == (status, None)
    assert found.body


@pytest.mark.parametrize("status", [429, 501, 502, 503, 504])
def test_a_server_that_is_busy_or_out_of_reach_has_not_answered(status: int) -> None:
    def busy(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        head = f"HTTP/1.1 {status} Later\r\ncontent-length: 4\r\n\r\nwait"
        connection.sendall(head.encode())

    with serve(busy) as url:
        found = ask(url)
    assert (found.status, found.error) == (status, f"the server answered {status}: wait")


def test_a_failed_exchange_harms_no_other() -> None:
    turns = itertools.count()

    def alternate(connection: socket.socket, over: threading.Event) -> None:
        (close_early if next(turns) % 2 else answer)(connection, over)

    async def four() -> list[Exchange]:
        asker = Asker(Live(url, limits=replace(LIMITS, silence=2), concurrency=4))
        found = await asyncio.gather(*(asker.ask(CHAT, body(user=str(n))) for n in range(4)))
        await asker.close()
        return found

    with serve(alternate) as url:
        found = asyncio.run(four())
    assert [one.request["user"] for one in found] == ["0", "1", "2", "3"]
    assert sorted(one.error is None for one in found) == [False, False, True, True]


def test_no_more_requests_are_under_way_than_allowed() -> None:
    lock, under_way, most = threading.Lock(), [0], [0]

    def count(connection: socket.socket, over: threading.Event) -> None:
        while not over.is_set():
            read_request(connection)
            with lock:
                under_way[0] += 1
                most[0] = max(most[0], under_way[0])
            over.wait(0.05)
            with lock:
                under_way[0] -= 1
            connection.sendall(STREAM_HEAD + b"0\r\n\r\n")

    async def eight() -> None:
        asker = Asker(Live(url, limits=LIMITS, concurrency=3))
        await asyncio.gather(*(asker.ask(CHAT, body()) for _ in range(8)))
        await asker.close()

    with serve(count) as url:
        asyncio.run(eight())
    assert most == [3]


def repeat_the_key(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    told = f"wrong key {KEY}".encode()
    connection.sendall(b"HTTP/1.1 401 no\r\ncontent-length: %d\r\n\r\n%s" % (len(told), told))


@pytest.mark.parametrize("behave", [answer, close_early, talk_nonsense, repeat_the_key])
def test_no_secret_is_in_an_exchange(behave: Behave) -> None:
    with serve(behave) as url:
        found = repr(ask(url))
    assert KEY not in found
    assert "secret" not in found


def test_what_reads_an_answer_goes_before_the_next_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    async def through(patience: Patience, asked: Json, once: object) -> Exchange:
        order.append(asked["name"])
        await asyncio.sleep(0)
        return Exchange(request=asked, status=200, reads=())

    async def send_all() -> None:
        live = Live("http://127.0.0.1:9/v1", limits=Limits(), concurrency=1)
        asked = [(CHAT, "first"), (CHAT, "next"), (DETOKENIZE, "read")]
        await asyncio.gather(*(live.send(path, {"name": name}) for path, name in asked))
        await live.close()

    monkeypatch.setattr(Patience, "through", through)
    asyncio.run(send_all())
    assert order == ["first", "read", "next"]
