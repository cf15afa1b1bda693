"""What the commands print of hostile files and their names is inert, on lines of its own."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.commands import main
from tests.foreign import FOREIGN, NASTY, is_inert
from tests.made import document, write

Screen = pytest.CaptureFixture[str]
_numbers = itertools.count()


def folder(tmp_path: Path) -> Path:
    made = tmp_path / str(next(_numbers))
    made.mkdir()
    return made


def printed(screen: Screen, *words: str) -> str:
    """Run a command, and give what it printed on both streams."""
    main.main(words)
    shown = screen.readouterr()
    return shown.out + shown.err


def is_ours(shown: str) -> bool:
    """Whether all is inert, and no line begins with what a file or server says."""
    lines = shown.splitlines()
    return is_inert(shown) and not any(line.lstrip().startswith("FORGED") for line in lines)


@st.composite
def names(draw: st.DrawFn) -> str:
    """Give a name that a file can have."""
    text = draw(FOREIGN).replace("\0", "").replace("/", "").replace("\ud800", "\udcff")
    name = f"a{text[:40]}"
    try:
        os.fsencode(name)
    except UnicodeEncodeError:  # only the lone surrogates that stand for bytes
        name = name.encode("utf-8", "replace").decode()
    return name


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(names(), FOREIGN, FOREIGN)
def test_a_recorded_answer_is_quoted(
    tmp_path: Path, capsys: Screen, name: str, message: str, media: str
) -> None:
    file = folder(tmp_path) / name
    body = json.dumps({"error": {"message": message, "type": message}})
    kind = " ".join(media.encode("utf-8", "replace").decode().splitlines())
    file.write_bytes(f"HTTP/1.1 500 No\r\ncontent-type: {kind}\r\n\r\n{body}".encode())
    assert is_ours(printed(capsys, "judge", str(file)))
    assert is_ours(printed(capsys, "judge", "--format", "json", str(file)))
    file.write_bytes(message.encode("utf-8", "surrogatepass"))
    assert is_ours(printed(capsys, "judge", str(file)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(names(), FOREIGN)
def test_a_file_with_mistakes_is_quoted(
    tmp_path: Path, capsys: Screen, name: str, text: str
) -> None:
    file = folder(tmp_path) / f"{name}.yaml"
    topic = {"schema": 1, "about": text, "cases": [{"id": text, text: text}]}
    file.write_text(json.dumps(topic), "ascii")
    assert is_ours(printed(capsys, "check", str(file)))
    file.write_bytes(b"cases:\n" + text.encode("utf-8", "surrogatepass"))
    assert is_ours(printed(capsys, "check", str(file)))
    assert is_ours(printed(capsys, "cases", str(file)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(names(), FOREIGN)
def test_results_that_cannot_be_used_are_quoted(
    tmp_path: Path, capsys: Screen, name: str, text: str
) -> None:
    one = folder(tmp_path) / name
    other = write(tmp_path / "other.json", document({}))
    write(one, document({}, target_parser=text, target_model=text))
    assert is_ours(printed(capsys, "compare", str(one), str(other)))
    write(one, {text: text})
    assert is_ours(printed(capsys, "compare", str(other), str(one)))


@pytest.mark.parametrize("text", NASTY)
def test_what_the_user_types_is_quoted(capsys: Screen, text: str) -> None:
    for words in (["judge", text], ["judge", text, "--parser", text], ["compare", text, text]):
        assert is_ours(printed(capsys, *words))
