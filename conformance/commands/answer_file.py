"""Reads a captured answer from the bytes of a file, whatever program wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from conformance.base import jsonvalue, sse
from conformance.base.jsonvalue import Json, JsonProblem
from conformance.base.printable import visible
from conformance.base.sse import Read
from conformance.results.writer import MAX_WIRE_CHARACTERS
from conformance.terms.exchange import Exchange
from conformance.wires.registry import DEFAULT

MAX_FILE_BYTES = 100_000_000
"""A larger file is refused."""

_HEAD = re.compile(rb"HTTP/[0-9.]+ ([0-9]{3})[^\r\n]*\r?\n((?:[^\r\n]+\r?\n)*)\r?\n")
_HEADER = re.compile(rb"([!-9;-~]+):[ \t]*(.*)")
_DATA = re.compile(rb"(?:\A|[\r\n])data:")
_FIELD = re.compile(rb"(?:data|event|id|retry)?:")
_KEPT = {"request", "status", "headers", "error", "answer"}


class RequestProblem(Exception):
    """The rules cannot read a request; the message says where."""


class NoAnswer(Exception):
    """Bytes hold no answer; the message says why."""


def read(data: bytes, request: Mapping[str, Json] | None = None) -> Exchange:
    """Read a body, a body with HTTP headers, or a `wire` file of a run.

    A `wire` file has its own request. Raises `NoAnswer`.
    """
    if not data.strip():
        raise NoAnswer("the file is empty")
    status, headers, body = _split(data)
    if status is None and (kept := _kept(body)) is not None:
        return _exchange_of(kept)
    if status is not None and status >= 500:
        raise NoAnswer(f"the server answered {status}: {_start(body)}")
    media = _content_type(headers)
    stream = _is_stream(body, media) if status in (None, 200) else False
    if status is None:
        # A bare body comes without headers, so these make the rules about headers pass.
        headers = (("content-type", "text/event-stream" if stream else "application/json"),)
    return Exchange(
        request={**(request or {}), "stream": stream},
        status=status or 200,
        headers=headers,
        reads=(Read(0.0, body),),
    )


def _split(data: bytes) -> tuple[int | None, tuple[tuple[str, str], ...], bytes]:
    """Split HTTP headers from the body; of several answers in a row the last one counts."""
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    start = 0
    while data.startswith(b"HTTP/", start):
        found = _HEAD.match(data, start)
        if found is None:
            raise NoAnswer("HTTP headers without a blank line after them")
        status = int(found[1])
        headers = tuple(_header(line) for line in found[2].splitlines())
        start = found.end()
    return status, headers, data[start:]


def _header(line: bytes) -> tuple[str, str]:
    found = _HEADER.fullmatch(line)
    if found is None:
        raise NoAnswer(f"not an HTTP header: {line[:60]!r}")
    value = found[2].decode("ascii", "backslashreplace").strip()
    return found[1].decode(), visible(value)


def _content_type(headers: Sequence[tuple[str, str]]) -> str:
    named = [value for name, value in headers if name.lower() == "content-type"]
    return named[-1].partition(";")[0].strip().lower() if named else ""


def _is_stream(body: bytes, media: str) -> bool:
    """Whether a body is a stream; its content decides, and its headers only if it does not."""
    start = body.removeprefix(sse.BOM).lstrip()
    if not start:
        raise NoAnswer("the body is empty")
    if start.startswith(b"<"):
        raise NoAnswer(f"HTML or XML: {_start(start)}")
    if _DATA.search(body):
        return True
    if b"\0" in body:
        raise NoAnswer("NUL bytes: binary, or text that was saved as UTF-16")
    if start.startswith((b"{", b"[")):
        return False
    if _FIELD.match(start) or media == "text/event-stream":
        return True
    if media == "application/json":
        return False
    raise NoAnswer(f"neither server-sent events nor JSON: {_start(start)}")


def _kept(body: bytes) -> Mapping[str, Json] | None:
    """Read a `wire` file, which a run writes beside its results; `None` if this is not one."""
    if not body.lstrip().startswith(b"{") or b'"answer"' not in body:
        return None
    try:
        found = jsonvalue.plain(jsonvalue.parse(body.decode("utf-8")))
    except (UnicodeDecodeError, JsonProblem):
        return None
    return found if isinstance(found, dict) and found.keys() >= _KEPT else None


def _exchange_of(kept: Mapping[str, Json]) -> Exchange:
    if kept["error"] is not None:
        raise NoAnswer(f"the run had no whole answer: {jsonvalue.show(kept['error'], 300)}")
    headers, answer = kept["headers"], kept["answer"]
    well_formed = (
        type(kept["status"]) is int
        and isinstance(answer, str)
        and isinstance(headers, list)
        and all(
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, str) for one in pair)
            for pair in headers
        )
    )
    if not well_formed:
        raise NoAnswer("a run's file whose status, headers or answer is not what a run writes")
    if len(answer) >= MAX_WIRE_CHARACTERS:
        raise NoAnswer(
            f"a run keeps {MAX_WIRE_CHARACTERS} characters of an answer; this one had more"
        )
    try:
        request = checked(kept["request"])
    except RequestProblem as problem:
        raise NoAnswer(f"a run's file: {problem}") from None
    return Exchange(
        request=request,
        status=kept["status"],
        headers=tuple((name, value) for name, value in headers),
        reads=(Read(0.0, answer.encode("utf-8", "surrogatepass")),),
    )


def _start(body: bytes) -> str:
    return jsonvalue.show(body[:200].decode("utf-8", "replace"))


def checked(request: Json) -> Json:
    """Give a request that the rules can read; raises `RequestProblem`."""
    if problem := DEFAULT.misfit(request):
        raise RequestProblem(problem)
    return request
