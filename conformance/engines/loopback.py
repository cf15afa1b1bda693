"""Starts a server's command on a free loopback port, and waits until it serves a model."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.base.jsonvalue import Json
from conformance.engines.problem import LaunchProblem
from conformance.engines.process import HEARTBEAT, Process, Report, spawn

PORTS = 3
"""Ports to try; another process may take one before the server binds it."""
TAKEN = ("address already in use", "couldn't bind")
"""What servers say of a port that somebody has, in small letters."""

# Never reach loopback through a proxy, whatever the environment says.
_MAX_ANSWER_BYTES = 10_000_000
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A server that serves."""

    url: str
    """Up to `/v1`."""
    process: Process


def start(
    command: Callable[[int], Sequence[str | Path]],
    name: str,
    *,
    environment: Mapping[str, str],
    log: Path,
    what: str,
    timeout: float,
    report: Report,
) -> Started:
    """Start the command for a port, and wait until it serves the model of that name.

    `timeout` is in seconds. Raises LaunchProblem.
    """
    for _ in range(PORTS):
        port = free_port()
        report(f"{what}; log: {log}")
        process = spawn(command(port), log, environment=environment)
        url = f"http://127.0.0.1:{port}"
        try:
            up = _wait(process, url, name, timeout=timeout, report=report, what=what)
        except BaseException:
            process.stop()
            raise
        if up:
            return Started(url=f"{url}/v1", process=process)
        process.stop()
    raise LaunchProblem(f"{what}: other processes took {PORTS} ports that were free; try again")


def _wait(
    process: Process, url: str, name: str, *, timeout: float, report: Report, what: str
) -> bool:
    """Wait until the server serves the model; False if its port was taken."""
    began = reported = time.monotonic()
    while True:
        now = time.monotonic()
        if (code := process.code()) is not None:
            if any(words in process.output().lower() for words in TAKEN):
                return False
            raise LaunchProblem(
                f"{what}: it {_ended(code)} after {now - began:.0f} s; its last output was:\n"
                f"{process.tail()}\nlog: {process.log}"
            )
        models = ask(f"{url}/v1/models")
        if models is not None and name in (one.get("id") for one in models["data"]):
            report(f"{what}: up after {now - began:.0f} s")
            return True
        if now - began > timeout:
            raise LaunchProblem(
                f"{what}: it did not serve within {timeout:.0f} s; its last output was:\n"
                f"{process.tail()}\nlog: {process.log}"
            )
        if now - reported >= HEARTBEAT:
            report(f"{what}: {now - began:.0f} s")
            reported = now
        time.sleep(0.2)


def ask(url: str, body: Json = None) -> Any:
    """Request JSON; None if there is no good answer yet."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with _OPENER.open(request, timeout=5) as answer:
            return json.loads(answer.read(_MAX_ANSWER_BYTES))
    except (OSError, ValueError):
        return None


def _ended(code: int) -> str:
    if code > 128:
        name = signal.Signals(code - 128).name
        hint = ", perhaps because memory ran out" if name == "SIGKILL" else ""
        return f"was ended by {name}{hint}"
    return f"ended with exit status {code}"


def free_port() -> int:
    """Choose a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
