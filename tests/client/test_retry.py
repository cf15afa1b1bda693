"""A server that is busy or gone is waited for, by all exchanges together and within limits."""

from __future__ import annotations

import asyncio
import email.utils
import itertools
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from conformance.client.live import Limits, Live
from conformance.client.retry import REAL_TIME, Clock, Patience, Waits, seconds_of
from conformance.client.sender import Asker
from conformance.terms.exchange import Exchange
from conformance.wires.registry import DEFAULT
from tests.clock import Time
from tests.servers import STREAM_HEAD, Behave, closed_port, piece, read_request, serve

LIMITS = Limits(connect=10, first_byte=30, silence=30, whole=60, patience=30, pause=0.02)
EVENT = b'data: {"choices": []}\n\n'


def ask_all(
    url: str,
    count: int = 1,
    limits: Limits = LIMITS,
    concurrency: int = 8,
    clock: Clock = REAL_TIME,
) -> tuple[list[Exchange], Waits]:
    async def asked() -> tuple[list[Exchange], Waits]:
        live = Live(url, limits=limits, concurrency=concurrency, clock=clock)
        asker = Asker(live)
        bodies: list[dict[str, Any]] = [
            {"model": "m", "messages": [], "stream": True, "user": str(number)}
            for number in range(count)
        ]
        try:
            asked = [asker.ask(DEFAULT.path, body) for body in bodies]
            return list(await asyncio.gather(*asked)), live.waits
        finally:
            await asker.close()

    return asyncio.run(asked())


def refuse(connection: socket.socket, status: int = 429, header: str = "") -> None:
    head = f"HTTP/1.1 {status} no\r\ncontent-length: 4\r\n{header}\r\nwait"
    connection.sendall(head.encode())


def answer(connection: socket.socket) -> None:
    connection.sendall(STREAM_HEAD + piece(EVENT) + b"0\r\n\r\n")


