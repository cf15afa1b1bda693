"""Ask a server and keep every byte that comes back, with its time; every wait has a limit."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import httpx2
import openai

from conformance.base import jsonvalue, sse
from conformance.base.jsonvalue import Json
from conformance.base.sse import Read
from conformance.client.access import OPEN, Access
from conformance.client.retry import (
    BUSY,
    LIMIT,
    REAL_TIME,
    Clock,
    Patience,
    Refusal,
    Silence,
    Waits,
    seconds_of,
)
from conformance.client.secrecy import MASK, Secrets
from conformance.client.sender import CONCURRENCY, is_answered, is_trouble
from conformance.terms.exchange import Exchange

KEPT_HEADERS = {"content-type", "content-length", "transfer-encoding", "retry-after", "server"}
"""Headers that are recorded; no other can hold a secret of the server's operator."""


REPEATED = "the answer has the key or another secret in pieces, so nothing of it is kept"

NONE: Mapping[str, str] = {}
AS_IT_COMES = {"X-Stainless-Raw-Response": "stream"}
"""With this header the SDK hands on the bytes of an answer, and does not look at them."""


MANY = 100
"""With more tokens to a delta, a long wait between deltas is what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how much to wait for, in seconds and bytes."""

    connect: float = 30
    first_byte: float = 120
    silence: float = 60
    whole: float = 600
    size: int = 8_000_000
    """Of a body; ten kilobytes of arguments, streamed token by token, take one and a half MB."""
    pieces: int = 100_000
    """Of a body; each takes memory, however small it is."""
    line_ends: int = 200_000
    """Of a body; each event has two at least, and takes time, however small it is."""
    commas_and_brackets: int = 600_000
    """Of a body; so does each value of JSON. Usual chunks, 8 MB of them, have 500,000."""
    patience: float = LIMIT
    """For a busy server (429, 503) or none: in pauses of one exchange, and in all."""
    attempts: int = 20
    """Of one exchange."""
    pause: float = 0.5
    """Before the second attempt, where the server names none; the next ones are longer."""


HEALTH = "/health"
"""Where many servers say that they are well. Others have no such path, which says nothing."""
LAST_WORD = f"the server failed, and was down or not well right after that; GET {HEALTH}: "

IDENTITY = {"accept-encoding": "identity"}
KEPT = 65_536
"""Bytes of an answer that is not whole; it is shown, and not judged."""
KEPT_PIECES = 200
"""Pieces of such an answer whose times are kept; thousands would take more than their bytes."""


class BrokenOff(Exception):
    """The recorder reads no more of an answer, and knows why."""


