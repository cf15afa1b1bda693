"""Runs that end early, and servers that do not answer to the end."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import Response, StreamingResponse

from conformance.reference import Reference
from conformance.reference.fault import Fault
from tests.pytest_run import FAILED, INTERRUPTED, PACKAGE, REFERENCE, Run

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow


def test_an_answer_that_breaks_off_is_an_error_and_no_failure(run: Run) -> None:
    found = run(*REFERENCE, "--fault", "closes-early")
    assert found.ret == FAILED
    assert run.totals == {"pass": 2, "error": 8}
    found.stdout.fnmatch_lines(
        ["no whole answer: RemoteProtocolError: *", "ERROR mine.yaml::zig?stream? - no whole *"]
    )
    assert "Traceback" not in found.stdout.str()


@pytest.mark.parametrize("fault", ["stalls", "never-ends"])
def test_a_server_that_never_ends_holds_nobody_up(run: Run, fault: str) -> None:
    limit = ("--answer-timeout", "1")
    found = run(*REFERENCE, "--fault", fault, *limit, "-k", "zag", "--junitxml", "junit.xml")
    assert found.ret == FAILED
    assert run.totals == {"pass": 1, "error": 4}
    found.stdout.fnmatch_lines(["no whole answer: no end after 1 s"])


def test_a_server_that_dies_is_an_error_and_no_failure(run: Run) -> None:
    answered = itertools.count()
    running: list[Reference] = []

    async def never(events: list[bytes]) -> AsyncIterator[bytes]:
        yield events[0]
        await asyncio.Event().wait()

    def die(response: Response) -> Response:
        if next(answered) < 3:
            return response
        threading.Thread(target=running[0].stop).start()
        return StreamingResponse(never([b": the last words"]), media_type="text/event-stream")

    fault = Fault(name="dies", about="Dies.", owner="error", response=die)
    with Reference("hermes", fault=fault) as reference:
        running.append(reference)
        words = ("--server-url", reference.url, "--parser", "hermes", "--concurrency", "1")
        found = run(*words, "--patience", "1")
    assert found.ret == FAILED
    assert run.totals == {"pass": 3, "error": 7}
    found.stdout.fnmatch_lines(["*the server is asked no more*(--patience 1)*"])
    assert run.results["run"]["complete"]


def test_an_interrupted_run_leaves_what_it_had(run: Run) -> None:
    class Impatient:
        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.when == "call" and "stream-characters" in report.nodeid:
                raise KeyboardInterrupt

    settings = ("-c", str(PACKAGE / "pytest.toml"), "--rootdir", str(run.folder))
    words = (*settings, "-p", "conformance.plugin", "--results", "results.json", "mine.yaml")
    found = run.pytester.inline_run(
        *words, *REFERENCE, plugins=[Impatient()], no_reraise_ctrlc=True
    )
    assert found.ret == INTERRUPTED
    assert run.results["run"]["complete"] is False
    assert 2 <= len(run.results["results"]) < run.results["run"]["selected"] == 10


def test_a_run_that_stops_at_the_first_failure_is_not_complete(run: Run) -> None:
    run(*REFERENCE, "--fault", "name-twice", "-x")
    assert run.results["run"]["complete"] is False
