from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.base.printable import cut, visible
from conformance.report import badge, histories, markdown, view
from conformance.results.comparison import Comparison
from conformance.results.reader import Results, load
from conformance.terms.outcome import Outcome
from tests.made import Items, document, results, write

RULE = "args.json"


def run(folder: Path, name: str, items: Items, **more: Any) -> Results:
    return results(folder / f"{name}.json", items, target_id=f"vllm-{name}", **more)


def version(folder: Path, name: str, items: Items) -> Results:
    return run(folder, name, items, target_version=name)


def test_columns_stand_by_target_and_version_not_by_score(tmp_path: Path) -> None:
    runs = [version(tmp_path, name, {}) for name in ("0.10.0", "0.9.2", "0.10.0rc1")]
    runs.append(run(tmp_path, "mistral", {}, target_format="mistral", target_parser="mistral"))
    runs.append(run(tmp_path, "unknown", {}, target_version=None))
    assert [column.name for column in view.columns(runs)] == [
        "vllm-unknown",
        "vllm-0.9.2",
        "vllm-0.10.0rc1",
        "vllm-0.10.0",
        "vllm-mistral",
    ]


def test_columns_of_one_id_can_be_distinguished(tmp_path: Path) -> None:
    runs = [
        run(tmp_path, "a", {}, target_model=model, run_started=started)
        for model, started in (("m", "1"), ("m", "2"), ("n", "3"))
    ]
    assert [column.name for column in view.columns(runs)] == [
        "vllm-a (m), 1",
        "vllm-a (m), 2",
        "vllm-a (n)",
    ]


@pytest.mark.parametrize(
    ("items", "more", "outcome", "sentence", "words"),
    [
        ({"a/b[s]": {RULE: "pass"}}, {}, "pass", "conforming", "conforming"),
        (
            {"a/b[s]": {RULE: "known"}},
            {},
            "known",
            "conforming, except for known issues in 1 item",
            "conforming, 1 known",
        ),
        (
            {"a/b[s]": {RULE: "policy"}, "a/c[s]": {RULE: "policy"}},
            {},
            "policy",
            "conforming, except for policies in 2 items",
            "conforming, 2 by policy",
        ),
        (
            {"a/b[s]": {RULE: "policy"}, "a/c[s]": {RULE: "known"}},
            {},
            "known",
            "conforming, except for known issues in 1 item and policies in 1 item",
            "conforming, 1 known, 1 by policy",
        ),
        (
            {"a/b[s]": {RULE: "fail"}, "a/c[s]": "error", "a/d[s]": {RULE: "stale"}},
            {},
            "fail",
            "not conforming: 1 failing, 1 in error, 1 stale of 3 items",
            "1 failing, 1 in error, 1 stale",
        ),
        ({"a/b[s]": "n/a"}, {}, "error", "nothing was tested", "not tested to the end"),
        (
            {"a/b[s]": {RULE: "pass"}},
            {"run_complete": False},
            "error",
            "not finished: the missing items may be broken",
            "not tested to the end",
        ),
    ],
)
def test_a_run_has_a_verdict_in_a_sentence_and_on_a_badge(
    tmp_path: Path, items: Items, more: dict[str, Any], outcome: str, sentence: str, words: str
) -> None:
    found = run(tmp_path, "a", items, **more)
    (column,) = view.columns([found])
    assert column.verdict == (Outcome(outcome), sentence)
    assert f"<title>tool calls: {words}</title>" in badge.render([found])


def test_the_worst_run_decides_the_badge(tmp_path: Path) -> None:
    good = run(tmp_path, "a", {"a/b[s]": {RULE: "pass"}})
    bad = run(tmp_path, "b", {"a/b[s]": {RULE: "fail"}})
    assert "1 failing" in badge.render([good, bad])


def test_a_cell_says_its_outcomes_in_words_with_the_number_of_items(tmp_path: Path) -> None:
    outcomes = ("pass", "fail", "known", "stale", "inconclusive", "n/a", "known")
    items = {f"a/c{n}[s]": {RULE: outcome} for n, outcome in enumerate(outcomes)}
    columns = view.columns([run(tmp_path, "a", items)])
    cells = {row.id: row.cells[0] for row in view.rule_rows(columns)}
    assert cells[RULE].text == "fails 1, stale 1, known 2, unsure 1 of 6"
    assert (cells[RULE].outcome, cells["error"].text) == (Outcome.FAIL, "ok 7")


