"""The list of options, and the page that has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conformance.commands import main, marks, options
from conformance.pytesting.option_table import OPTIONS

ROOT = Path(__file__).parents[2]
MARK = "<!-- options -->"
PAGES = [
    page
    for page in (ROOT / "README.md", ROOT / "docs/options.md")
    if page.exists() and MARK in page.read_text("utf-8")
]


def test_one_page_has_the_table_and_it_is_fresh() -> None:
    (only,) = PAGES
    page = only.read_text("utf-8")
    assert marks.renew(page, "options", options.markdown()) == page, "run: make docs"


def test_the_text_has_each_option_once_with_its_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["options"]) == 0
    lines = capsys.readouterr().out.splitlines()
    named = [line.split()[0] for line in lines if line.startswith("--")]
    assert named == [option.name for option in OPTIONS]
    assert "    the weakest rule that fails a run (default: must)" in lines
    assert "    from the environment: CONFORMANCE_PARSER" in lines


def test_json_has_all_that_a_row_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["options", "--format", "json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == [option.name for option in OPTIONS]
    assert rows["--cuts"]["choices"] == ["default", "thorough"]
    assert rows["--max-tokens"]["default"] == 1024
    assert rows["--parser"]["environment"] == "CONFORMANCE_PARSER"
    assert rows["--parser"]["for"] == ["--server-url", "--reference"]
    assert (rows["--results"]["repeated"], rows["--cuts"]["repeated"]) == (False, True)


def test_the_table_is_whole_and_a_bar_does_not_end_a_cell(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["options", "--format", "markdown"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert {row.replace("\\|", "").count("|") for row in rows} == {5}
    assert any(row.startswith("| `--cuts default\\|thorough` | | all | ") for row in rows)
    assert "| | `CONFORMANCE_API_KEY` | | the key, for --server-url; never an option |" in rows


def test_the_table_of_a_page_is_renewed_and_the_rest_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARK}\nOUTDATED\n<!-- /options -->\nafter\n", "utf-8")
    assert main.main(["options", "--into", str(page)]) == 0
    text = page.read_text("utf-8")
    assert text.startswith(f"before\n{MARK}\n| option | environment | for | meaning |\n")
    assert text.endswith("|\n<!-- /options -->\nafter\n")
    assert "OUTDATED" not in text


def test_the_table_of_rules_is_put_into_a_page_in_the_same_way(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- rules -->\nOUTDATED\n<!-- /rules -->\nafter\n", "utf-8")
    assert main.main(["rules", "--into", str(page)]) == 0
    text = page.read_text("utf-8")
    assert text.startswith("before\n<!-- rules -->\n| rule | level | for |")
    assert text.endswith("|\n<!-- /rules -->\nafter\n")
