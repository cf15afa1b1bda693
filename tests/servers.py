"""Servers that misbehave, for the tests."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator

from starlette.responses import PlainTextResponse, Response

from conformance.reference.fault import Fault

Behave = Callable[[socket.socket, threading.Event], None]
"""Handles one connection; the event is set when the test is over."""

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    b"set-cookie: session=secret-cookie\r\n\r\n"
)


def piece(data: bytes) -> bytes:
    """Write a chunk of HTTP's chunked coding."""
    return b"%x\r\n%s\r\n" % (len(data), data)


@contextlib.contextmanager
def serve(behave: Behave) -> Iterator[str]:
    """Listen on loopback, a function for each connection; gives the URL up to `/v1`."""
    over = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def handle(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            behave(connection, over)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threads.append(threading.Thread(target=handle, args=(connection,), daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for thread in [accepting, *threads]:
            thread.join(5)


def read_request(connection: socket.socket) -> bytes:
    """Read one request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    length = int(lengths[0].partition(b":")[2]) if lengths else 0
    while len(body) < length:
        body += _receive(connection)
    return head + b"\r\n\r\n" + body


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the client has gone")
    return data


def closed_port() -> str:
    """Give the URL of a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


def busy(times: int, text: str = "later") -> Fault:
    """Make the reference server refuse the first `times` of every four requests."""
    turns = itertools.count()

    def refuse(response: Response) -> Response:
        return PlainTextResponse(text, 429) if next(turns) % 4 < times else response

    return Fault(name="busy", about="Is busy now and then.", owner="error", response=refuse)
