"""Faults that the reference server can be told to have, one at a time.

A fault spares requests without tools, as those by which the suite asks what a server can do.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Literal

from starlette.responses import HTMLResponse, JSONResponse, Response

from conformance.formats import FORMATS
from conformance.model import Json
from conformance.reference.fault import Fault

FAULTS: dict[str, Fault] = {}
"""Every fault by its name."""

LEAK = "".join(dict.fromkeys(format.markup[0] for format in FORMATS.values()))
GIGANTIC = 64_000_000
PAUSE = 0.05

Part = Literal["chunks", "body", "wire", "response"]


def fault(part: Part, owner: str) -> Callable[[Any], Any]:
    """Enter a function that bends one part of an answer into the registry."""

    def enter(bend: Any) -> Any:
        name = bend.__name__.replace("_", "-")
        about = " ".join((bend.__doc__ or "").split())
        bends: dict[str, Any] = {part: bend}
        FAULTS[name] = Fault(name=name, about=about, owner=owner, **bends)
        return bend

    return enter


def _entries(chunks: list[Json]) -> Iterator[Json]:
    for chunk in chunks:
        for choice in chunk["choices"]:
            yield from choice["delta"].get("tool_calls", ())


def _without_call(chunks: list[Json], index: int) -> list[Json]:
    return [chunk for chunk in chunks if all(e["index"] != index for e in _entries([chunk]))]


def _finishes(chunk: Json) -> bool:
    return any(choice["finish_reason"] for choice in chunk["choices"])


@fault("chunks", "chunk.name.once")
def name_twice(chunks: list[Json]) -> list[Json]:
    """Sends the name in every delta of a call.

    vLLM #14951; clients that join names get "get_weatherget_weather".
    """
    name = ""
    for entry in _entries(chunks):
        name = entry["function"].setdefault("name", name)
    return chunks


@fault("chunks", "chunk.id.once")
def id_changes(chunks: list[Json]) -> list[Json]:
    """Sends a new id in every delta of a call.

    LangChain makes a call of each delta, openai-python joins the ids.
    """
    for number, entry in enumerate(_entries(chunks)):
        entry["id"] = f"call{number:05}"
    return chunks


@fault("chunks", "chunk.name.once")
def index_always_0(chunks: list[Json]) -> list[Json]:
    """Sends all calls at index 0.

    openai-python and most others make one call of them, with both names and both arguments.
    """
    for entry in _entries(chunks):
        entry["index"] = 0
    return chunks


@fault("chunks", "chunk.index.contiguous")
def index_gap(chunks: list[Json]) -> list[Json]:
    """Leaves out index 1.

    openai-python raises IndexError, openai-go makes a phantom call.
    """
    for entry in _entries(chunks):
        entry["index"] += entry["index"] > 0
    return chunks


@fault("chunks", "args.json")
def last_brace_lost(chunks: list[Json]) -> list[Json]:
    """Drops the last brace of every call's arguments.

    The oldest bug of streaming parsers: what closes the arguments also closes the call.
    """
    last = {entry["index"]: entry for entry in _entries(chunks)}
    for entry in last.values():
        function = entry["function"]
        function["arguments"] = function["arguments"].removesuffix("}")
    return chunks


@fault("chunks", "chunk.first-delta.name")
def arguments_before_name(chunks: list[Json]) -> list[Json]:
    """Sends a call's name in its last delta.

    The AI SDK raises "Expected 'function.name' to be a string.".
    """
    first: dict[int, Json] = {}
    last: dict[int, Json] = {}
    for entry in _entries(chunks):
        first.setdefault(entry["index"], entry)
        last[entry["index"]] = entry
    for index, entry in first.items():
        last[index]["function"]["name"] = entry["function"].pop("name")
    return chunks


@fault("chunks", "args.empty-object")
def empty_arguments_as_nothing(chunks: list[Json]) -> list[Json]:
    """Sends `""` where a call's arguments are `{}`.

    Code that asks whether there are arguments, and means whether they are true; the AI SDK never
    emits such a call.
    """
    texts: dict[int, str] = {}
    for entry in _entries(chunks):
        texts[entry["index"]] = texts.get(entry["index"], "") + entry["function"]["arguments"]
    for entry in _entries(chunks):
        if texts[entry["index"]] == "{}":
            entry["function"]["arguments"] = ""
    return chunks


@fault("chunks", "content.no-marker-leak")
def marker_leaks(chunks: list[Json]) -> list[Json]:
    """Sends the mark of a call as text before the first call.

    A parser that lets its held-back text go too early.
    """
    for place, chunk in enumerate(chunks):
        for entry in _entries([chunk]):
            if "id" in entry:
                choice = {**chunk["choices"][0], "delta": {"content": LEAK}}
                return [*chunks[:place], {**chunk, "choices": [choice]}, *chunks[place:]]
    return chunks


@fault("chunks", "said.calls")
def second_call_lost(chunks: list[Json]) -> list[Json]:
    """Sends the first call only.

    A parser that stops at the first closing mark.
    """
    return _without_call(chunks, 1)


@fault("chunks", "said.calls")
def second_call_merged(chunks: list[Json]) -> list[Json]:
    """Sends the second call's arguments as more of the first's.

    A parser that has missed where a call begins.
    """
    for entry in _entries(chunks):
        if entry["index"] == 1:
            entry["index"] = 0
            for key in ("id", "type"):
                entry.pop(key, None)
            entry["function"].pop("name", None)
    return chunks


@fault("chunks", "choice.required")
def all_calls_lost(chunks: list[Json]) -> list[Json]:
    """Sends no call, and ends by `stop`.

    A parser that takes nothing but its own format for a call, where a grammar made another.
    """
    bent: list[Json] = finish_stop([chunk for chunk in chunks if not any(_entries([chunk]))])
    return bent


@fault("chunks", "choice.named")
def name_shortened(chunks: list[Json]) -> list[Json]:
    """Leaves the last word of a tool's name out.

    A name that is looked up by its beginning calls the wrong one of two tools.
    """
    for entry in _entries(chunks):
        if "name" in entry["function"]:
            name = entry["function"]["name"]
            entry["function"]["name"] = name.rpartition("_")[0] or name
    return chunks


@fault("chunks", "parallel.false")
def last_call_doubled(chunks: list[Json]) -> list[Json]:
    """Sends the last call twice, the second time with an index and an id of its own.

    A parser that flushes at the end what it has already sent.
    """
    last = max((entry["index"] for entry in _entries(chunks)), default=None)
    own = [chunk for chunk in chunks if any(e["index"] == last for e in _entries([chunk]))]
    again = copy.deepcopy(own)
    for entry in _entries(again):
        entry["index"] += 1
        if "id" in entry:
            entry["id"] = entry["id"][::-1]
    end = next(place for place, chunk in enumerate(chunks) if _finishes(chunk))
    return [*chunks[:end], *again, *chunks[end:]]


@fault("chunks", "choice.none")
def call_from_nowhere(chunks: list[Json]) -> list[Json]:
    """Adds a call to an answer in words.

    A parser that runs although no tool may be called.
    """
    end = next(place for place, chunk in enumerate(chunks) if _finishes(chunk))
    if any(_entries(chunks)):
        return chunks
    function = {"name": "get_time", "arguments": "{}"}
    entry = {"index": 0, "id": "aB3dE6gH9", "type": "function", "function": function}
    choice = {**chunks[0]["choices"][0], "delta": {"tool_calls": [entry]}}
    return [*chunks[:end], {**chunks[0], "choices": [choice]}, *chunks[end:]]


@fault("chunks", "finish.tool_calls")
def finish_stop(chunks: list[Json]) -> list[Json]:
    """Ends an answer with calls by `stop`.

    Strands, opencode and Spring AI run no tool then.
    """
    for chunk in chunks:
        for choice in chunk["choices"]:
            if choice["finish_reason"] == "tool_calls":
                choice["finish_reason"] = "stop"
    return chunks


@fault("chunks", "finish.once")
def two_finishes(chunks: list[Json]) -> list[Json]:
    """Sends the chunk with the finish_reason twice.

    LangChain joins the reasons to "tool_callstool_calls".
    """
    return [twin for chunk in chunks for twin in ([chunk] * (1 + _finishes(chunk)))]


@fault("chunks", "finish.last")
def data_after_finish(chunks: list[Json]) -> list[Json]:
    """Sends the finish_reason before the last data.

    Strands stops reading there.
    """
    for place, chunk in enumerate(chunks):
        if _finishes(chunk) and place:
            chunks[place - 1 : place + 1] = [chunk, chunks[place - 1]]
            break
    return chunks


@fault("chunks", "usage.final-chunk")
def usage_twice(chunks: list[Json]) -> list[Json]:
    """Sends the usage that was asked for beside the finish_reason, too.

    LangChain and pydantic-ai add up every usage that they meet.
    """
    for chunk in chunks:
        if _finishes(chunk) and "usage" in chunk:
            chunk["usage"] = chunks[-1]["usage"]
    return chunks


@fault("chunks", "usage.final-chunk")
def usage_forgotten(chunks: list[Json]) -> list[Json]:
    """Leaves out the usage that was asked for.

    A client that keeps a budget estimates instead, as LiteLLM does, and is wrong.
    """
    return [chunk for chunk in chunks if chunk["choices"]]


@fault("chunks", "usage.absent-unasked")
def usage_unasked(chunks: list[Json]) -> list[Json]:
    """Sends a usage that nobody asked for.

    Code that reads choices[0] of every chunk raises IndexError.
    """
    if "usage" in chunks[0]:
        return chunks
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return [*chunks, {**chunks[-1], "choices": [], "usage": usage}]


@fault("chunks", "usage.equiv")
def usage_of_the_last_token(chunks: list[Json]) -> list[Json]:
    """Counts one token of the completion when streamed.

    A server that counts what the last step brought, not what all steps did.
    """
    usage = chunks[-1].get("usage")
    if usage:
        usage["completion_tokens"] = 1
        usage["total_tokens"] = usage["prompt_tokens"] + 1
    return chunks


@fault("body", "usage.sum")
def usage_sums_wrong(body: Json) -> Json:
    """Leaves the completion out of the total of tokens.

    Budgets are kept by the total.
    """
    body["usage"]["total_tokens"] = body["usage"]["prompt_tokens"]
    return body


@fault("body", "equiv.content")
def complete_answer_differs(body: Json) -> Json:
    """Leaves the text beside calls out of the complete answer.

    Parsers have two code paths, and the complete one often takes the calls alone.
    """
    for choice in body["choices"]:
        if choice["message"].get("tool_calls"):
            choice["message"]["content"] = None
    return body


@fault("body", "said.calls")
def complete_call_lost(body: Json) -> Json:
    """Leaves the last of several calls out of the complete answer.

    A pattern that needs something behind each call.
    """
    for choice in body["choices"]:
        if len(choice["message"].get("tool_calls", ())) > 1:
            choice["message"]["tool_calls"].pop()
    return body


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


@fault("response", "error")
def status_500(response: Response) -> Response:
    """Answers with status 500, as for a parser that raised."""
    error = {"message": "list index out of range", "type": "server_error"}
    return JSONResponse({"error": error}, 500)


@fault("response", "http.ok")
def refuses(response: Response) -> Response:
    """Refuses a good request with status 400."""
    error = {"message": "tools are not supported", "type": "invalid_request_error"}
    return JSONResponse({"error": error}, 400)