class Live:
    """Sends requests through the official SDK and records what comes back.

    Belongs to one event loop. What gives access is given to the SDK and kept nowhere else.
    """

    def __init__(
        self,
        url: str,
        access: Access = OPEN,
        *,
        limits: Limits,
        concurrency: int = CONCURRENCY,
        clock: Clock = REAL_TIME,
    ) -> None:
        """Take the URL up to `/v1`; at most `concurrency` requests are under way at once."""
        self._limits = limits
        self._access = access
        self._free = asyncio.Semaphore(concurrency)
        # What a model answers waits here as well, so that what reads an answer goes before the next
        # one. Else no answer of a run that is asked ahead is judged before the last one is there.
        self._next = asyncio.Semaphore(concurrency)
        self._patience = Patience(
            limit=limits.patience,
            attempts=limits.attempts,
            pause=limits.pause,
            concurrency=concurrency,
            clock=clock,
        )
        # A connection of its own for each request: the server may close a kept one just as it is
        # used again, and nobody could distinguish that from a crash.
        pool = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=0)
        transport = httpx2.AsyncHTTPTransport(limits=pool, verify=access.verify)
        self._client = openai.AsyncOpenAI(
            base_url=url,
            api_key=access.api_key or "none",
            default_headers=access.sent,
            max_retries=0,
            http_client=httpx2.AsyncClient(
                # A proxy from the environment would pass by the recorder.
                trust_env=False,
                transport=_Recorder(transport),
                # A compressed body would hide the bytes and times that are judged.
                headers=IDENTITY,
            ),
        )

    @property
    def waits(self) -> Waits:
        """Count the waits for a server that was busy or gone."""
        return self._patience.waits

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def send(self, path: str, body: Json) -> Exchange:
        """Post a body, waiting for a server that is busy; every outcome is an `Exchange`."""
        # What the request itself says is not secret, and an answer may repeat it.
        secrets = self._access.secrets.except_in(json.dumps(body, ensure_ascii=False))
        answered = is_answered(path)

        async def once() -> tuple[Exchange, Refusal | Silence | None]:
            recording = _Recording(
                started=time.perf_counter(), limits=self._limits, secrets=secrets
            )
            _CURRENT.set(recording)
            error = await (self._record if answered else self._post)(path, body)
            exchange = recording.exchange(body, error)
            if exchange.error is None and _may_be_a_last_word(exchange):
                exchange = replace(exchange, error=await self._died())
            # Exceptions and connections refer to it in circles, which only go minutes later.
            recording.reads.clear()
            return exchange, recording.refusal(exchange)

        async with self._next if answered else nullcontext(), self._free:
            return await self._patience.through(body, once)

    async def _died(self) -> str | None:
        """Say so if the server is down or says that it is: then it fails whatever is asked."""
        asked = _Recording(
            started=time.perf_counter(), limits=self._limits, secrets=self._access.secrets
        )
        _CURRENT.set(asked)
        options: Any = {"timeout": httpx2.Timeout(self._limits.connect)}
        try:
            await self._client.get(self._url(HEALTH), cast_to=object, options=options)
        except openai.APITimeoutError:
            return None
        except openai.APIConnectionError as problem:
            return f"{LAST_WORD}{_told(problem)}"
        except openai.APIStatusError as refused:
            return f"{LAST_WORD}503" if refused.status_code == 503 else None
        except (openai.APIError, httpx2.HTTPError, BrokenOff, ValueError, RecursionError):
            return None  # it is alive, and what else it is matters to nobody here
        return None

    def _url(self, path: str) -> str:
        return f"{str(self._client.base_url).rstrip('/').removesuffix('/v1')}{path}"

    async def _request(self, path: str, body: Json, headers: Mapping[str, str] = NONE) -> Any:
        url = self._url(path)
        options: Any = {
            "timeout": httpx2.Timeout(None, connect=self._limits.connect),
            "headers": headers,
        }
        return await self._client.post(url, cast_to=object, body=body, options=options)

    async def _post(self, path: str, body: Json) -> str | None:
        try:
            async with asyncio.timeout(self._limits.first_byte):
                await self._request(path, body)
        except TimeoutError:
            return f"waited {self._limits.first_byte:g} s for an answer"
        except BrokenOff:
            return None  # the recording says why
        except openai.APIStatusError:
            return None  # recorded in full
        except (openai.APIError, httpx2.HTTPError) as problem:
            return _told(problem)
        except (ValueError, RecursionError):
            return None  # the SDK reads the JSON, and the body is recorded whether it can or not
        return None

    async def _record(self, path: str, body: Json) -> str | None:
        limits = self._limits
        loop = asyncio.get_running_loop()
        end = loop.time() + limits.whole
        first = limits.first_byte if body.get("stream") else limits.whole
        # Where all tokens were asked to come at once, silence before them is right.
        at_once = (body.get("stream_interval") or 1) > MANY
        silence = limits.whole if at_once else limits.silence
        waiting_for = "the first byte"
        try:
            async with asyncio.timeout_at(min(end, loop.time() + first)) as timer:
                response = await self._request(path, body, AS_IT_COMES)
                waiting_for = "more bytes"
                try:
                    timer.reschedule(min(end, loop.time() + silence))
                    async for _ in response.iter_bytes():
                        timer.reschedule(min(end, loop.time() + silence))
                finally:
                    await response.close()
        except TimeoutError:
            _CURRENT.get().silent = True
            if loop.time() >= end:
                return f"no end after {limits.whole:g} s"
            limit = first if waiting_for == "the first byte" else silence
            return f"waited {limit:g} s for {waiting_for}"
        except BrokenOff:
            return None  # the recording says why
        except openai.APIStatusError:
            return None  # recorded in full; whether that status is right is judged later
        except openai.APIConnectionError as problem:
            return _told(problem)
        except httpx2.HTTPError as problem:
            return _told(problem)
        return None


