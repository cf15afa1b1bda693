from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.base.schema import validator
from conformance.commands import main
from conformance.report import changes
from conformance.results import reader
from conformance.results.comparison import (
    Comparison,
    Incomparable,
    Kind,
    compare,
    require_comparable,
)
from conformance.results.reader import Attempt
from conformance.terms.outcome import Outcome
from tests.made import Items, document, item, results, write

RULE = "args.json"
SAME: Items = {"a/b[stream]": {RULE: "pass"}}
OUTCOMES = [str(outcome) for outcome in Outcome]
BROKEN = {"fail", "known"}
HOLDS = {"pass", "stale"}


def compared(folder: Path, old: Items, new: Items, **more: Any) -> Comparison:
    return compare(results(folder / "old.json", old), results(folder / "new.json", new, **more))


def kinds(found: Comparison) -> Mapping[str, str]:
    return {f"{one.case}[{one.mode}] {one.rule}": str(one.kind) for one in found.changes}


@pytest.mark.parametrize("now", [*sorted(BROKEN | HOLDS), "n/a", "inconclusive"])
@pytest.mark.parametrize("was", [*sorted(BROKEN | HOLDS), "n/a", "inconclusive"])
def test_every_pair_of_outcomes_has_its_kind(tmp_path: Path, was: str, now: str) -> None:
    found = compared(tmp_path, {"a/b[s]": {RULE: was}}, {"a/b[s]": {RULE: now}})
    expected = None
    if now in BROKEN and was not in BROKEN:
        expected = "regressed"
    elif was in BROKEN and now in HOLDS:
        expected = "fixed"
    elif was in BROKEN and now not in BROKEN:
        expected = "gone"
    assert kinds(found).get(f"a/b[s] {RULE}") == expected
    assert found.regressed == (expected == "regressed")


@pytest.mark.parametrize(
    ("old", "new", "rule", "answer"),
    [
        ({RULE: "pass"}, "error", "gone", "regressed"),
        ({RULE: "fail"}, "error", "gone", "regressed"),
        ("error", {RULE: "pass"}, "added", "fixed"),
        ("error", {RULE: "fail"}, "added", "fixed"),
        ("n/a", {RULE: "fail"}, "added", "added"),
        ("n/a", {RULE: "pass"}, "added", "added"),
        ({RULE: "pass"}, "n/a", "gone", "gone"),
        ("n/a", "error", None, "added"),
        ("error", "n/a", None, "gone"),
        ("error", "error", None, None),
    ],
)
def test_an_answer_that_is_missing_is_counted_apart(
    tmp_path: Path, old: Any, new: Any, rule: str | None, answer: str | None
) -> None:
    found = kinds(compared(tmp_path, {"a/b[s]": old}, {"a/b[s]": new}))
    assert (found.get(f"a/b[s] {RULE}"), found.get("a/b[s] error")) == (rule, answer)


def test_a_server_that_answers_no_more_has_regressed(tmp_path: Path) -> None:
    found = compared(tmp_path, SAME, {"a/b[stream]": "error"})
    assert found.regressed
    shown = changes.text(found)
    assert "regressed\n  error  MUST  1 item\n" in shown
    assert "expected a whole answer, got no whole answer: it was refused" in shown


def test_a_known_issue_hides_no_regression(tmp_path: Path) -> None:
    found = compared(tmp_path, SAME, {"a/b[stream]": {RULE: "known"}})
    assert found.regressed
    assert "regressed, and listed as known\n  args.json  MUST  1 item  known: an-issue" in (
        changes.text(found)
    )
    assert changes.summary(found).startswith("1 regressed (1 listed as known), 0 fixed, ")


