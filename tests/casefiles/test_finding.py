"""Which files of a folder hold cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.casefiles import finding

GOOD = "schema: 1\ncases: []\n"

SAYING = [
    GOOD,
    'schema: 1\n"cases": []\n',
    "schema: 1\n'cases' : []\n",
    "Cases: []\n",
    "\ufeffcases: []\n",
    "schema: 1\r\ncases: []\r\n",
    '{"schema": 1, "cases": []}',
    '\n {"cases": []}',
]


@pytest.mark.parametrize("text", SAYING)
def test_a_file_that_says_so_in_any_spelling_holds_cases(tmp_path: Path, text: str) -> None:
    (tmp_path / "one.yaml").write_bytes(text.encode())
    assert finding.is_case_file(tmp_path / "one.yaml")


@pytest.mark.parametrize("text", ["", "issues: []\n", "a:\n  cases: 1\n", "# cases: none\n"])
def test_a_file_that_says_nothing_of_cases_is_one_only_beside_them(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(text)
    assert not finding.is_case_file(path)
    (tmp_path / "_skipped.yaml").write_text(GOOD)
    assert not finding.is_case_file(path)
    (tmp_path / "two.yaml").write_text(GOOD)
    assert finding.is_case_file(path)


def test_another_suffix_is_for_other_files_unless_it_says_cases_beside_cases(
    tmp_path: Path,
) -> None:
    path = tmp_path / "one.yml"
    path.write_text(GOOD)
    assert not finding.is_case_file(path)
    (tmp_path / "two.yaml").write_text(GOOD)
    assert finding.is_case_file(path)
    path.write_text("issues: []\n")
    assert not finding.is_case_file(path)


def test_what_begins_with_an_underscore_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(GOOD)
    (tmp_path / "_one.yaml").write_text(GOOD)
    assert not finding.is_case_file(tmp_path / "_one.yaml")
