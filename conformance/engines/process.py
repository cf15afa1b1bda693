"""Runs commands that end when this process ends."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.base import files
from conformance.engines import watchdog
from conformance.engines.problem import LaunchProblem

Report = Callable[[str], None]
HEARTBEAT = 10.0
"""Seconds between two reports of a wait."""
MAX_OUTPUT_BYTES = 1_000_000
"""More of a command's output is not read."""

_HEADER = "CONFORMANCE_HEADER_"
_SECRET = re.compile(
    ".*(KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE)|SECRETS|CREDENTIALS?|AUTH|COOKIES?|PAT"
)
"""A word of a variable's name; `VLLM_API_KEY` would make a server demand that key of clients."""
_URL_WITH_USER = re.compile(r"://[^/\s@]+@")
_NO_NAME = re.compile(r"(?!)")


@dataclass(slots=True, kw_only=True)
class Process:
    """A running command under its watchdog, with its output in a log."""

    id: int
    log: Path
    start: int
    """Where this command's output begins in the log."""
    watchdog: subprocess.Popen[str]

    def code(self) -> int | None:
        """Give the exit status, or None while it runs."""
        return self.watchdog.poll()

    def stop(self) -> None:
        """End the command and all its children; a second call does nothing."""
        for pipe in (self.watchdog.stdin, self.watchdog.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self.watchdog.wait(watchdog.GRACE + 5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.id, 9)
            self.watchdog.kill()
            self.watchdog.wait()

    def output(self) -> str:
        """Read the command's output so far; of a long one, the end."""
        return files.tail(self.log, self.start, MAX_OUTPUT_BYTES).decode(errors="replace")

    def tail(self, lines: int = 20) -> str:
        """Read the last lines of the command's output."""
        return "\n".join(self.output().splitlines()[-lines:])


def spawn(command: Sequence[str | Path], log: Path, *, environment: Mapping[str, str]) -> Process:
    """Start a command that ends when this process ends, even by a signal."""
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-I", watchdog.__file__, *map(str, command)]
    with log.open("ab") as output:
        start = output.tell()
        dog = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            env=dict(environment),
            text=True,
            start_new_session=True,
        )
    assert dog.stdout is not None
    word = dog.stdout.readline().strip()
    if not word.isdigit():
        dog.communicate()
        raise LaunchProblem(f"cannot start {command[0]}: {word or 'the watchdog died'}")
    return Process(id=int(word), log=log, start=start, watchdog=dog)


def finish(process: Process, *, report: Report, what: str) -> int:
    """Wait for a command and report now and then; stop it if the wait is interrupted."""
    began = time.monotonic()
    try:
        while True:
            try:
                return process.watchdog.wait(HEARTBEAT)
            except subprocess.TimeoutExpired:
                report(f"{what}: {time.monotonic() - began:.0f} s")
    finally:
        process.stop()


def clean_environment(*, keep: re.Pattern[str] = _NO_NAME) -> dict[str, str]:
    """Give this process's environment without secrets, and without what changes another Python.

    A variable is a secret by its name, as `HF_TOKEN`, or by its value, a URL with a user. One whose
    name matches `keep` stays, whatever it is.
    """
    own = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    return {
        name: value
        for name, value in os.environ.items()
        if name not in own and (keep.fullmatch(name) or not _is_secret(name, value))
    }


def _is_secret(name: str, value: str) -> bool:
    said = name.startswith(_HEADER) or any(map(_SECRET.fullmatch, name.upper().split("_")))
    return said or _URL_WITH_USER.search(value) is not None