@pytest.mark.parametrize("knows", ["old", "new"])
@pytest.mark.parametrize(("was", "now"), [("pass", "known"), ("known", "pass")])
def test_what_fails_by_chance_neither_regresses_nor_is_fixed(
    tmp_path: Path, was: str, now: str, knows: str
) -> None:
    runs = {}
    for name, outcome in (("old", was), ("new", now)):
        written = document({"a/b[s]": {RULE: outcome}})
        written["results"][0]["chance"] = [RULE] if name == knows else []
        runs[name] = reader.load(write(tmp_path / f"{name}.json", written))
    found = compare(runs["old"], runs["new"])
    assert kinds(found) == {f"a/b[s] {RULE}": "by chance"}
    assert not found.regressed
    assert ", 1 by chance, " in changes.summary(found)
    validator("compared").validate(changes.document(found))


@pytest.mark.parametrize(("knows", "kind"), [("old", "by chance"), ("new", "regressed")])
def test_a_failure_is_by_chance_where_no_list_speaks_of_its_version(
    tmp_path: Path, knows: str, kind: str
) -> None:
    runs = {}
    for name, outcome in (("old", "pass"), ("new", "fail")):
        written = document({"a/b[s]": {RULE: outcome}})
        written["results"][0]["chance"] = [RULE] if name == knows else []
        runs[name] = reader.load(write(tmp_path / f"{name}.json", written))
    assert kinds(compare(runs["old"], runs["new"])) == {f"a/b[s] {RULE}": kind}


def test_a_rule_below_the_bar_regresses_without_failing(tmp_path: Path) -> None:
    new = document({"a/b[stream]": {RULE: "fail"}})
    new["results"][0]["findings"][0]["level"] = "should"
    old = results(tmp_path / "old.json", SAME)
    found = compare(old, reader.load(write(tmp_path / "new.json", new)))
    assert not found.regressed
    assert "regressed, of rules that fail no run" in changes.text(found)
    new["run"]["level"] = "should"
    assert compare(old, reader.load(write(tmp_path / "new.json", new))).regressed


def test_items_of_one_run_only_are_named(tmp_path: Path) -> None:
    found = compared(
        tmp_path,
        {"a/old[complete]": {RULE: "fail"}, "a/old[stream]": {}},
        {"a/new[stream]": {RULE: "fail"}},
    )
    assert not found.regressed
    shown = changes.text(found)
    assert "cases added\n      [stream] a/new" in shown
    assert "cases gone\n      [complete, stream] a/old" in shown
    assert "broken where it was not judged before\n  args.json" in shown
    assert "broken before, and not judged now\n  args.json" in shown


def test_what_a_partial_run_left_out_is_not_gone(tmp_path: Path) -> None:
    old: Items = {"a/b[stream]": {RULE: "pass"}, "a/c[stream]": {RULE: "pass"}}
    assert len(compared(tmp_path, old, SAME).items_gone) == 1
    assert compared(tmp_path, old, SAME, run_deselected=1).items_gone == ()
    assert compared(tmp_path, old, SAME, run_complete=False).items_gone == ()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"suite_digest": f"sha256:{'1' * 64}"}, "made with other cases or rules than "),
        ({"run_complete": False}, "an incomplete run; let it run to its end"),
        ({"run_deselected": 7}, "a partial run, which left out 7 items; run it again without -k"),
        ({"target_emission": "sampled"}, "run both with the same --emission"),
        ({"target_parser": "mistral"}, "the parser 'mistral', and "),
        ({"target_format": "mistral"}, "the format 'mistral', and "),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    first, second = results(old, SAME), results(new, SAME, **changed)
    with pytest.raises(Incomparable) as problem:
        require_comparable(first, second)
    assert str(problem.value).startswith(f"{new}: ")
    assert message in str(problem.value)


def test_sampled_runs_have_no_single_answers_to_compare(tmp_path: Path) -> None:
    attempt = Attempt(
        outcome=Outcome.PASS,
        reason=None,
        seconds=0.1,
        fault=None,
        called=True,
        said=None,
        broken=(),
        wire=None,
    )
    one = results(tmp_path / "a.json", SAME, target_emission="sampled")
    asked = replace(one, items=tuple(replace(item, attempts=(attempt,)) for item in one.items))
    with pytest.raises(Incomparable, match=r"a.json: sampled, .* by chance; compare rates with"):
        require_comparable(asked, asked)


