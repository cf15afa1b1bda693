"""Nothing that a server or a file says is obeyed by who reads a pytest session's output."""

from __future__ import annotations

import ast
import json
import shutil
import sys
import xml.etree.ElementTree as xml
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from starlette.responses import PlainTextResponse, Response

import conformance
from conformance.engines.problem import LaunchProblem
from conformance.pytesting import exits
from conformance.reference import Reference, app
from conformance.reference.fault import Fault
from tests.foreign import FOREIGN, is_inert
from tests.pytest_run import (
    CASES,
    COMPLETED,
    FAILED,
    FAULTY,
    INTERRUPTED,
    KNOWN,
    REFERENCE,
    USAGE_ERROR,
    Run,
)

pytest_plugins = ["pytester"]

EVIL = (
    "\x1b[2J\x1b]0;owned\x07\u202e\u2066\nFORGED 1 passed\n::error::FORGED\r::error::FORGED "
    "##vso[FORGED]\x85FORGED"
)
FLOOD = "A" * 300_000
PYTESTING = Path(conformance.__file__).parent / "pytesting"


def answer_with(text: str, media: str) -> Fault:
    def respond(response: Response) -> Response:
        return PlainTextResponse(text, 500, media_type=media)

    return Fault(name="evil", about="Says what it likes.", owner="error", response=respond)


@pytest.fixture
def evil(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reference]:
    """Start a server whose every word is hostile, and too long."""
    monkeypatch.setattr(app, "MODEL", EVIL + FLOOD)
    fault = answer_with(EVIL + FLOOD, "text/\x9b2J;" + "a" * 9000)
    with Reference("hermes", fault=fault, version=f"0.32.0{EVIL}{FLOOD}") as reference:
        yield reference


