"""Run the reference server on loopback, in a thread of this process."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable
from types import TracebackType

import uvicorn

from conformance.formats import FORMATS
from conformance.reference import app
from conformance.reference.fault import NONE, Fault
from conformance.reference.variant import Variant

START_SECONDS = 30


class Reference:
    """A reference server; it runs from its construction until `stop`."""

    def __init__(
        self,
        format: str,
        *,
        variants: Iterable[Variant] = (),
        fault: Fault = NONE,
        scripted: bool = True,
        version: str | None = None,
        reach: int | None = None,
        port: int = 0,
    ) -> None:
        """Start on a port, or on a free one; the format is one of `FORMATS`."""
        built = app.build(
            FORMATS[format],
            variants=frozenset(variants),
            fault=fault,
            scripted=scripted,
            version=version,
            reach=reach,
        )
        self._socket = socket.create_server(("127.0.0.1", port), backlog=256)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self._server = uvicorn.Server(
            uvicorn.Config(
                built,
                http="h11",
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="reference", daemon=True
        )
        self._thread.start()
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                raise RuntimeError(f"the reference server did not start at {self.url}")
            time.sleep(0.005)

    def stop(self) -> None:
        """End the server, and every answer that is not finished."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(START_SECONDS)
        with contextlib.suppress(OSError):
            self._socket.close()

    def __enter__(self) -> Reference:
        """Give the running server."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self.stop()
