"""Any text in, and out comes one that a person can read and that nothing obeys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.base.printable import MAX_LINE_CHARACTERS, block, counted, line
from tests.foreign import FOREIGN, is_inert


@given(FOREIGN)
def test_any_text_becomes_one_inert_line_of_limited_length(text: str) -> None:
    shown = line(text)
    assert is_inert(shown)
    assert len(shown.splitlines()) <= 1
    assert len(line(text * 5_000)) <= MAX_LINE_CHARACTERS
    assert line(shown) == shown
    assert line(line(text * 5_000)) == line(text * 5_000)


@given(FOREIGN, FOREIGN)
def test_a_block_keeps_its_lines_and_each_is_inert(first: str, second: str) -> None:
    shown = block(f"{first}\n  {second}")
    assert is_inert(shown)
    assert shown.count("\n") == 1 + first.count("\n") + second.count("\n")


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "Zs", "P"])))
def test_what_a_reader_can_see_stays_as_it_is(text: str) -> None:
    assert line(text) == text or "::" in text or "##" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\n\tb\x00", "a\\r\\n\\tb\\x00"),
        ("\u202etxt.exe\u2066", "\\u202etxt.exe\\u2066"),
        ("\ud800 \U000e0001", "\\ud800 \\U000e0001"),
        ("é 中 🎉", "é 中 🎉"),
        ("::error::no", "\\x3a:error::no"),
        ("  ::add-mask::no", "  \\x3a:add-mask::no"),
        ("ok: ##[error]no, ##vso[task.complete]", "ok: \\x23#[error]no, \\x23#vso[task.complete]"),
        ("cases/one.yaml::two[stream] ## three", "cases/one.yaml::two[stream] ## three"),
    ],
)
def test_what_is_escaped_and_what_is_not(text: str, shown: str) -> None:
    assert line(text) == shown


def test_what_is_left_out_of_a_line_is_counted() -> None:
    assert line("ab" * 50, limit=44) == "ab […96 characters…] ab"


def test_one_thing_is_not_several() -> None:
    shown = [counted(1, "file"), counted(0, "file"), counted(2_000, "entry", "entries")]
    assert shown == ["1 file", "0 files", "2,000 entries"]