def test_a_history_counts_what_came_and_what_went(tmp_path: Path) -> None:
    first: Items = {"a/b[s]": {RULE: "pass"}, "a/c[s]": {RULE: "known"}, "a/d[s]": "n/a"}
    second: Items = {"a/b[s]": {RULE: "fail"}, "a/c[s]": {RULE: "known"}, "a/d[s]": {RULE: "fail"}}
    third: Items = {"a/b[s]": {RULE: "fail"}, "a/c[s]": {RULE: "pass"}, "a/d[s]": "error"}
    runs = [
        version(tmp_path, name, items)
        for name, items in (("0.2", second), ("0.1", first), ("0.3", third))
    ]
    columns = view.columns(runs)
    (history,) = histories.histories(columns, view.rule_rows(columns))
    notes = {row.id: [cell.note for cell in cells] for row, cells in history.rows}
    assert notes == {
        "error": ["", "", "▲ 1 came"],
        RULE: ["", "▲ 1 came", "▽ 1 went"],
    }


def test_what_fails_by_chance_has_no_history(tmp_path: Path) -> None:
    runs = []
    for name, outcome in (("0.1", "pass"), ("0.2", "known"), ("0.3", "fail")):
        found = document(
            {"a/b[s]": {RULE: outcome}, "a/c[s]": {RULE: outcome}}, target_version=name
        )
        found["results"][0]["chance"] = [RULE] if name == "0.2" else []
        runs.append(load(write(tmp_path / f"{name}.json", found)))
    columns = view.columns(runs)
    (history,) = histories.histories(columns, view.rule_rows(columns))
    notes = {row.id: [cell.note for cell in cells] for row, cells in history.rows}
    assert notes == {RULE: ["", "▲ 1 came", ""]}


def test_one_version_has_no_history(tmp_path: Path) -> None:
    columns = view.columns([run(tmp_path, name, {"a/b[s]": {RULE: "fail"}}) for name in "ab"])
    assert histories.histories(columns, view.rule_rows(columns)) == []


def test_two_runs_of_one_target_are_compared_and_others_not(tmp_path: Path) -> None:
    items: Items = {"a/b[s]": {RULE: "pass"}}
    old, new = (version(tmp_path, name, items) for name in ("0.1", "0.2"))
    assert isinstance(view.comparison(view.columns([new, old])), Comparison)
    other = run(tmp_path, "o", items, target_format="mistral")
    assert view.comparison(view.columns([old, other])) is None
    assert view.comparison(view.columns([old, new, other])) is None
    partial = run(tmp_path, "p", items, run_deselected=3)
    reason = view.comparison(view.columns([old, partial]))
    assert isinstance(reason, str)
    assert "a partial run, which left out 3 items" in reason


def test_markdown_fits_a_comment_and_says_what_is_left_out(tmp_path: Path) -> None:
    items = {f"a/case-{n}[s]": {f"area.rule-{n}": "fail"} for n in range(400)}
    text = markdown.render([run(tmp_path, "a", items)])
    assert 30_000 < len(text) <= markdown.MAX_CHARACTERS
    assert "more parts are left out: a comment holds no more. See the page." in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ☃ 😀 é", "plain ☃ 😀 é"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x00\x1b\x85\xa0", "\\x00\\x1b\\x85\\xa0"),
        ("\u202e\u2066\u200b\ufeff", "\\u202e\\u2066\\u200b\\ufeff"),
        ("\ud800\U000e0041", "\\ud800\\U000e0041"),
    ],
)
def test_what_cannot_be_seen_is_written_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_line_end_stays_where_it_is_wanted() -> None:
    assert visible("a\n\x1b", keep="\n") == "a\n\\x1b"


def test_a_long_text_is_cut_in_the_middle() -> None:
    assert cut("abc", 3) == "abc"
    assert cut("a" * 5000 + "z" * 5000, 4) == "aa […9,996 characters…] zz"
