"""The one reader of files: regular ones only, and none larger than its limit."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


PIECE = 1 << 16

PROBE = b"\0" * PIECE
"""A disk with no room for this has none for what a run writes."""


class Unread(Exception):
    """A file is not read; reads `path: what was seen`."""

    def __init__(self, path: Path | str, what: str) -> None:
        """Keep path and message apart, for callers that name the place in their own words."""
        super().__init__(f"{path}: {what}")
        self.what = what


class TooLarge(Unread):
    """A file has more bytes than its reader takes."""


def data(path: Path, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes; raises `Unread`."""
    with os.fdopen(_opened(path), "rb") as file:
        _require_size(path, os.fstat(file.fileno()).st_size, limit)
        try:
            # In pieces: a read makes room at once for all that it is asked for.
            pieces, left = [], limit + 1
            while left > 0 and (piece := file.read(min(left, PIECE))):
                pieces.append(piece)
                left -= len(piece)
        except OSError as problem:
            raise _unread(path, problem) from None
    found = b"".join(pieces)
    _require_size(path, len(found), limit)  # some files have more in them than they say
    return found


def text(path: Path, limit: int) -> str:
    """Read a regular file of at most `limit` bytes as UTF-8; other bytes become U+FFFD."""
    return data(path, limit).decode("utf-8", "replace")


def tail(path: Path, start: int, limit: int) -> bytes:
    """Read a file from `start` to its end, but no more than its last `limit` bytes."""
    with os.fdopen(_opened(path), "rb") as file:
        end = os.fstat(file.fileno()).st_size
        file.seek(max(start, end - limit))
        return file.read(limit)


def standard_input(limit: int) -> bytes:
    """Read standard input; raises `TooLarge` where it has more than `limit` bytes."""
    found = sys.stdin.buffer.read(limit + 1)
    _require_size("standard input", len(found), limit)
    return found


def require_room(folder: Path) -> None:
    """Write a file into a folder, and remove it; raises OSError where a run could write nothing."""
    probe = folder / f".probe.{os.getpid()}"
    try:
        probe.write_bytes(PROBE)
    finally:
        probe.unlink(missing_ok=True)


def unwritable(path: Path, problem: Exception, kind: str) -> str:
    """Say that nothing can be written at a path, and that another file or folder may do."""
    seen = getattr(problem, "strerror", None) or str(problem)
    return f"{path}: cannot be written: {seen}; name another {kind}, or make room there"


def is_there(path: Path) -> bool:
    """Whether there is something at a path, be it a link to nothing."""
    return _mode(path.lstat) is not None


def is_folder(path: Path) -> bool:
    """Whether there is a folder at a path."""
    return stat.S_ISDIR(_mode(path.stat) or 0)


def is_file(path: Path) -> bool:
    """Whether there is a regular file at a path."""
    return stat.S_ISREG(_mode(path.stat) or 0)


def size(path: Path) -> int | None:
    """Give the bytes of a regular file; `None` if there is none."""
    return path.stat().st_size if is_file(path) else None


def _mode(look: Callable[[], os.stat_result]) -> int | None:
    try:
        return look().st_mode
    except (OSError, ValueError):  # pathlib itself lets some pass, such as a name that is too long
        return None


def _opened(path: Path) -> int:
    try:
        _require_regular(path, path.stat().st_mode)  # first: a device may act when it is opened
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as problem:
        raise _unread(path, problem) from None
    try:
        _require_regular(path, os.fstat(number).st_mode)  # again: it may be another one since
    except Unread:
        os.close(number)
        raise
    return number


def _unread(path: Path, problem: Exception) -> Unread:
    # A path with a NUL byte is a ValueError.
    return Unread(path, f"cannot be read: {getattr(problem, 'strerror', None) or problem}")


def _require_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in _KINDS if test(mode)), "something else")
        raise Unread(path, f"is {kind}; only regular files are read")


def _require_size(path: Path | str, size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge(path, f"larger than {limit:,} bytes, which is the limit")
