"""The record of releases: its tables come from its data, and its data from results."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from conformance.report import markdown
from conformance.results import reader
from conformance.results.reader import Results
from tests.made import document, finding, item, write
from tools import history
from tools.history import DATA, LETTERS, SUMMARY, Record

WORDS = {"fails": "f", "known": "k", "policy": "p", "stale": "s", "unsure": "u", "error": "e"}


@pytest.fixture(scope="module")
def kept() -> Record:
    found: Record = json.loads(DATA.read_text("utf-8"))
    return found


def three(folder: Path) -> list[Results]:
    """A target in three releases: one fault comes, one goes, one answer is lost."""

    def release(version: str, *items: dict[str, Any]) -> Results:
        found = document({}, target_id=f"vllm-{version}-hermes", target_version=version)
        found["results"] = list(items)
        return reader.load(write(folder / version / "results.json", found))

    known = finding("chunk.name.once", "known")
    failed = finding("args.json", "fail")
    good = {"args.json": "pass", "chunk.name.once": "pass"}
    bad = {"args.json": "pass", "chunk.name.once": "known"}
    worse = {"args.json": "fail", "chunk.name.once": "known"}
    return [
        release(
            "0.30.0",
            item("calls/twice[stream]", bad, findings=[known]),
            item("calls/twice[complete]", good),
        ),
        release(
            "0.31.0",
            item("calls/twice[stream]", worse, findings=[failed, known]),
            item("calls/twice[complete]", good),
        ),
        release(
            "0.32.0",
            item("calls/twice[stream]", good),
            item("calls/twice[complete]", "error"),
        ),
    ]


def test_the_summary_is_what_the_data_file_gives(kept: Record) -> None:
    summary = SUMMARY.read_text("utf-8")
    assert history.with_tables(summary, kept) == summary, "run: python -m tools.history"


def test_the_data_file_is_small_and_written_as_it_would_be_again(kept: Record) -> None:
    assert DATA.stat().st_size < 500_000
    assert history.written(kept) == DATA.read_text("utf-8")


def test_each_cell_has_as_many_items_as_it_counts(kept: Record) -> None:
    for target in kept["targets"]:
        for rule in target["rules"]:
            for place, cell in enumerate(rule["cells"]):
                counted = re.findall(r"(fails|known|policy|stale|unsure|error) (\d+)", cell)
                letters = Counter(each[place] for each in rule["broken"].values())
                del letters["."]
                assert letters == {WORDS[word]: int(count) for word, count in counted}


def test_every_reason_in_the_data_file_is_on_the_page(kept: Record) -> None:
    named = {id for target in kept["targets"] for rule in target["rules"] for id in rule["known"]}
    assert named == set(kept["issues"])


def test_results_become_letters_by_item_and_release(tmp_path: Path) -> None:
    found = history.record(three(tmp_path))
    (target,) = found["targets"]
    assert [found["runs"][number]["version"] for number in target["runs"]] == [
        *("0.30.0", "0.31.0", "0.32.0"),
    ]
    assert {rule["id"]: rule["broken"] for rule in target["rules"]} == {
        "error": {"calls/twice[complete]": "..e"},
        "args.json": {"calls/twice[stream]": ".f."},
        "chunk.name.once": {"calls/twice[stream]": "kk."},
    }
    assert {rule["id"]: rule["known"] for rule in target["rules"]} == {
        "error": [],
        "args.json": [],
        "chunk.name.once": ["an-issue"],
    }
    assert set(found["issues"]) == {"an-issue"}
    assert set(LETTERS.values()) == set(WORDS.values())


def test_the_tables_are_those_of_a_report(tmp_path: Path) -> None:
    runs = three(tmp_path)
    report = markdown.render(runs)
    tables = history.tables(history.record(runs))
    assert "▲ 1 came" in tables
    assert report.startswith(tables)


def test_what_is_written_by_hand_before_the_tables_is_kept(tmp_path: Path) -> None:
    found = history.record(three(tmp_path))
    written = history.with_tables(f"By hand.\n\n{history.TABLES}\nold\n", found)
    assert written == f"By hand.\n\n{history.tables(found)}"


def test_the_page_shows_the_items_and_no_text_does_anything_in_it(tmp_path: Path) -> None:
    found = history.record(three(tmp_path))
    found["issues"]["an-issue"] = {"about": "<img src=x>\u202e", "link": "javascript:alert(1)"}
    page = history.page(found)
    assert page.count("<details>") == 3
    assert '<th scope="row">calls/twice[stream]</th>' in page
    assert '<td class="known">known</td><td class="known">known</td><td></td>' in page
    assert "&lt;img src=x&gt;\\u202e" in page
    assert "javascript:" not in page