@dataclass(slots=True)
class _Recording:
    started: float
    limits: Limits
    secrets: Secrets
    """The key and other secrets, which some servers repeat when they refuse them."""
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    reads: list[Read] = field(default_factory=list)
    received: int = 0
    line_ends: int = 0
    commas_and_brackets: int = 0
    broken_off: str | None = None
    """Why no more of the answer was read."""
    unreached: bool = False
    """No connection was made, so nothing was asked."""
    silent: bool = False
    """A limit of time was over before the answer was."""

    def exchange(self, request: Json, error: str | None) -> Exchange:
        error = self.broken_off or error
        reads = self.secrets.hide_reads(self.reads)
        if self.secrets.are_in_pieces_of(reads):
            reads = [Read(self.reads[-1].at, MASK.encode())]
            error = error or REPEATED
        if error is None and is_trouble(self.status):
            start = b"".join(read.data for read in reads)[:300].decode("utf-8", "replace")
            error = f"the server answered {self.status}: {start}"
        return Exchange(
            request=request,
            status=self.status,
            headers=tuple((name, self.secrets.hide(value)) for name, value in self.headers),
            reads=tuple(reads if error is None else _beginning(reads)),
            error=None if error is None else self.secrets.hide(error),
            seconds=time.perf_counter() - self.started,
        )

    def refusal(self, exchange: Exchange) -> Refusal | Silence | None:
        if self.unreached:
            return Refusal(exchange.error or "no connection")
        if self.status not in BUSY:
            return Silence() if self.silent else None
        asked = seconds_of(dict(self.headers).get("retry-after"))
        words = "" if asked is None else f" and asked to wait {asked:.0f} s"
        return Refusal(f"the server answered {self.status}{words}", asked)

    def take(self, data: bytes) -> None:
        limits = self.limits
        self.received += len(data)
        self.line_ends += sse.line_ends(data)
        self.commas_and_brackets += jsonvalue.commas_and_brackets(data)
        if self.received > limits.size:
            self.break_off(f"a body of more than {limits.size} bytes")
        if len(self.reads) >= limits.pieces:
            self.break_off(f"a body in more than {limits.pieces} pieces")
        if self.line_ends > limits.line_ends:
            self.break_off(f"a body of more than {limits.line_ends} line ends")
        if self.commas_and_brackets > limits.commas_and_brackets:
            most = limits.commas_and_brackets
            self.break_off(f"a body of more than {most} commas and opening brackets")
        self.reads.append(Read(time.perf_counter() - self.started, data))

    def break_off(self, why: str) -> NoReturn:
        self.broken_off = why
        raise BrokenOff(why)


def _may_be_a_last_word(exchange: Exchange) -> bool:
    """Whether an answer is a failure, whole or at its end, as that of a server that dies."""
    return exchange.status == 500 or any(b'"error"' in read.data for read in exchange.reads[-3:])


def _beginning(reads: Sequence[Read]) -> Iterator[Read]:
    """Give the first bytes; of many pieces, the later ones are joined."""
    yield from _first(reads[:KEPT_PIECES], KEPT)
    left = KEPT - sum(len(read.data) for read in reads[:KEPT_PIECES])
    if rest := list(_first(reads[KEPT_PIECES:], left)):
        yield Read(rest[0].at, b"".join(read.data for read in rest))


def _first(reads: Iterable[Read], left: int) -> Iterator[Read]:
    for read in reads:
        if left <= 0:
            return
        yield Read(read.at, read.data[:left])
        left -= len(read.data)


_CURRENT: ContextVar[_Recording] = ContextVar("recording")


class _Recorder(httpx2.AsyncBaseTransport):
    """A transport that writes down what passes through it."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        recording = _CURRENT.get()
        try:
            response = await self._inner.handle_async_request(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            recording.unreached = True
            raise
        recording.status = response.status_code
        recording.headers = tuple(
            (name, value)
            for name, value in response.headers.items()
            if name.lower() in KEPT_HEADERS
        )
        if (why := coded(response)) is not None:
            await response.aclose()
            recording.break_off(why)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _RecordedStream(response.stream, recording)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _RecordedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, recording: _Recording) -> None:
        self._inner = inner
        self._recording = recording

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for data in self._inner:
            self._recording.take(data)
            yield data

    async def aclose(self) -> None:
        await self._inner.aclose()


def coded(response: httpx2.Response) -> str | None:
    """Say so if a body is compressed: decoded, a few bytes of it may be gigabytes."""
    coding = response.headers.get("content-encoding", "").strip()
    if coding.lower() in ("", "identity"):
        return None
    return f"content-encoding: {coding[:40]}, where accept-encoding allowed only identity"


def _told(problem: BaseException) -> str:
    """Name the first cause; the SDK and the HTTP library wrap it and drop its words."""
    while problem.__cause__ is not None:
        problem = problem.__cause__
    return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
