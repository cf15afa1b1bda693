"""Ctrl-C at every phase, and workers that are killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.pytest_run import CASES, FAILED, INTERRUPTED, PACKAGE, REFERENCE, Run

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

STALLS = (*REFERENCE, "--fault", "stalls", "--concurrency", "2", "-v")
ASKED = "zig[complete]"
"""What the terminal says once an item was judged; the next one stalls."""

FAKE = Path(__file__).parents[1] / "engines" / "vllm" / "fake_python.py"
KILLER = """
import os, pathlib, signal

def pytest_runtest_setup(item):
    mark = pathlib.Path(__file__).with_name("killed")
    if item.name == "zag[stream]" and "PYTEST_XDIST_WORKER" in os.environ and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
"""


def heed() -> None:
    """Let a child be interrupted, even if this process is a shell's job in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def started(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the cases in a session of their own, with the output in a file."""
    (folder / "mine.yaml").write_text(CASES)
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "conformance", "run", "mine.yaml", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
            stdout=out,
            stderr=out,
            start_new_session=True,
            preexec_fn=heed,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def said(folder: Path) -> str:
    return (folder / "out").read_text("utf-8")


def wait_for(folder: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in said(folder):
        assert time.monotonic() < deadline, said(folder)
        time.sleep(0.05)


def require_quiet_end(folder: Path, process: subprocess.Popen[bytes]) -> None:
    assert process.wait(60) == INTERRUPTED, said(folder)
    text = said(folder)
    assert "KeyboardInterrupt" in text
    assert "Traceback" not in text
    assert "Warning" not in text
    assert len(text.splitlines()) < 40, text


@pytest.mark.parametrize("signals", [1, 2])
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_an_interrupt_ends_with_a_summary_and_results_that_are_not_complete(
    tmp_path: Path, workers: tuple[str, ...], signals: int
) -> None:
    with started(tmp_path, *STALLS, *workers) as process:
        wait_for(tmp_path, f"PASSED mine.yaml::{ASKED}" if workers else f"{ASKED} PASSED")
        for _ in range(signals):
            # As a terminal does: all of the session.
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.1)
        require_quiet_end(tmp_path, process)
    assert "1 item: 1 pass, 0 fail, 0 in error\n" in said(tmp_path)
    run = json.loads((tmp_path / ".conformance" / "results.json").read_text())["run"]
    assert run["complete"] is False


def test_an_interrupt_before_any_answer_marks_the_results_and_says_so(tmp_path: Path) -> None:
    every = (*REFERENCE, "--fault", "stalls", "--concurrency", "2", "-k", "zag")
    with started(tmp_path, *every) as process:
        wait_for(tmp_path, "collected 10 items")
        time.sleep(1)
        os.killpg(process.pid, signal.SIGINT)
        require_quiet_end(tmp_path, process)
    assert "results: .conformance/results.json, marked as not complete\n" in said(tmp_path)
    run = json.loads((tmp_path / ".conformance" / "results.json").read_text())["run"]
    assert run["complete"] is False


def launchable(folder: Path) -> Path:
    """Make a Python whose vLLM starts, never serves, and has a child that ignores SIGTERM."""
    (folder / "vllm").mkdir()
    (folder / "vllm" / "__init__.py").touch()
    (folder / "template.jinja").write_text("{{ messages }}")
    found = {"versions": {"vllm": "0.32.0"}, "vllm": str(folder / "vllm" / "__init__.py")}
    plan = {"silent": True, "children": True, "inspect": found}
    (folder / "plan.json").write_text(json.dumps(plan))
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{FAKE}" "{folder}" "$@"\n')
    python.chmod(0o755)
    return python


def running(folder: Path) -> list[str]:
    """List the processes whose command lines name a folder."""
    listed = subprocess.run(
        ["ps", "-Aww", "-o", "args="], capture_output=True, text=True, check=True
    )
    return [line for line in listed.stdout.splitlines() if str(folder) in line]


@pytest.mark.parametrize("signals", [1, 2])
def test_an_interrupt_while_a_server_is_launched_leaves_no_child(
    tmp_path: Path, signals: int
) -> None:
    python = str(launchable(tmp_path))
    words = ("--launch", "hermes", "--vllm", python, "--template", "./template.jinja")
    earlier = tmp_path / ".conformance" / "results.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONFORMANCE_CACHE", str(tmp_path / "cache"))
        with started(tmp_path, *words) as process:
            log = earlier.with_name("server-hermes.log")
            wait_for(tmp_path, f"log: {log}")
            while "arguments" not in log.read_text("utf-8"):
                time.sleep(0.05)
            assert len(running(tmp_path)) > 2  # the run, the server, and its child
            for _ in range(signals):
                os.killpg(process.pid, signal.SIGINT)
                time.sleep(0.1)
            require_quiet_end(tmp_path, process)
    assert "interrupted before anything was asked; this run wrote no results\n" in said(tmp_path)
    assert running(tmp_path) == []
    assert not earlier.exists()


def test_an_interrupt_while_the_server_is_examined_is_quiet(tmp_path: Path) -> None:
    earlier = tmp_path / ".conformance" / "results.json"
    earlier.parent.mkdir()
    earlier.write_text("{}")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with started(tmp_path, "--server-url", url, "--parser", "hermes") as process:
            connection, _ = silent.accept()
            with connection:
                os.killpg(process.pid, signal.SIGINT)
                require_quiet_end(tmp_path, process)
    kept = "this run wrote no results, and .conformance/results.json is of an earlier one\n"
    assert kept in said(tmp_path)


def test_a_killed_worker_is_named_and_the_results_are_not_complete(run: Run) -> None:
    run.write("conftest.py", KILLER)
    found = run(*REFERENCE, "-n", "2")
    assert found.ret == FAILED
    found.stdout.fnmatch_lines(["worker gw? was lost; the results are marked as not complete"])
    # Another worker comes to what this one left, so all items are there nevertheless.
    assert run.totals == {"pass": 10}
    assert run.results["run"]["complete"] is False
