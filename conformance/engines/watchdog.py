"""Runs a command in its own session, and ends all of it when the process that asked is gone.

A script that needs the standard library only: `watchdog.py COMMAND...` writes the command's process
id to standard output and the command's output to standard error. It ends the command's whole
process group when its standard input closes, as it does even if the asking process is killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

GRACE = 5.0
"""Seconds between asking a process group to end and killing it."""


def main(command: list[str]) -> int:
    """Give the command's exit status; 128 plus the signal's number if a signal ended it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.close(0))
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=2,
            stderr=2,
            start_new_session=True,
            preexec_fn=_heed_interrupts,
        )
    except OSError as problem:
        print(f"{command[0]}: {problem.strerror}", flush=True)
        return 127
    print(child.pid, flush=True)
    while child.poll() is None and not _closed():
        pass
    end(child)
    code = child.wait()
    return 128 - code if code < 0 else code


def _heed_interrupts() -> None:
    # A command inherits ignored signals; then it could not be interrupted.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def end(child: subprocess.Popen[bytes]) -> None:
    """Ask the child's process group to end, and kill it if it does not."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline:
            child.poll()
            os.killpg(child.pid, 0)
            time.sleep(0.05)
        os.killpg(child.pid, signal.SIGKILL)


def _closed() -> bool:
    """Wait a moment for standard input to close; nothing is ever written to it."""
    try:
        return bool(select.select([0], [], [], 0.1)[0])
    except OSError:
        return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
