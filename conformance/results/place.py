"""Where a run's results go: tried before anything is asked, and held for one run alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from conformance.base import files

EVIDENCE = "wire"
"""The folder beside the results that keeps exchanges."""


class PlaceProblem(Exception):
    """Results cannot go there; the message names the place, what was seen, and what to do."""


def hold(path: Path) -> Callable[[], None]:
    """Keep a place of results for this run; gives what lets it go. Raises `PlaceProblem`.

    The lock is the process's own: whatever ends that, the next run finds the place free.
    """
    if files.is_there(path) and not files.is_file(path) and not _leads_nowhere(path):
        kind = "a folder" if files.is_folder(path) else "no regular file"
        raise PlaceProblem(f"{path}: is {kind}; name a file, such as results.json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"))
        lock.acquire(timeout=0)
    except Timeout:
        raise PlaceProblem(
            f"{path}: another run is writing it; wait for that run, or name another file"
        ) from None
    except (OSError, ValueError) as problem:
        raise _unwritable(path, problem) from None
    try:
        files.require_room(path.parent)
        if files.is_there(path.parent / EVIDENCE):
            files.require_room(path.parent / EVIDENCE)
    except OSError as problem:
        lock.release()
        raise _unwritable(path, problem) from None
    return lock.release


def _leads_nowhere(path: Path) -> bool:
    # Writing replaces such a link by the file.
    return path.is_symlink() and not path.exists()


def _unwritable(path: Path, problem: Exception) -> PlaceProblem:
    return PlaceProblem(files.unwritable(path, problem, "file"))
