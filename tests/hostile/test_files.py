"""A folder of hostile files: each ends in a message that names it, soon and in little memory."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.commands.main import main
from tests.hostile.limits import limits
from tests.pytest_run import REFERENCE, Run

pytest_plugins = ["pytester"]

PROBLEM, NO_ANSWER, USAGE = 1, 2, 4


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(path))  # the whole path may be too long for one


def a_sparse_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "fifo": (os.mkfifo, "is a FIFO"),
    "folder": (Path.mkdir, "is a folder"),
    "socket": (a_socket, "is a socket"),
    "endless": (lambda path: path.symlink_to("/dev/zero"), "is a device"),
    "loop": (lambda path: path.symlink_to(path.name), "cannot be read: Too many levels"),
    "dangling": (lambda path: path.symlink_to("gone"), "cannot be read: No such file"),
    "sparse": (a_sparse_file, "larger than"),
    "missing": (lambda path: None, "o such file"),
}
"""How to make each, and what is said of it."""

COMMANDS = {
    "check x.yaml": PROBLEM,
    "cases x.yaml": USAGE,
    "plan --parser hermes x.yaml": USAGE,
    "report x.yaml": USAGE,
    "compare x.yaml x.yaml": USAGE,
    "accept x.yaml": USAGE,
    "judge x.yaml": NO_ANSWER,
    "judge --request x.yaml x.yaml": USAGE,
    "judge --compare x.yaml x.yaml": USAGE,
    "judge --case a/b --cases x.yaml x.yaml": USAGE,
    "serve ./x.yaml": USAGE,
    "options --into x.yaml": USAGE,
    "rules --into x.yaml": USAGE,
}
FOLDERS_WELCOME = {
    "check x.yaml",
    "cases x.yaml",
    "plan --parser hermes x.yaml",
    "judge --case a/b --cases x.yaml x.yaml",
}
OPTIONS = ["--known", "--baseline", "--ca-file", "--launch"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        (kind, command)
        for kind in FILES
        for command in COMMANDS
        if kind != "folder" or command not in FOLDERS_WELCOME
    ],
)
def test_a_command_says_why_it_does_not_read_a_file(
    here: Path, capsys: pytest.CaptureFixture[str], kind: str, command: str
) -> None:
    make, told = FILES[kind]
    make(here / "x.yaml")
    status = COMMANDS[command]
    if kind == "missing" and command == "check x.yaml":
        status = USAGE
    with limits(seconds=20, megabytes=500):
        assert main(command.split()) == status
    said = "".join(capsys.readouterr())
    assert "Traceback" not in said
    assert "x.yaml" in said
    words = ("there is no", "there is neither") if kind == "missing" else ()
    assert any(word in said for word in (told, *words)), said


@pytest.mark.parametrize("kind", sorted(FILES.keys() - {"missing", "folder"}))
def test_a_hostile_file_among_good_ones_is_a_problem_of_its_own(
    here: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    make, told = FILES[kind]
    make(here / "x.yaml")
    (here / "_tools.yaml").write_text("schema: 1\ntools: []\n", "utf-8")
    with limits(seconds=20, megabytes=500):
        assert main(["check", "."]) == PROBLEM
    assert f"x.yaml:1: {told}" in capsys.readouterr().out


@pytest.mark.parametrize("kind", sorted(FILES.keys() - {"missing"}))
def test_tools_that_cannot_be_read_are_no_folder_without_tools(
    here: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    make, told = FILES[kind]
    make(here / "_tools.yaml")
    (here / "one.yaml").write_text("schema: 1\nabout: x\ncases: []\n", "utf-8")
    with limits(seconds=20, megabytes=500):
        main(["check", "one.yaml", "_tools.yaml"])
    if kind != "folder":
        assert f"_tools.yaml:1: {told}" in capsys.readouterr().out


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("kind", FILES)
def test_a_run_is_refused_with_the_name_of_the_file(run: Run, kind: str, option: str) -> None:
    make, told = FILES[kind]
    make(run.folder / "x.yaml")
    way: tuple[str, ...] = REFERENCE
    if option == "--ca-file":
        way = ("--server-url", "https://127.0.0.1:1/v1", "--parser", "hermes")
    if option == "--launch":
        way = ()
    with limits(seconds=30, megabytes=500):
        found = run("mine.yaml", *way, option, "./x.yaml")
    assert found.ret == USAGE
    said = "\n".join([*found.outlines, *found.errlines])
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    assert option in said
    assert "x.yaml" in said
    words = ("there is neither",) if kind == "missing" else ()
    assert any(word in said for word in (told, *words)), said


@pytest.mark.parametrize("kind", FILES)
def test_tapes_that_cannot_be_read_are_refused(run: Run, kind: str) -> None:
    make, told = FILES[kind]
    (run.folder / "kept" / "exchanges").mkdir(parents=True)
    make(run.folder / "kept" / "tapes.json")
    with limits(seconds=30, megabytes=500):
        found = run("--tapes", "kept")
    assert found.ret == USAGE
    said = "\n".join(found.errlines)
    assert "--tapes: kept/tapes.json: " in said
    assert told in said


def test_a_name_that_no_system_takes_is_a_usage_error(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "x" * 5000
    for command in ("check", "cases", "report", "accept"):
        assert main([command, name]) == USAGE
    assert main(["judge", name]) == NO_ANSWER
    assert "Traceback" not in "".join(capsys.readouterr())
