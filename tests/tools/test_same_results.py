"""Verdicts on recorded runs are held against those of an earlier suite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools import same_results

ITEM = {
    "case": "a/b",
    "mode": "stream",
    "outcome": "pass",
    "seconds": 1.5,
    "rules": {"x.y": "pass"},
}


def results(folder: Path, *items: dict[str, Any], seconds: float = 1.0) -> Path:
    """Write the results of one run into a folder of runs."""
    place = folder / "hermes"
    place.mkdir(parents=True)
    found = {"run": {"seconds": seconds, "complete": True}, "results": list(items)}
    (place / "results.json").write_text(json.dumps(found), "utf-8")
    return folder


def test_runs_that_differ_in_time_alone_are_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = results(tmp_path / "old", ITEM)
    new = results(tmp_path / "new", {**ITEM, "seconds": 9.0}, seconds=7.0)
    assert same_results.compare(old, new) == 0
    assert capsys.readouterr().out == "hermes: no differences\n"


def test_a_rule_that_comes_out_otherwise_is_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = results(tmp_path / "old", ITEM)
    new = results(tmp_path / "new", {**ITEM, "rules": {"x.y": "fail"}})
    assert same_results.compare(old, new) == 1
    assert 'results.a/b[stream].rules.x.y: "pass" became "fail"' in capsys.readouterr().out


def test_an_item_or_a_run_that_is_missing_is_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = results(tmp_path / "old", ITEM)
    assert same_results.compare(old, results(tmp_path / "new")) == 1
    assert "results.a/b[stream]: only in the old results" in capsys.readouterr().out
    (tmp_path / "none").mkdir()
    assert same_results.compare(old, tmp_path / "none") == 2


def test_a_name_that_was_changed_on_purpose_is_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(same_results, "RENAMED", {"x.y": "x.z"})
    old = results(tmp_path / "old", ITEM)
    new = results(tmp_path / "new", {**ITEM, "rules": {"x.z": "pass"}})
    assert same_results.compare(old, new) == 0


def test_two_empty_folders_are_not_the_same_results(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no RUN/results\.json in either"):
        same_results.compare(tmp_path, tmp_path)
