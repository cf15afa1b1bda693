"""Ask a server and keep every byte that comes back, with its time; every wait has a limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextvars import ContextVar
from dataclasses import dataclass, field

import httpx2
import openai

from conformance.model import Exchange, Json, Read

KEPT_HEADERS = {"content-type", "content-length", "transfer-encoding", "retry-after", "server"}
"""Headers that are recorded; no other can hold a secret of the server's operator."""

MANY = 100
"""Tokens to a delta, beyond which a long wait between deltas is what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how much to wait for, in seconds and bytes."""

    connect: float = 30
    first_byte: float = 120
    silence: float = 60
    whole: float = 600
    size: int = 32_000_000


def is_trouble(status: int | None) -> bool:
    """Whether a status says that the server is busy, down or not reached.

    A plain 500 is the server's own answer to this request.
    """
    return status is not None and (status == 429 or status > 500)


class TooLarge(Exception):
    """A body has grown beyond the limit."""


class Asker:
    """Send requests through the official SDK and record what comes back.

    Belongs to one event loop. The API key is given to the SDK and kept nowhere else.
    """

    def __init__(self, url: str, api_key: str | None, limits: Limits, concurrency: int) -> None:
        """Take the URL up to `/v1`; at most `concurrency` requests are under way at once."""
        self._limits = limits
        self._secret = (api_key or "").encode()
        self._free = asyncio.Semaphore(concurrency)
        # A connection of its own for each request: the server may close a kept one just as it is
        # used again, and no one could tell that from a crash.
        pool = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=0)
        self._client = openai.AsyncOpenAI(
            base_url=url,
            api_key=api_key or "none",
            max_retries=0,
            http_client=httpx2.AsyncClient(
                # A proxy from the environment would pass by the recorder.
                trust_env=False,
                transport=_Recorder(httpx2.AsyncHTTPTransport(limits=pool)),
                # A compressed body would hide the bytes and times that are judged.
                headers={"accept-encoding": "identity"},
            ),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def ask(self, body: Json) -> Exchange:
        """Post one chat completion; every outcome is an `Exchange`."""
        async with self._free:
            recording = self._recording()
            _CURRENT.set(recording)
            error = await self._record(body, recording)
            return recording.exchange(body, error)

    async def render(self, path: str, body: Json) -> Exchange:
        """Post a request where the server shows its prompt; every outcome is an `Exchange`."""
        async with self._free:
            recording = self._recording()
            _CURRENT.set(recording)
            error: str | None = None
            try:
                async with asyncio.timeout(self._limits.first_byte):
                    await self._client.post(f"{self._root}{path}", cast_to=object, body=body)
            except TimeoutError:
                error = f"waited {self._limits.first_byte:g} s for the prompt"
            except TooLarge:
                error = f"a body of more than {self._limits.size} bytes"
            except openai.APIStatusError:
                pass  # recorded in full
            except (openai.APIError, httpx2.HTTPError) as problem:
                error = _told(problem)
            return recording.exchange(body, error)

    async def detokenize(self, tokens: list[int]) -> str | None:
        """Ask for the text of tokens; `None` where the server cannot tell."""
        if not tokens:
            return None
        _CURRENT.set(self._recording())
        try:
            async with asyncio.timeout(self._limits.first_byte):
                found: Json = await self._client.post(
                    f"{self._root}/detokenize", cast_to=object, body={"tokens": tokens}
                )
        except (TimeoutError, TooLarge, openai.APIError):
            return None
        said = found.get("prompt") if isinstance(found, dict) else None
        return said if isinstance(said, str) else None

    @property
    def _root(self) -> str:
        return str(self._client.base_url).rstrip("/").removesuffix("/v1")

    def _recording(self) -> _Recording:
        size = self._limits.size
        return _Recording(started=time.perf_counter(), size=size, secret=self._secret)

    async def _record(self, body: Json, recording: _Recording) -> str | None:
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
                async with self._client.chat.completions.with_streaming_response.create(
                    model=body["model"],
                    messages=[],  # those of the body, which the SDK shall not look at
                    extra_body=body,
                    timeout=httpx2.Timeout(None, connect=limits.connect),
                ) as response:
                    waiting_for = "more bytes"
                    timer.reschedule(min(end, loop.time() + silence))
                    async for _ in response.iter_bytes():
                        timer.reschedule(min(end, loop.time() + silence))
        except TimeoutError:
            if loop.time() >= end:
                return f"no end after {limits.whole:g} s"
            limit = first if waiting_for == "the first byte" else silence
            return f"waited {limit:g} s for {waiting_for}"
        except TooLarge:
            return f"a body of more than {limits.size} bytes"
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
    size: int
    secret: bytes
    """The key, which some servers repeat when they refuse it."""
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    reads: list[Read] = field(default_factory=list)
    received: int = 0

    @property
    def body(self) -> bytes:
        return b"".join(read.data for read in self.reads)

    def exchange(self, request: Json, error: str | None) -> Exchange:
        if error is None and is_trouble(self.status):
            start = self.body[:300].decode("utf-8", "replace")
            error = f"the server answered {self.status}: {start}"
        return Exchange(
            request=request,
            status=self.status,
            headers=self.headers,
            reads=tuple(self.reads),
            error=error,
            seconds=time.perf_counter() - self.started,
        )

    def take(self, data: bytes) -> None:
        self.received += len(data)
        if self.received > self.size:
            raise TooLarge
        if self.secret:
            data = data.replace(self.secret, b"***")
        self.reads.append(Read(time.perf_counter() - self.started, data))


_CURRENT: ContextVar[_Recording] = ContextVar("recording")


class _Recorder(httpx2.AsyncBaseTransport):
    """A transport that writes down what passes through it."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        recording = _CURRENT.get()
        response = await self._inner.handle_async_request(request)
        recording.status = response.status_code
        recording.headers = tuple(
            (name, value)
            for name, value in response.headers.items()
            if name.lower() in KEPT_HEADERS
        )
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


def _told(problem: BaseException) -> str:
    """Name the first cause; the SDK and the HTTP library wrap it without its words."""
    while problem.__cause__ is not None:
        problem = problem.__cause__
    return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
