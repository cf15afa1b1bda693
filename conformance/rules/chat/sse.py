"""The transport: status, media type, framing, terminator."""

from __future__ import annotations

from conformance.base import jsonvalue
from conformance.base.jsonvalue import JsonProblem
from conformance.base.sse import Event, Stream
from conformance.rules.rule import (
    CHAT_CREATE,
    INFO,
    MUST,
    RFC_8259,
    SHOULD,
    Evidence,
    Findings,
    rule,
)
from conformance.terms.outcome import Finding
from conformance.wires.chat.answers import DONE

BLAME = "server"
SPEC = "https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream"

HEADERS = ("headers",)


def _stream(evidence: Evidence) -> Stream:
    assert isinstance(evidence.answer.stream, Stream)
    return evidence.answer.stream


def _is_framed(event: Event) -> bool:
    others = {name for name, _ in event.fields} - {"data", "event", "id", "retry"}
    return event.data_lines == 1 and not others


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _wrong(event: Event, *, expected: str, actual: str) -> Finding:
    where = f"chunk {event.number}"
    return Finding(
        where=where, expected=expected, actual=actual, chunk=event.number, place=(where,)
    )


def _shown(event: Event) -> str:
    return repr(event.data[:60])


@rule("sse.content-type", SHOULD, "stream", yields_to=("sse.framing",))
def content_type(evidence: Evidence) -> Findings:
    """A stream is announced as text/event-stream.

    Why: EventSource in browsers refuses other types (WHATWG HTML 9.2), and proxies buffer them.
    Wrong: content-type: application/json
    Right: content-type: text/event-stream; charset=utf-8
    """
    media, _, parameters = evidence.answer.content_type.partition(";")
    if media.strip() != "text/event-stream":
        actual = media or "none"
        yield Finding(where="headers", expected="text/event-stream", actual=actual, place=HEADERS)
    elif "charset=" in parameters and "charset=utf-8" not in parameters.replace('"', ""):
        actual = parameters.strip()
        yield Finding(where="headers", expected="charset=utf-8", actual=actual, place=HEADERS)


@rule("sse.utf8", MUST, "stream")
def utf8(evidence: Evidence) -> Findings:
    """A stream is valid UTF-8.

    Why: openai-python decodes each line strictly, so a split character raises UnicodeDecodeError.
    Wrong: an event that ends after the first byte of an emoji
    Right: the emoji whole, in one event
    """
    offset = _stream(evidence).bad_utf8
    if offset is not None:
        yield Finding(
            where=f"byte {offset}",
            expected="UTF-8",
            actual=repr(evidence.answer.exchange.body[max(0, offset - 8) : offset + 4]),
        )


@rule("sse.bom", INFO, "stream", yields_to=("client.openai-python",))
def bom(evidence: Evidence) -> Findings:
    """A stream does not begin with a byte-order mark.

    Why: WHATWG HTML 9.2 allows one and ignores it, but openai-python does not strip it, and so
        silently loses the first event.
    Wrong: EF BB BF, then data: {…}
    Right: data: {…}
    """
    if _stream(evidence).bom:
        yield Finding(where="byte 0", expected="data", actual="a byte-order mark")


@rule("sse.framing", MUST, "stream")
def framing(evidence: Evidence) -> Findings:
    """An event is one `data:` line and a blank line.

    Why: with one newline between events openai-python and openai-node decode nothing at all, and
        JSON over several lines under one `data:` raises JSONDecodeError.
    Wrong: data: {…} newline data: {…}
    Right: data: {…} newline, newline, data: {…}
    """
    stream = _stream(evidence)
    for event in stream.events:
        if not _is_framed(event):
            named = sorted({name for name, _ in event.fields})
            yield _wrong(
                event,
                expected="one data line",
                actual=f"{event.data_lines} data lines, fields {repr(named)[1:-1][:60]}",
            )
    if stream.tail.strip():
        yield Finding(
            where="end of the stream",
            expected="a blank line after the last event",
            actual=repr(stream.tail[-60:]),
            # With no event at all this is not a stream, whatever its headers say.
            place=("end",) if any(event.data_lines for event in stream.events) else (),
        )


