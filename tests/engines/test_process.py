from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conformance.engines import pip, process
from conformance.engines.problem import LaunchProblem
from conformance.engines.process import clean_environment, finish, spawn

STUBBORN = """
import signal, subprocess, sys, time
child = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
print(subprocess.Popen([sys.executable, "-c", child]).pid, flush=True)
time.sleep(600)
"""
PARENT = """
import os, sys, time
from pathlib import Path
from conformance.engines.process import spawn
running = spawn([sys.executable, "-c", sys.argv[2]], Path(sys.argv[1]), environment=os.environ)
print(running.id, flush=True)
time.sleep(600)
"""


def runs(id: int) -> bool:
    """Report whether a process runs; one that has ended and was not collected yet does not."""
    said = subprocess.run(["ps", "-o", "stat=", "-p", str(id)], capture_output=True, text=True)
    return said.stdout.strip()[:1] not in ("", "Z")


def wait_for(path: Path, seconds: float = 20) -> list[str]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if path.exists() and (lines := path.read_text().splitlines()):
            return lines
        time.sleep(0.05)
    raise AssertionError(f"nothing was written to {path}")


def gone(ids: list[int], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(runs, ids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(runs, ids))


def test_a_command_s_output_is_in_the_log_and_its_status_is_kept(tmp_path: Path) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    command = [sys.executable, "-u", "-c", code]
    running = spawn(command, tmp_path / "log", environment=clean_environment())
    assert finish(running, report=print, what="work") == 3
    assert running.output() == "out\nerr\n"


def test_a_command_reads_only_its_own_part_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    command = [sys.executable, "-c", "print('after')"]
    running = spawn(command, tmp_path / "log", environment=clean_environment())
    finish(running, report=print, what="work")
    assert running.tail() == "after"
    assert (tmp_path / "log").read_text() == "before\nafter\n"


def test_a_death_by_signal_has_the_status_that_shells_give(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    running = spawn(command, tmp_path / "log", environment=clean_environment())
    assert finish(running, report=print, what="work") == 128 + signal.SIGKILL


def test_a_long_wait_says_that_it_is_alive_and_how_long_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "HEARTBEAT", 0.4)
    reports: list[str] = []
    command = [sys.executable, "-c", "import time; time.sleep(1.5)"]
    running = spawn(command, tmp_path / "log", environment=clean_environment())
    finish(running, report=reports.append, what="installing")
    assert reports[0] == "installing: 0 s"
    assert "installing: 1 s" in reports


def test_a_command_that_cannot_be_started_is_reported(tmp_path: Path) -> None:
    with pytest.raises(LaunchProblem) as raised:
        spawn(["/nowhere/python"], tmp_path / "log", environment=clean_environment())
    assert str(raised.value) == (
        "cannot start /nowhere/python: /nowhere/python: No such file or directory"
    )


@pytest.mark.slow
def test_stopping_ends_children_that_will_not_listen_and_may_be_repeated(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STUBBORN]
    running = spawn(command, tmp_path / "log", environment=clean_environment())
    child = int(wait_for(tmp_path / "log")[0])
    assert runs(child)
    running.stop()
    running.stop()
    assert not runs(running.id)
    assert not runs(child)
    assert running.code() == 128 + signal.SIGTERM


@pytest.mark.slow
def test_nothing_stays_when_the_one_who_asked_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    package = str(Path(process.__file__).parents[3])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(log), STUBBORN],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": package},
    )
    with parent:
        assert parent.stdout is not None
        command = int(parent.stdout.readline())
        child = int(wait_for(log)[0])
        assert runs(command)
        parent.kill()
    assert gone([command, child])


def test_a_broken_off_wait_stops_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(process, "HEARTBEAT", 0.1)
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    running = spawn(command, tmp_path / "log", environment=clean_environment())
    with pytest.raises(KeyboardInterrupt):
        finish(running, report=interrupt, what="work")
    assert not runs(running.id)


def test_another_python_does_not_inherit_our_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("PIP_INDEX_URL", "theirs")
    environment = clean_environment()
    assert "PYTHONPATH" not in environment
    assert environment["PIP_INDEX_URL"] == "theirs"


SECRETS = {
    "OPENAI_API_KEY": "x",
    "CONFORMANCE_API_KEY": "x",
    "CONFORMANCE_HEADER_X_TEAM": "x",
    "VLLM_API_KEY": "x",
    "HF_TOKEN": "x",
    "HUGGING_FACE_HUB_TOKEN": "x",
    "HUGGINGFACE_APIKEY": "x",
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "GOOGLE_APPLICATION_CREDENTIALS": "x",
    "GITHUB_PAT": "x",
    "db_password": "x",
    "DATABASE_URL": "postgres://me:word@host/db",
    "HTTPS_PROXY": "http://me:word@proxy",
    "PIP_INDEX_URL": "https://token@index/simple",
}
HARMLESS = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "TOKENIZERS_PARALLELISM": "0",
    "HF_HOME": "/home/hf",
    "PATH": "/bin",
    "NO_PROXY": "localhost",
    "HTTP_PROXY": "http://proxy:3128",
    "VLLM_MOE_MAX_TOKENS": "1",
}


def test_what_is_started_gets_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SECRETS, **HARMLESS}.items():
        monkeypatch.setenv(name, value)
    environment = clean_environment()
    assert SECRETS.keys() & environment.keys() == set()
    assert environment.items() >= HARMLESS.items()


def test_pip_keeps_what_opens_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    kept = SECRETS.keys() & clean_environment(keep=pip._OF_PIP).keys()
    assert kept == {"HTTPS_PROXY", "PIP_INDEX_URL"}
