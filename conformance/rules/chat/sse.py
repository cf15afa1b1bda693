"""The transport: status, media type, framing, terminator."""

from __future__ import annotations

from conformance.base import jsonvalue
from conformance.base.jsonvalue import JsonProblem
from conformance.base.sse import Event, Stream
from conformance.rules.chat.client import openai_python
from conformance.rules.rule import INFO, MUST, SHOULD, Evidence, Findings, rule
from conformance.terms.outcome import Finding
from conformance.wires.chat.answers import DONE


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


def _shown(event: Event) -> str:
    return repr(event.data[:60])


@rule("http.ok", MUST, "status", lambda evidence: not evidence.expect.refused)
def ok(evidence: Evidence) -> Findings:
    """A good request is answered with status 200.

    Why: a client can only give up on it.
    Wrong: 400 for a conversation that the API allows, 500 from a parser that raises
    Right: 200
    """
    status = evidence.answer.exchange.status
    if status != 200:
        yield Finding(
            where="status", expected="200", actual=f"{status}: {evidence.answer.text[:200]!r}"
        )


@rule("sse.content-type", SHOULD, "stream")
def content_type(evidence: Evidence) -> Findings:
    """A stream is announced as text/event-stream.

    Why: EventSource in browsers refuses other types (WHATWG HTML 9.2), and proxies buffer them.
    Wrong: content-type: application/json
    Right: content-type: text/event-stream; charset=utf-8
    """
    if _stream(evidence).tail.strip() and not any(e.data_lines for e in _stream(evidence).events):
        return  # sse.framing owns what is no stream at all
    media, _, parameters = evidence.answer.content_type.partition(";")
    if media.strip() != "text/event-stream":
        yield Finding(where="headers", expected="text/event-stream", actual=media or "none")
    elif "charset=" in parameters and "charset=utf-8" not in parameters.replace('"', ""):
        yield Finding(where="headers", expected="charset=utf-8", actual=parameters.strip())


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


@rule("sse.bom", INFO, "stream")
def bom(evidence: Evidence) -> Findings:
    """A stream does not begin with a byte-order mark.

    Why: WHATWG HTML 9.2 allows one and ignores it, but openai-python does not strip it, and so
        loses the first event without a word.
    Wrong: EF BB BF, then data: {…}
    Right: data: {…}
    """
    if any(isinstance(found, Finding) for found in openai_python(evidence)):
        return  # client.openai-python owns a mark that costs more than an empty event
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
            yield Finding(
                where=f"chunk {event.number}",
                expected="one data line",
                actual=f"{event.data_lines} data lines, fields {repr(named)[1:-1][:60]}",
                chunk=event.number,
            )
    if stream.tail.strip():
        yield Finding(
            where="end of the stream",
            expected="a blank line after the last event",
            actual=repr(stream.tail[-60:]),
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
            # sse.framing owns an event without data
            if name in {"event", "id", "retry"} and event.data_lines:
                yield Finding(
                    where=f"chunk {event.number}",
                    expected="data only",
                    actual=f"{name}: {value[:40]!r}",
                    chunk=event.number,
                )


@rule("sse.no-empty-data", MUST, "stream")
def no_empty_data(evidence: Evidence) -> Findings:
    """No event has empty data; a keep-alive is a comment.

    Why: openai-python, LangChain and LlamaIndex raise JSONDecodeError, openai-node "Unexpected end
        of JSON input".
    Wrong: data:
    Right: : keep-alive
    """
    for event in _stream(evidence).events:
        if event.data_lines == 1 and not event.data.strip():
            yield Finding(
                where=f"chunk {event.number}",
                expected="data",
                actual="an empty data line",
                chunk=event.number,
            )


@rule("sse.line-ends", SHOULD, "stream")
def line_ends(evidence: Evidence) -> Findings:
    """Lines end alike: all in LF, or all in CRLF.

    Why: clients that look for one blank line, as many do, see none in a mixture and read two
        events as one; few know the lone CR that WHATWG HTML 9.2 allows as well.
    Wrong: LF after one event, CRLF after the next
    Right: LF throughout
    """
    stream = _stream(evidence)
    if stream.tail.strip() or not all(_is_framed(event) for event in stream.events):
        return  # sse.framing owns line ends in the wrong place
    if len(stream.line_ends) > 1 or b"\r" in stream.line_ends:
        names = {b"\n": "LF", b"\r\n": "CRLF", b"\r": "CR"}
        actual = ", ".join(sorted(names[end] for end in stream.line_ends))
        yield Finding(where="body", expected="LF or CRLF throughout", actual=actual)


@rule("sse.json-valid", MUST, "stream")
def json_valid(evidence: Evidence) -> Findings:
    """Every event but the last is one JSON object.

    Why: openai-python, LangChain and LlamaIndex raise JSONDecodeError; the AI SDK reports an error
        part and goes on without that chunk.
    Wrong: data: {"id": "x", "choices": [
    Right: data: {"id": "x", "choices": []}
    """
    objects = {chunk.number for chunk in evidence.answer.chunks}
    for event in _stream(evidence).events:
        if event.number in objects or not event.data.strip() or event.data == DONE:
            continue
        if not _is_framed(event) or not _is_utf8(event.raw):
            continue  # sse.framing and sse.utf8 own these, and what was cut with a character
        try:
            jsonvalue.parse(event.data)
            actual = _shown(event)
        except JsonProblem as problem:
            actual = f"{problem}: {_shown(event)}"
        yield Finding(
            where=f"chunk {event.number}",
            expected="one JSON object",
            actual=actual,
            chunk=event.number,
        )


@rule("sse.done", MUST, "stream")
def done(evidence: Evidence) -> Findings:
    """A stream ends with exactly one `data: [DONE]`.

    Why: the specification names it as the terminator; openai-python stops there, so what follows is
        lost, and without it a client cannot tell an end from a cut.
    Wrong: the connection closes after the last chunk
    Right: data: [DONE]
    """
    stream = _stream(evidence)
    events = stream.events
    if stream.tail.strip() or any(event.data_lines > 1 for event in events):
        return  # sse.framing owns what runs together
    places = [event.number for event in events if event.data == DONE]
    if len(places) != 1:
        yield Finding(where="end of the stream", expected="one [DONE]", actual=f"{len(places)}")
    elif places[0] != len(events) - 1:
        late = events[places[0] + 1]
        yield Finding(
            where=f"chunk {late.number}",
            expected="nothing after [DONE]",
            actual=_shown(late),
            chunk=late.number,
        )