def test_another_version_is_compared(tmp_path: Path) -> None:
    require_comparable(
        results(tmp_path / "a.json", SAME, target_version="0.31.0", target_id="vllm-0.31.0-hermes"),
        results(tmp_path / "b.json", SAME),
    )


def command(folder: Path, old: Items, new: Items, *words: str) -> int:
    write(folder / "old.json", document(old))
    write(folder / "new.json", document(new))
    return main.main(["compare", str(folder / "old.json"), str(folder / "new.json"), *words])


@pytest.mark.parametrize("format", ["text", "markdown", "json"])
@pytest.mark.parametrize(
    ("was", "now", "status"), [("pass", "fail", 1), ("pass", "known", 1), ("fail", "pass", 0)]
)
def test_the_command_fails_on_regressions_only(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    format: str,
    was: str,
    now: str,
    status: int,
) -> None:
    old, new = {"a/b[s]": {RULE: was}}, {"a/b[s]": {RULE: now}}
    assert command(tmp_path, old, new, "--format", format) == status
    assert RULE in capsys.readouterr().out


def test_the_json_is_as_its_schema_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old: Items = {"a/b[s]": {RULE: "pass"}, "a/c[s]": {RULE: "known"}, "a/d[s]": {RULE: "pass"}}
    new: Items = {"a/b[s]": {RULE: "known"}, "a/c[s]": {RULE: "pass"}, "a/d[s]": "error"}
    command(tmp_path, old, new, "--format", "json")
    found = json.loads(capsys.readouterr().out)
    validator("compared").validate(found)
    assert found["totals"] == {
        "regressed": 2,
        "fixed": 1,
        "added": 0,
        "gone": 1,
        "chance": 0,
        "unchanged": 2,
        "still_broken": 0,
    }
    first = found["changes"][0]
    assert (first["rule"], first["known"], first["before"], first["after"]) == (
        RULE,
        "an-issue",
        "pass",
        "known",
    )


def test_what_cannot_be_used_ends_with_the_status_of_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == main.USAGE_ERROR
    assert "cannot be read" in capsys.readouterr().err


def test_hostile_text_does_nothing_in_a_terminal_or_in_markdown(tmp_path: Path) -> None:
    evil = "\x1b[2J\u202e</td>`|<img src=x onerror=a>\n# \ud800 @everyone [x](http://e)"
    new = document({})
    new["results"] = [item(f"a/{evil}[{evil}]", {RULE: "fail"})]
    for one in new["results"]:
        one["findings"][0].update(expected=evil, actual=evil)
    old = results(tmp_path / "old.json", {})
    found = compare(old, reader.load(write(tmp_path / "new.json", new)))
    shown = changes.text(found)
    assert shown.replace("\n", "").isprintable()
    assert "\\x1b[2J\\u202e" in shown
    page = changes.markdown(found)
    assert page.replace("\n", "").isprintable()
    for dangerous in ("<img", "</td>", "`", "\n# ", "@everyone", "](http"):
        assert dangerous not in page


def test_a_comparison_is_a_table_in_markdown(tmp_path: Path) -> None:
    page = changes.markdown(compared(tmp_path, SAME, {"a/b[stream]": {RULE: "fail"}}))
    assert page.splitlines() == [
        "### <code>vllm-0.32.0-hermes</code> → <code>vllm-0.32.0-hermes</code>",
        "",
        "**Regressed.** 1 regressed, 0 fixed, 0 added, 0 gone, 0 by chance, "
        "1 unchanged (0 still broken)",
        "",
        "#### Regressed",
        "",
        "| rule | level | case | modes | expected | got |",
        "| --- | --- | --- | --- | --- | --- |",
        "| <code>args.json</code> | MUST | <code>a/b</code> | <code>stream</code> "
        "| <code>one thing</code> | <code>another</code> |",
    ]


def test_changes_are_picked_by_kind(tmp_path: Path) -> None:
    found = compared(tmp_path, SAME, {"a/b[stream]": {RULE: "fail"}})
    assert [one.rule for one in found.of(Kind.REGRESSED)] == [RULE]
    assert found.of(Kind.FIXED) == []
