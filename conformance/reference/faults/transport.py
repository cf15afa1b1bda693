"""Faults of the transport: bytes, headers, and connections that do not end as they ought to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import HTMLResponse, JSONResponse, Response

from conformance.reference.faults.registry import fault

GIGANTIC = 64_000_000
PAUSE = 0.05


@fault("wire", "sse.done")
async def no_done(events: list[bytes]) -> AsyncIterator[bytes]:
    """Ends without `[DONE]`.

    A client cannot tell such an end from a cut.
    """
    for event in events[:-1]:
        yield event


@fault("wire", "sse.utf8")
async def half_character(events: list[bytes]) -> AsyncIterator[bytes]:
    """Ends an event in the middle of a character, and loses the rest of it.

    A server that decodes bytes token by token; openai-python raises UnicodeDecodeError.
    """
    for event in events:
        broken = next((at for at, byte in enumerate(event) if byte >= 0xC0), None)
        yield event if broken is None else event[: broken + 1] + b"\n\n"


@fault("wire", "sse.bom")
async def byte_order_mark(events: list[bytes]) -> AsyncIterator[bytes]:
    """Begins with a byte-order mark.

    EventSource ignores it, openai-python loses the first event.
    """
    yield b"\xef\xbb\xbf"
    for event in events:
        yield event


@fault("wire", "err.mid-stream")
async def error_inside(events: list[bytes]) -> AsyncIterator[bytes]:
    """Sends an error in place of the second half of the stream.

    A parser that raised; some clients return what they have as a whole answer.
    """
    for event in events[: len(events) // 2]:
        yield event
    yield b'data: {"error": {"message": "list index out of range", "code": 500}}\n\n'
    yield events[-1]


@fault("wire", "error")
async def stalls(events: list[bytes]) -> AsyncIterator[bytes]:
    """Sends half of the stream, then nothing, and keeps the connection."""
    for event in events[: len(events) // 2]:
        yield event
    await asyncio.Event().wait()


@fault("wire", "error")
async def never_ends(events: list[bytes]) -> AsyncIterator[bytes]:
    """Sends keep-alive comments for ever after the last chunk."""
    for event in events[:-1]:
        yield event
    while True:
        yield b": still here\n\n"
        await asyncio.sleep(PAUSE)


@fault("wire", "error")
async def closes_early(events: list[bytes]) -> AsyncIterator[bytes]:
    """Closes the connection in the middle of the stream.

    openai-python raises APIConnectionError, others return a truncated call as a whole one.
    """
    for event in events[: len(events) // 2]:
        yield event
    raise ConnectionAbortedError("as the fault closes-early demands")


@fault("wire", "error")
async def gigantic_event(events: list[bytes]) -> AsyncIterator[bytes]:
    """Begins an event that is larger than any client can want."""
    yield events[0]
    yield b"data: "
    for _ in range(GIGANTIC // 1_000_000):
        yield b" " * 1_000_000
        await asyncio.sleep(0)


@fault("response", "sse.content-type")
def wrong_content_type(response: Response) -> Response:
    """Announces a stream as JSON."""
    response.headers["content-type"] = "application/json"
    return response


@fault("response", "msg.json")
def html_page(response: Response) -> Response:
    """Answers with the page of a proxy, and status 200."""
    return HTMLResponse("<html><body><h1>Welcome</h1></body></html>")


@fault("response", "http.ok")
def status_500(response: Response) -> Response:
    """Answers with status 500, as for a parser that raised."""
    error = {"message": "list index out of range", "type": "server_error"}
    return JSONResponse({"error": error}, 500)


@fault("response", "http.ok")
def refuses(response: Response) -> Response:
    """Refuses a good request with status 400."""
    error = {"message": "tools are not supported", "type": "invalid_request_error"}
    return JSONResponse({"error": error}, 400)


@fault("response", "msg.required")
def error_with_status_200(response: Response) -> Response:
    """Answers with an error, and status 200.

    openai-python returns an object whose choices are None.
    """
    error = {"message": "list index out of range", "type": "server_error"}
    return JSONResponse({"error": error})
