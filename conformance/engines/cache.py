"""The cache of what was provisioned: one builder of a folder at a time, and room for it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from conformance.engines.problem import LaunchProblem
from conformance.engines.process import HEARTBEAT, Report


def cache_folder() -> Path:
    """Say where it is: `CONFORMANCE_CACHE`, else the user's cache folder."""
    chosen = os.environ.get("CONFORMANCE_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("toolcall-truth")


@contextmanager
def lock(folder: Path, *, report: Report) -> Iterator[None]:
    """Lock a folder of the cache for this process, after waiting for others."""
    held = FileLock(folder.with_name(f"{folder.name}.lock"))
    began = time.monotonic()
    wait = 1.0
    while not held.is_locked:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            held.acquire(timeout=wait)
        except Timeout:
            waited = time.monotonic() - began
            report(f"waiting for another run to finish with {folder}: {waited:.0f} s")
            wait = HEARTBEAT
        except OSError as problem:
            raise LaunchProblem(
                f"cannot write to the cache {folder.parent}: {problem.strerror}; "
                "set CONFORMANCE_CACHE to a folder that can be written to"
            ) from None
    try:
        yield
    finally:
        held.release()


def check_space(folder: Path, needed: float) -> None:
    """Make sure that a folder has so many free bytes; raises LaunchProblem."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise LaunchProblem(
            f"{folder}: {free / 1e9:.1f} GB free, an environment needs {needed / 1e9:.1f} GB; "
            "make room, or set CONFORMANCE_CACHE to a folder that has it"
        )
