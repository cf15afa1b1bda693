"""The suite's own programs print anything, and nothing that they print is obeyed."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

import conformance
from conformance.base import outlet
from tests.foreign import FOREIGN, NASTY, is_inert

PACKAGE = Path(conformance.__file__).parent


def printing(path: Path) -> bool:
    """Whether a module prints by itself."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    of_sys = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "sys"
    }
    return "print" in names or bool(of_sys & {"stdout", "stderr", "__stdout__", "__stderr__"})


def test_nothing_else_prints() -> None:
    found = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if printing(path)}
    # These two run as programs of their own, outside of the suite.
    alone = {"engines/llamacpp/serve.py", "engines/watchdog.py"}
    assert found == {"base/outlet.py", *alone}, "print with conformance.base.outlet"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FOREIGN)
def test_any_text_is_inert_on_both_streams(capsys: pytest.CaptureFixture[str], text: str) -> None:
    outlet.say(text)
    outlet.notice(text)
    printed = capsys.readouterr()
    assert is_inert(printed.out)
    assert printed.err == printed.out


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FOREIGN)
def test_data_is_ascii_and_means_the_same(capsys: pytest.CaptureFixture[str], text: str) -> None:
    outlet.data({text: [text]})
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert is_inert(printed)
    assert json.loads(printed) == {text: [text]}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_an_output_that_is_not_utf_8_never_raises(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    outlet.ready()
    outlet.say("".join(NASTY) + "中 🎉")
    outlet.page("<meta charset=utf-8>中")
    outlet.flush()
    assert written.getvalue().endswith("<meta charset=utf-8>中".encode())


def test_a_page_goes_where_there_are_no_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    outlet.ready()
    outlet.page("中")
    assert written.getvalue() == "中"


@pytest.mark.slow
def test_help_and_lists_are_printed_in_a_terminal_of_ascii() -> None:
    for words in (["matrix", "--help"], ["rules"], ["options"]):
        command = [sys.executable, "-m", "conformance", *words]
        done = subprocess.run(
            command, capture_output=True, env={"PYTHONIOENCODING": "ascii"}, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, b"")