def refusing_at_first(times: int, status: int = 429, header: str = "") -> Behave:
    turns = itertools.count()

    def behave(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        if next(turns) < times:
            refuse(connection, status, header)
        else:
            answer(connection)

    return behave


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_and_only_the_last_answer_counts(status: int) -> None:
    started = time.monotonic()
    with serve(refusing_at_first(3, status)) as url:
        (found,), waits = ask_all(url)
    assert time.monotonic() - started > 0.02 + 0.04 + 0.08
    assert (found.status, found.error, found.body) == (200, None, EVENT)
    assert waits.times == 3
    assert waits.seconds == pytest.approx(0.02 + 0.04 + 0.08, rel=0.01)


def test_the_time_that_a_server_asks_for_is_waited() -> None:
    time = Time()
    with serve(refusing_at_first(1, header="Retry-After: 9\r\n")) as url:
        (found,), waits = ask_all(url, clock=time.clock)
    assert found.status == 200
    assert time.passed == 9
    assert (waits.times, waits.seconds) == (1, 9)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_server_that_may_have_begun_is_not_asked_again(status: int) -> None:
    with serve(refusing_at_first(1, status)) as url:
        (found,), waits = ask_all(url)
    assert (found.status, waits.times) == (status, 0)


def test_an_answer_that_is_cut_is_not_asked_for_again() -> None:
    asked = itertools.count()

    def cut(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        next(asked)
        connection.sendall(STREAM_HEAD + piece(EVENT))

    with serve(cut) as url:
        (found,), waits = ask_all(url)
    assert found.error is not None
    assert (next(asked), waits.times) == (1, 0)


def test_a_storm_of_refusals_is_not_answered_by_a_storm() -> None:
    lock, under_way, most = threading.Lock(), [0], [0]
    asked, all_at_once = itertools.count(), threading.Barrier(8)

    def limit(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        first = next(asked) < 8
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
            free = under_way[0] <= 4
        if first:
            all_at_once.wait(20)  # so that the first are too many, however slow the machine is
        with lock:
            under_way[0] -= 1
        (answer if free else refuse)(connection)

    time = Time()
    with serve(limit) as url:
        found, waits = ask_all(url, count=40, clock=time.clock)
    assert [one.error for one in found] == [None] * 40
    assert most[0] == 8
    assert waits.times > 0
    assert next(asked) < 40 * 2


def test_while_the_server_is_to_be_left_alone_nobody_asks_it() -> None:
    time = Time()
    asked: list[float] = []
    turns = itertools.count()

    def behave(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        asked.append(time.passed)
        if next(turns) == 0:
            refuse(connection, header="Retry-After: 9\r\n")
        else:
            answer(connection)

    with serve(behave) as url:
        found, _ = ask_all(url, count=5, concurrency=1, clock=time.clock)
    assert [one.error for one in found] == [None] * 5
    assert asked == [0, 9, 9, 9, 9, 9]


def test_beyond_the_attempts_it_is_an_error() -> None:
    with serve(refusing_at_first(99)) as url:
        (found,), waits = ask_all(url, limits=replace(LIMITS, attempts=3))
    assert found.status == 429
    told = "the server answered 429: wait (asked 3 times, with 0.1 s between)"
    assert (found.error, waits.times) == (told, 2)


def test_a_server_that_only_refuses_is_asked_no_more_after_the_limit() -> None:
    asked = itertools.count()

    def behave(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        next(asked)
        refuse(connection)

    time = Time()
    with serve(behave) as url:
        limits = replace(LIMITS, patience=0.5)
        found, _ = ask_all(url, count=50, limits=limits, clock=time.clock)
    assert 0 < time.passed <= 0.5
    assert all(one.error is not None and "429" in one.error for one in found)
    unasked = [one for one in found if one.status is None]
    assert len(unasked) >= 40
    assert all("the server is asked no more" in (one.error or "") for one in unasked)
    assert len({one.error for one in unasked}) == 1
    assert next(asked) < 30


def test_a_server_that_asks_for_an_hour_is_not_waited_for() -> None:
    time = Time()
    with serve(refusing_at_first(1, header="Retry-After: 3600\r\n")) as url:
        found, waits = ask_all(url, count=2, concurrency=1, clock=time.clock)
    assert time.passed == 0
    assert [one.status for one in found] == [429, None]
    assert found[0].error == "the server answered 429: wait"
    assert "asked to wait 3600 s" in (found[1].error or "")
    assert waits.times == 0


def test_a_server_that_has_gone_costs_the_limit_once() -> None:
    time = Time()
    limits = replace(LIMITS, patience=0.6)
    found, _ = ask_all(closed_port(), count=60, limits=limits, clock=time.clock)
    assert 0 < time.passed <= 0.6
    assert all("ConnectError" in (one.error or "") for one in found)
    assert sum("is asked no more" in (one.error or "") for one in found) >= 52


def silent(connection: socket.socket, over: threading.Event) -> None:
    read_request(connection)
    over.wait(5)


def test_a_server_that_has_gone_silent_is_asked_no_more() -> None:
    limits = replace(LIMITS, first_byte=0.2)
    with serve(silent) as url:
        found, waits = ask_all(url, 40, limits, concurrency=8)
    waited = "waited 0.2 s for the first byte"
    over = "the server is asked no more, for none of the last 16 answers came in time, the last one"
    errors = Counter(one.error for one in found)
    assert errors.keys() == {waited, f"{over}: {waited}"}
    assert 16 <= errors[waited] < 16 + 8  # some had begun before the sixteenth was over
    assert waits.times == 0


def test_a_server_that_answers_now_and_then_is_asked_to_the_end() -> None:
    turns = itertools.count(1)

    def now_and_then(connection: socket.socket, over: threading.Event) -> None:
        if next(turns) % 6:
            silent(connection, over)
        else:
            read_request(connection)
            answer(connection)

    with serve(now_and_then) as url:
        found, _ = ask_all(url, 18, replace(LIMITS, first_byte=0.3), concurrency=2)
    assert sum(one.error is None for one in found) == 3


def test_a_server_that_is_started_again_within_the_limit_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
    late: list[socket.socket] = []
    refused = threading.Event()
    note = Patience._note_refusal

    def noting(patience: Patience, *told: Any) -> None:
        refused.set()
        note(patience, *told)

    monkeypatch.setattr(Patience, "_note_refusal", noting)

    def start() -> None:
        refused.wait(10)
        late.append(socket.create_server(address))
        with suppress(OSError):
            while True:
                connection, _ = late[0].accept()
                with connection:
                    read_request(connection)
                    answer(connection)

    thread = threading.Thread(target=start, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{address[1]}/v1"
    found, waits = ask_all(url, count=20, limits=LIMITS)
    late[0].shutdown(socket.SHUT_RDWR)
    late[0].close()
    thread.join(5)
    assert [(one.status, one.error) for one in found] == [(200, None)] * 20
    assert waits.times >= 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (" 30 ", 30),
        ("0", None),
        (None, None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("inf", None),
        ("9" * 40, None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_a_time_to_come_back_is_read(header: str | None, seconds: float | None) -> None:
    assert seconds_of(header) == seconds


def test_a_date_to_come_back_is_read() -> None:
    date = email.utils.formatdate(time.time() + 90, usegmt=True)
    assert seconds_of(date) == pytest.approx(90, abs=2)
