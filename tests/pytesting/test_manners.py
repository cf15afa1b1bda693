"""Whole runs against servers that are busy, and behind gateways that want a secret."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.responses import Response, StreamingResponse

from conformance.reference import Reference
from conformance.reference.fault import Fault
from tests.pytest_run import COMPLETED, FAILED, Run
from tests.servers import busy

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

SECRET = "gw-very-secret-0123456789"


def test_a_server_that_is_busy_now_and_then_passes_and_the_waits_are_reported(run: Run) -> None:
    with Reference("hermes", fault=busy(1)) as reference:
        found = run("--server-url", reference.url, "--parser", "hermes")
    assert found.ret == COMPLETED
    assert run.totals == {"pass": 10}
    waited = run.results["run"]["waited"]
    assert waited["times"] >= 3
    assert waited["seconds"] > 0.4
    found.stdout.fnmatch_lines(
        ["waited * times for the server, * s in all (busy or gone)", "10 items: 10 pass, *"]
    )


def test_a_server_that_is_started_again_in_the_middle_costs_the_answer_it_was_giving(
    run: Run,
) -> None:
    answered = itertools.count()
    running: list[Reference] = []

    def start_again() -> None:
        port = int(running[0].url.rpartition(":")[2].partition("/")[0])
        running[0].stop()
        time.sleep(0.7)
        running.append(Reference("hermes", port=port))

    async def cut(events: list[bytes]) -> AsyncIterator[bytes]:
        yield events[0]
        await asyncio.Event().wait()

    def die(response: Response) -> Response:
        if next(answered) != 3:
            return response
        threading.Thread(target=start_again).start()
        return StreamingResponse(cut([b": the last words"]), media_type="text/event-stream")

    fault = Fault(name="dies", about="Dies once.", owner="error", response=die)
    running.append(Reference("hermes", fault=fault))
    words = ("--server-url", running[0].url, "--parser", "hermes", "--concurrency", "1")
    found = run(*words, "--patience", "20")
    running[-1].stop()
    assert found.ret == FAILED
    assert run.totals == {"pass": 9, "error": 1}
    assert run.results["run"]["waited"]["times"] >= 1


def test_a_server_that_was_never_busy_was_not_waited_for(run: Run) -> None:
    assert run("--reference", "--parser", "hermes").ret == COMPLETED
    assert "waited" not in run.results["run"]


@pytest.mark.parametrize("alone", [True, False])
def test_a_secret_header_is_written_nowhere(
    run: Run, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    monkeypatch.setenv("CONFORMANCE_HEADER_X_GATEWAY_KEY", SECRET)
    given = "X-Gateway-Key" if alone else f"X-Gateway-Key: {SECRET}"
    with Reference("hermes", fault=busy(4, text=f"who is {SECRET}?")) as reference:
        words = ("--server-url", reference.url, "--parser", "hermes", "--header", given)
        found = run(*words, "--patience", "0", "--junitxml", "junit.xml")
    assert found.ret == FAILED
    written = [path for path in Path(run.folder).rglob("*") if path.is_file()]
    assert any(path.parent.name == "wire" for path in written)
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []
    said = found.stdout.str() + found.stderr.str()
    assert SECRET not in said
    shown = "--header=X-Gateway-Key" if alone else '--header="X-Gateway-Key: $VALUE"'
    assert shown in said
    assert run.results["run"]["repeat"].endswith(shown)
    assert "who is ***?" in said
