"""Faults of HTTP: headers, statuses, and connections that do not end as they ought to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.types import Receive, Scope, Send

from conformance.reference.chat.faults.registry import fault

GIGANTIC = 64
"""In blocks of a megabyte."""
PAUSE = 0.05


@fault("wire", "error")
async def stalls(events: list[bytes]) -> AsyncIterator[bytes]:
    """Sends half of the stream, then nothing, and keeps the connection.

    An engine that died while its API server lives on; a client without limits waits forever.
    """
    for event in events[: len(events) // 2]:
        yield event
    await asyncio.Event().wait()


@fault("wire", "error")
async def never_ends(events: list[bytes]) -> AsyncIterator[bytes]:
    """Sends keep-alive comments forever after the last chunk.

    A proxy that outlives its server; only a limit on the whole answer ends it.
    """
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


class _Silence(Response):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


@fault("response", "error")
def never_begins(response: Response) -> Response:
    """Takes the request, and never answers.

    A queue that nobody serves; not even a status arrives.
    """
    return _Silence()


@fault("response", "error")
def complete_closes_early(response: Response) -> Response:
    """Closes the connection in the middle of a complete answer.

    A server that was restarted; half of a JSON text is not an answer.
    """

    async def half() -> AsyncIterator[bytes]:
        yield bytes(response.body)[: len(response.body) // 2]
        raise ConnectionAbortedError("as the fault complete-closes-early demands")

    if isinstance(response, StreamingResponse):
        return response
    return StreamingResponse(half(), media_type="application/json")


@fault("wire", "error")
async def gigantic_event(events: list[bytes]) -> AsyncIterator[bytes]:
    """Begins an event that is larger than any client can want.

    An endless loop; a client that keeps everything runs out of memory.
    """
    yield events[0]
    yield b"data: "
    for _ in range(GIGANTIC):
        yield b" " * 1_000_000
        await asyncio.sleep(0)


@fault("response", "http.ok")
def status_500(response: Response) -> Response:
    """Answers with status 500, as for a parser that raised.

    vLLM #9304 and #34932 answered so to requests with tools.
    """
    error = {"message": "list index out of range", "type": "server_error"}
    return JSONResponse({"error": error}, 500)


@fault("response", "error")
def status_503(response: Response) -> Response:
    """Answers with status 503 and a time to come back at.

    A server that is starting or overloaded has said nothing about its parser.
    """
    return PlainTextResponse("no healthy upstream", 503, headers={"retry-after": "1"})


@fault("response", "http.ok")
def refuses(response: Response) -> Response:
    """Refuses a good request with status 400.

    A model whose template has no place for tools, or a server that was started without a parser.
    """
    error = {"message": "tools are not supported", "type": "invalid_request_error"}
    return JSONResponse({"error": error}, 400)


@fault("response", "sse.content-type")
def wrong_content_type(response: Response) -> Response:
    """Announces a stream as JSON.

    EventSource refuses it, and proxies hold it back until it is whole.
    """
    response.headers["content-type"] = "application/json"
    return response


@fault("response", "msg.json")
def html_page(response: Response) -> Response:
    """Answers with the page of a proxy, and status 200.

    openai-python returns the page as text, where its caller expects an object.
    """
    return HTMLResponse("<html><body><h1>Welcome</h1></body></html>")


@fault("response", "msg.required")
def error_with_status_200(response: Response) -> Response:
    """Answers with an error, and status 200.

    openai-python returns an object whose choices are None.
    """
    error = {"message": "list index out of range", "type": "server_error"}
    return JSONResponse({"error": error})
