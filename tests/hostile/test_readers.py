"""Every reader has a limit: whoever reads past the one reader of files is found by listing."""

from __future__ import annotations

import ast
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conformance.base import files
from tests.hostile.limits import limits

PACKAGE = Path(files.__file__).parents[1]

WHOLE = {"read_text", "read_bytes", "readline", "readlines", "fdopen", "FileIO", "mmap"}
"""Methods and functions that read, or open to read, without a limit."""
ANSWERS = {"iter_bytes", "aiter_bytes", "iter_raw", "aiter_raw", "iter_lines", "aread"}
"""What gives the bytes of an answer."""

ALLOWED = {
    "base/files.py": "the one reader",
    "client/live.py": "the recorder counts what passes, and breaks off; tests/hostile shows it",
    "client/probe.py": "counts what has come, and breaks off; tests/hostile shows it",
    "base/outlet.py": "opens the null device to write",
    "engines/process.py": "a line of our own watchdog",
    "engines/vllm/front_end.py": "a program in a wheel that pip has fetched, copied in pieces",
    "engines/vllm/model_folder.py": "a script in the server's own Python, on what that holds",
    "engines/loopback.py": "an answer of our own server, with a limit",
    "engines/vllm/server.py": "an answer of our own server, with a limit",
    "engines/vllm/source.py": "an archive that pip has fetched, and the script that is its backend",
    "engines/vllm/tree.py": "an archive that pip has fetched",
    "engines/vllm/weights.py": "a wheel that pip has fetched, in pieces to a file",
    "engines/vllm/official.py": "metadata of a wheel that pip has fetched",
}
"""Modules that read otherwise, and why each may."""


def readers(source: str) -> Iterator[str]:
    """List the calls in a module that read with no limit, or open something to read it."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        words = [one.value for one in node.args if isinstance(one, ast.Constant)]
        words += [one.value.value for one in node.keywords if isinstance(one.value, ast.Constant)]
        writes = any(isinstance(word, str) and word in ("w", "wb", "ab", "xb") for word in words)
        reads_all = name == "read" and isinstance(called, ast.Attribute) and not node.args
        loads = name == "load" and ast.unparse(called) in ("json.load", "yaml.load", "pickle.load")
        believes = any(one.arg in ("cafile", "capath", "certfile") for one in node.keywords)
        if (
            name in WHOLE | ANSWERS
            or reads_all
            or loads
            or believes
            or (name in ("open", "urlopen", "ZipFile") and not writes)
        ):
            yield f"line {node.lineno}: {ast.unparse(node)}"


MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("module", sorted({*MODULES} - ALLOWED.keys()))
def test_a_module_reads_through_the_one_reader(module: str) -> None:
    found = list(readers((PACKAGE / module).read_text("utf-8")))
    assert found == [], "read with conformance.base.files, or say in ALLOWED why not"


@pytest.mark.parametrize("module", sorted(ALLOWED))
def test_a_module_that_may_read_otherwise_does(module: str) -> None:
    assert list(readers((PACKAGE / module).read_text("utf-8"))), "take it out of ALLOWED"


@pytest.mark.parametrize(
    "line",
    [
        "open(path)",
        "open(path, 'rb')",
        "path.open()",
        "path.read_text('utf-8')",
        "Path(name).read_bytes()",
        "file.read()",
        "json.load(file)",
        "os.open(path, os.O_RDONLY)",
        "os.fdopen(3)",
        "io.FileIO(path)",
        "ssl.create_default_context(cafile=path)",
        "tarfile.open(path)",
        "zipfile.ZipFile(path)",
        "urllib.request.urlopen(url)",
        "sys.stdin.readline()",
        "response.aiter_bytes()",
    ],
)
def test_a_new_reader_without_a_limit_is_found(line: str) -> None:
    assert list(readers(f"def load(path):\n    return {line}\n"))


@pytest.mark.parametrize("line", ["log.open('ab')", "sse.read(reads)", "files.data(path, 5)"])
def test_what_reads_no_file_is_left_alone(line: str) -> None:
    assert list(readers(line)) == []


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (os.mkfifo, "is a FIFO; only regular files are read"),
        (Path.mkdir, "is a folder; only regular files are read"),
        (a_socket, "is a socket; only regular files are read"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device; only regular files are read"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
        (lambda path: path.symlink_to("gone"), "cannot be read: No such file or directory"),
        (lambda path: path.write_bytes(b"12345"), "larger than 4 bytes, which is the limit"),
        (lambda path: path.symlink_to("/proc/self/maps"), "larger than 4 bytes"),
    ],
)
def test_the_one_reader_says_what_it_saw(
    tmp_path: Path, make: Callable[[Path], object], told: str
) -> None:
    path = tmp_path / "x"
    make(path)
    with pytest.raises(files.Unread) as caught:
        files.data(path, 4)
    assert str(caught.value).startswith(f"{path}: {told}")


def test_names_that_no_system_takes_are_nowhere_and_not_read() -> None:
    for name in ("x" * 5000, "a\0b"):
        path = Path(name)
        assert [files.is_there(path), files.is_file(path), files.is_folder(path)] == [False] * 3
        with pytest.raises(files.Unread, match="cannot be read: "):
            files.data(path, 4)


def test_a_file_of_exactly_the_limit_is_read_and_a_tail_is_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"one two")
    assert files.data(path, 7) == b"one two"
    assert files.tail(path, 0, 3) == b"two"
    assert files.tail(path, 5, 3) == b"wo"
    assert files.tail(path, 9, 3) == b""


def test_a_large_limit_makes_no_room_for_a_small_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12")
    with limits(seconds=5, megabytes=50):
        assert files.data(path, 10_000_000_000) == b"12"
