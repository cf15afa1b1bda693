"""Faults of the event stream: bytes, lines, events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from conformance.reference.chat.faults.registry import TWO_CALLS, fault

DEEP = 10_000
MEETING = 5.0

_waiting: list[tuple[list[bytes], asyncio.Future[list[bytes]]]] = []


def _first_beyond_ascii(event: bytes) -> int | None:
    return next((at for at, byte in enumerate(event) if byte >= 0xC0), None)


@fault("wire", "sse.done")
async def no_done(events: list[bytes]) -> AsyncIterator[bytes]:
    """Ends without `[DONE]`.

    A client cannot distinguish such an end from a cut.
    """
    for event in events[:-1]:
        yield event


@fault("wire", "sse.done")
async def data_after_done(events: list[bytes]) -> AsyncIterator[bytes]:
    """Sends `[DONE]` before the last chunk.

    openai-python stops there and loses what follows.
    """
    for event in [*events[:-2], events[-1], events[-2]]:
        yield event


@fault("wire", "sse.utf8", "strings/emoji")
async def half_character(events: list[bytes]) -> AsyncIterator[bytes]:
    """Ends an event in the middle of a character, and loses the rest of it.

    A server that cuts bytes to a size; openai-python raises UnicodeDecodeError.
    """
    for event in events:
        broken = _first_beyond_ascii(event)
        yield event if broken is None else event[: broken + 1] + b"\n\n"


@fault("wire", "sse.utf8", "strings/emoji")
async def character_in_two_events(events: list[bytes]) -> AsyncIterator[bytes]:
    """Ends an event in the middle of a character, and sends the rest in the next event.

    A server that makes an event from each token's bytes; no client joins lines again.
    """
    for event in events:
        broken = _first_beyond_ascii(event)
        if broken is None:
            yield event
        else:
            yield event[: broken + 1] + b"\n\ndata: " + event[broken + 1 :]


@fault("wire", "content.characters", "text/scripts-and-emoji")
async def surrogates_apart(events: list[bytes]) -> AsyncIterator[bytes]:
    """Sends half of a character in one delta and half in the next, each as an escape.

    A gateway that cuts text by UTF-16 units; a half alone is not a character, and Python raises
    when it is written anywhere.
    """
    for event in events[:-1]:
        chunk = json.loads(event.removeprefix(b"data: "))
        content = chunk["choices"][0]["delta"].get("content") or "" if chunk["choices"] else ""
        units = content.encode("utf-16-le")
        at = next((at for at, one in enumerate(content) if one > "\uffff"), None)
        cut = len(content[:at].encode("utf-16-le")) + 2 if at is not None else len(units)
        for half in filter(None, (units[:cut], units[cut:])):
            chunk["choices"][0]["delta"]["content"] = half.decode("utf-16-le", "surrogatepass")
            yield f"data: {json.dumps(chunk)}\n\n".encode()
        if not units:
            yield event
    yield events[-1]


@fault("wire", "sse.bom")
async def byte_order_mark(events: list[bytes]) -> AsyncIterator[bytes]:
    """Begins with a byte-order mark.

    EventSource ignores it, openai-python loses the first event.
    """
    yield b"\xef\xbb\xbf"
    for event in events:
        yield event


@fault("wire", "sse.framing")
async def one_newline(events: list[bytes]) -> AsyncIterator[bytes]:
    """Ends every event by one newline, not two.

    openai-python and openai-node decode nothing at all.
    """
    for event in events:
        yield event.removesuffix(b"\n")


@fault("wire", "sse.framing")
async def json_over_lines(events: list[bytes]) -> AsyncIterator[bytes]:
    """Writes the JSON of each chunk over several lines.

    A line without `data:` is not data: clients raise JSONDecodeError.
    """
    for event in events[:-1]:
        chunk = json.loads(event.removeprefix(b"data: "))
        yield f"data: {json.dumps(chunk, indent=1)}\n\n".encode()
    yield events[-1]


@fault("wire", "sse.no-empty-data")
async def empty_event(events: list[bytes]) -> AsyncIterator[bytes]:
    """Sends an event without data to keep the connection.

    openai-python, LangChain and openai-node raise, because an empty text is not JSON.
    """
    yield events[0]
    yield b"data:\n\n"
    for event in events[1:]:
        yield event


@fault("wire", "sse.no-event-field")
async def event_names(events: list[bytes]) -> AsyncIterator[bytes]:
    """Gives every event a name, as another API has it.

    openai-python treats some names as those of that API.
    """
    for event in events:
        yield b"event: message\n" + event


@fault("wire", "sse.json-valid")
async def event_cut_short(events: list[bytes]) -> AsyncIterator[bytes]:
    """Sends the first half of a chunk only.

    A buffer of a fixed size; the AI SDK goes on without that chunk, and runs the call.
    """
    middle = len(events) // 2
    for number, event in enumerate(events):
        yield event if number != middle else event[: len(event) // 2] + b"\n\n"


@fault("wire", "sse.json-valid")
async def deeply_nested(events: list[bytes]) -> AsyncIterator[bytes]:
    """Adds a field with ten thousand nested lists to the first chunk.

    Readers that call themselves for each list run out of stack.
    """
    deep = b'data: {"deep": ' + b"[" * DEEP + b"]" * DEEP + b", "
    yield events[0].replace(b"data: {", deep, 1)
    for event in events[1:]:
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


@fault("wire", "said.calls", TWO_CALLS, "text/no-call")
async def choices_swapped(events: list[bytes]) -> AsyncIterator[bytes]:
    """Gives two requests under way at the same time each other's answer.

    State that is kept for the parser, not for the request.
    """
    if _waiting:
        others, meeting = _waiting.pop()
        meeting.set_result(events)
    else:
        meeting = asyncio.get_running_loop().create_future()
        _waiting.append((events, meeting))
        try:
            others = await asyncio.wait_for(meeting, MEETING)
        except TimeoutError:
            others = events
        finally:
            _waiting[:] = [one for one in _waiting if one[1] is not meeting]
    for event in others:
        yield event


@fault("wire", "client.openai-python")
async def byte_order_mark_before_text(events: list[bytes]) -> AsyncIterator[bytes]:
    """Begins with a byte-order mark and the first text.

    openai-python does not know the line and silently loses the text.
    """
    chunk, more = (json.loads(event.removeprefix(b"data: ")) for event in events[:2])
    (choice,), (following,) = chunk["choices"], more["choices"]
    choice["delta"]["content"] = following["delta"].get("content")
    yield f"\ufeffdata: {json.dumps(chunk)}\n\n".encode()
    for event in events[2:]:
        yield event


@fault("wire", "sse.line-ends")
async def line_ends_mixed(events: list[bytes]) -> AsyncIterator[bytes]:
    """Ends every second event by CR and LF, the others by LF.

    A proxy that ends lines its own way; a client that looks for one kind of blank line sees half.
    """
    for number, event in enumerate(events):
        yield event if number % 2 else event.replace(b"\n", b"\r\n")


@fault("wire", "err.form")
async def error_without_its_key(events: list[bytes]) -> AsyncIterator[bytes]:
    """Sends an error in a form of its own in place of the second half of the stream.

    vLLM did before 0.10; openai-python and LangChain take what came before for the answer.
    """
    for event in events[: len(events) // 2]:
        yield event
    yield b'data: {"object": "error", "message": "list index out of range", "code": 500}\n\n'
    yield events[-1]
