"""A page of drawn findings is the same for the same seed, and leaves out what accuses nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.results.reader import Results
from tests.made import Items, results
from tools import drawn_findings

ITEMS: Items = {
    f"a/{case}[{mode}]": {"args.json": "fail", "args.object": "known", "said.calls": "pass"}
    for case in ("one", "two", "three")
    for mode in ("complete", "stream")
}


@pytest.fixture
def run(tmp_path: Path) -> Results:
    return results(tmp_path / "r.json", ITEMS)


def test_the_same_seed_draws_the_same_findings(run: Results) -> None:
    pages = [
        drawn_findings.page(drawn_findings.draw([run], number=3, seed=seed), seed=5)
        for seed in (5, 5, 6)
    ]
    assert pages[0] == pages[1] != pages[2]


def test_a_fault_is_drawn_once_for_its_known_issue_or_else_for_its_case(run: Results) -> None:
    drawn = drawn_findings.draw([run], number=60, seed=1)
    found = sorted((one.finding.known or one.item.case, one.finding.rule) for one in drawn)
    assert found == [
        ("a/one", "args.json"),
        ("a/three", "args.json"),
        ("a/two", "args.json"),
        ("an-issue", "args.object"),
    ]


def test_what_neither_fails_nor_is_known_is_not_drawn(tmp_path: Path) -> None:
    fair = results(tmp_path / "r.json", {"a/one[stream]": {"args.json": "inconclusive"}})
    assert drawn_findings.draw([fair], number=60, seed=1) == []


def test_a_page_says_what_was_expected_and_asks_for_a_judgement(run: Results) -> None:
    page = drawn_findings.page(drawn_findings.draw([run], number=1, seed=1), seed=1)
    assert page.startswith("# 1 finding, drawn with seed 1\n")
    for part in ("expected: ", "actual: ", "exchange: not kept", "read again: TODO"):
        assert f"- {part}" in page


def test_results_without_a_finding_end_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results(tmp_path / "r.json", {"a/one[stream]": {"args.json": "pass"}})
    monkeypatch.setattr("sys.argv", ["drawn_findings", str(tmp_path / "r.json"), "--seed=1"])
    assert drawn_findings.main() == 4
    assert "nothing to draw: no finding in these results" in capsys.readouterr().err