def is_harmless(printed: str) -> bool:
    """Whether all is inert, no line is a server's, and a screen of 80 columns holds it soon."""
    lines = printed.splitlines()
    rows = sum(1 + len(line) // 80 for line in lines)
    forged = [line for line in lines if line.lstrip(" E").startswith("FORGED")]
    return is_inert(printed) and not forged and rows < 60 * max(10, len(lines))


def of_ours(found: pytest.RunResult) -> str:
    """Give what was printed, without the colours of pytest's own."""
    return found.stdout.str() + found.stderr.str()


def test_a_hostile_server_is_quoted_and_not_obeyed(run: Run, evil: Reference) -> None:
    words = ("--server-url", evil.url, "--parser", "hermes", "--junitxml", "junit.xml", "-rA")
    found = run(*words)
    assert found.ret == FAILED
    printed = of_ours(found)
    assert is_harmless(printed)
    assert len(printed) < 300_000
    assert "\\x1b[2J" in printed
    suite = xml.parse(run.folder / "junit.xml").getroot()
    values = [value for node in suite.iter() for value in (*node.attrib.values(), node.text or "")]
    assert all(is_harmless(value) for value in values)


@pytest.mark.slow
def test_a_hostile_server_is_the_same_to_workers(run: Run, evil: Reference) -> None:
    found = run("--server-url", evil.url, "--parser", "hermes", "-n", "2", "-v")
    assert found.ret == FAILED
    assert is_harmless(of_ours(found))
    assert run.results["target"]["model"] == EVIL + FLOOD


def test_a_server_that_cannot_be_used_is_quoted_in_a_line(
    run: Run, evil: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--server-url", evil.url, "--parser", "hermes", "--emission", "scripted")
    found = run(*words, "--model", "m\n::error::m")
    assert found.ret == USAGE_ERROR
    assert is_harmless(of_ours(found))
    assert len(of_ours(found)) < 10_000


@pytest.mark.parametrize("words", [("-v",), ("-rA", *FAULTY[-2:])])
def test_a_hostile_folder_is_named_and_not_obeyed(run: Run, words: tuple[str, ...]) -> None:
    folder = run.folder / "given.yaml" / "\x1b[2J\n::error::FORGED\udcff"
    folder.mkdir(parents=True)
    shutil.move(run.folder / "mine.yaml", folder / "mine.yaml")
    found = run(*REFERENCE, *words, "given.yaml", "--junitxml", "junit.xml")
    assert found.ret == (FAILED if "-rA" in words else COMPLETED)
    assert is_harmless(of_ours(found))
    assert "\\x1b[2J\\n::error::FORGED\\udcff/mine.yaml::zig" in of_ours(found)
    xml.parse(run.folder / "junit.xml")


def test_a_file_with_a_hostile_name_is_refused_in_a_line(run: Run) -> None:
    file = run.folder / "given.yaml" / "\x1b[2J\n::error::FORGED\udcff.yaml"
    file.parent.mkdir()
    file.write_text(CASES, "utf-8")
    found = run(*REFERENCE, "given.yaml", "-rA")
    assert found.ret == INTERRUPTED
    assert is_harmless(of_ours(found))
    assert "allowed: 1 to 50 of a-z 0-9 -" in of_ours(found)


def test_a_hostile_file_of_known_issues_is_quoted_and_not_obeyed(run: Run) -> None:
    evil = json.dumps("https://example.org/\u202e\x9b2J##vso[FORGED]")
    about = f"    about: {json.dumps(EVIL)}"
    known = KNOWN.replace("    about: The name of a call is sent in every delta.", about)
    run.write("known.yml", f"{known}    source: {evil}\n")
    found = run(*FAULTY, "--known", "known.yml", "-rA", "--junitxml", "junit.xml")
    assert run.totals == {"pass": 6, "known": 4}
    assert is_harmless(of_ours(found))
    assert is_harmless((run.folder / "junit.xml").read_text("utf-8"))


def test_lone_surrogates_and_floods_in_an_answer_reach_no_exit(run: Run) -> None:
    def respond(response: Response) -> Response:
        body = json.dumps({"error": {"message": f"\ud800{EVIL}{FLOOD}"}})
        return PlainTextResponse(body, 500, media_type="application/json")

    fault = Fault(name="evil", about="Says what it likes.", owner="error", response=respond)
    with Reference("hermes", fault=fault) as reference:
        found = run("--server-url", reference.url, "--parser", "hermes", "-rA")
    assert found.ret == FAILED
    assert is_harmless(of_ours(found))
    assert len(of_ours(found)) < 200_000


def test_an_output_of_ascii_shows_escapes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("PYTHONUTF8", "0")
    words = ("-m", "conformance", "run", *FAULTY, "mine.yaml")
    found = run.pytester.run(sys.executable, *words)
    assert found.ret == FAILED
    assert found.stderr.str() == ""
    assert found.stdout.str().isascii()


@given(FOREIGN)
def test_any_report_leaves_inert(text: str) -> None:
    traceback = SimpleNamespace(
        reprentries=[
            SimpleNamespace(lines=[f"x\n{text}\n"], reprlocals=SimpleNamespace(lines=[text]))
        ]
    )
    crash = SimpleNamespace(path=text, lineno=1, message=text)
    chain = [(traceback, crash, None), (SimpleNamespace(reprentries=[]), None, None)]
    for longrepr in (None, text, (text, 1, text), SimpleNamespace(chain=chain)):
        report: Any = SimpleNamespace(
            longrepr=longrepr,
            sections=[("Captured log", text)],
            user_properties=[("a", text), ("b", 1)],
            wasxfail=text,
        )
        exits.clean(report)
        shown = [report.sections[0][1], report.user_properties[0][1], report.wasxfail]
        if isinstance(longrepr, SimpleNamespace):
            (entry,) = traceback.reprentries
            shown += [*entry.lines, *entry.reprlocals.lines, crash.path, crash.message]
        elif longrepr:
            shown += report.longrepr if isinstance(longrepr, str) else report.longrepr[::2]
        assert all(map(is_inert, shown))
        assert report.user_properties[1] == ("b", 1)


@given(FOREIGN)
def test_any_message_leaves_inert(text: str) -> None:
    written: list[str] = []
    exits.writer(written.append)(text)
    written += [*exits.header([text]), exits.title(text), str(exits.place(Path("/", text)))]
    written += [str(exits.refusal(text)), str(exits.refusal(LaunchProblem(f"log:\n{text}")))]
    assert all(map(is_inert, written))
    assert "\n" not in str(exits.refusal(ValueError(text)))
    assert len(exits.title(text * 999)) <= exits.MAX_TITLE_CHARACTERS


def test_pytest_is_refused_through_one_exit() -> None:
    found = {
        path.name
        for path in PYTESTING.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("UsageError")
    }
    assert found == {"exits.py"}