@rule("sse.no-event-field", SHOULD, "stream")
def no_event_field(evidence: Evidence) -> Findings:
    """Events of Chat Completions have a `data` field only.

    Why: OpenAI sends no other, and openai-python and openai-node treat some event names as those
        of another API.
    Wrong: event: message
    Right: no event line
    """
    for event in _stream(evidence).events:
        for name, value in event.fields:
            # An event without data is not dispatched, and no client sees its fields.
            if name in {"event", "id", "retry"} and event.data_lines:
                yield _wrong(event, expected="data only", actual=f"{name}: {value[:40]!r}")


@rule("sse.no-empty-data", MUST, "stream")
def no_empty_data(evidence: Evidence) -> Findings:
    """No event has empty data; a keep-alive is a comment.

    Why: openai-python, LangChain and LlamaIndex raise JSONDecodeError, openai-node "malformed
        server-sent event JSON".
    Wrong: data:
    Right: : keep-alive
    """
    for event in _stream(evidence).events:
        if event.data_lines == 1 and not event.data.strip():
            yield _wrong(event, expected="data", actual="an empty data line")


@rule("sse.line-ends", SHOULD, "stream", yields_to=("sse.framing",))
def line_ends(evidence: Evidence) -> Findings:
    """Lines end alike: all in LF, or all in CRLF.

    Why: clients that look for one blank line, as many do, see none in a mixture and read two
        events as one; few know the lone CR that WHATWG HTML 9.2 allows as well.
    Wrong: LF after one event, CRLF after the next
    Right: LF throughout
    """
    stream = _stream(evidence)
    if len(stream.line_ends) > 1 or b"\r" in stream.line_ends:
        names = {b"\n": "LF", b"\r\n": "CRLF", b"\r": "CR"}
        actual = ", ".join(sorted(names[end] for end in stream.line_ends))
        yield Finding(where="body", expected="LF or CRLF throughout", actual=actual)


@rule(
    "sse.json-valid",
    MUST,
    "stream",
    yields_to=("sse.framing", "sse.no-empty-data"),
    spec=RFC_8259,
)
def json_valid(evidence: Evidence) -> Findings:
    """Every event but the last is one JSON object.

    Why: openai-python, LangChain and LlamaIndex raise JSONDecodeError; the AI SDK reports an error
        part and goes on without that chunk.
    Wrong: data: {"id": "x", "choices": [
    Right: data: {"id": "x", "choices": []}
    """
    objects = {chunk.number for chunk in evidence.answer.chunks}
    for event in _stream(evidence).events:
        if event.number in objects or event.data == DONE:
            continue
        if not _is_utf8(event.raw):
            continue  # nobody knows what was sent; sse.utf8 reports the first such place only
        try:
            jsonvalue.parse(event.data)
            actual = _shown(event)
        except JsonProblem as problem:
            actual = f"{problem}: {_shown(event)}"
        yield _wrong(event, expected="one JSON object", actual=actual)


@rule("sse.done", MUST, "stream", spec=CHAT_CREATE)
def done(evidence: Evidence) -> Findings:
    """A stream ends with exactly one `data: [DONE]`.

    Why: the specification names it as the terminator; openai-python stops there and loses what
        follows; without it a client cannot distinguish an end from a cut.
    Says: If set, an additional chunk will be streamed before the `data: [DONE]` message.
    Wrong: the connection closes after the last chunk
    Right: data: [DONE]
    """
    stream = _stream(evidence)
    events = stream.events
    if stream.tail.strip() or any(event.data_lines > 1 for event in events):
        return  # [DONE] may be in the text that runs together
    places = [event.number for event in events if event.data == DONE]
    if len(places) != 1:
        yield Finding(where="end of the stream", expected="one [DONE]", actual=f"{len(places)}")
    elif places[0] != len(events) - 1:
        late = events[places[0] + 1]
        yield _wrong(late, expected="nothing after [DONE]", actual=_shown(late))
