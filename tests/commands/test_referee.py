from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from conformance.base.schema import validator
from conformance.commands import main
from conformance.report.rulings import MAX_ROWS
from conformance.runs import matrix
from conformance.runs.matrix import Combination, Ended
from tests.made import Items, document, write

CALLS, JSON = "said.calls", "args.json"
SIDES = ("--base", "0.31.0", "--head", "0.32.0")


class Lab:
    """Runs whose results are made: of each release, by target."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.statuses: dict[str, int] = {}
        self.arguments: Sequence[str] = ()

    def make(self, release: str, items: Items, target: str = "hermes", **more: Any) -> None:
        self.made[target, release] = document(items, target_version=release, **more)

    def run(self, combinations: Sequence[Combination], arguments: Sequence[str], **_: Any) -> Any:
        self.arguments = arguments
        return [self._ended(one) for one in combinations]

    def _ended(self, one: Combination) -> Ended:
        made = self.made.get((one.target.name, one.release))
        if made is None:
            reason = "starting vLLM: it ended"
            return Ended(combination=one, status=matrix.USAGE, seconds=0.0, reason=reason)
        path = write(self.folder / one.name / "results.json", made)
        status = self.statuses.get(one.release, matrix.FINDINGS)
        return Ended(combination=one, status=status, seconds=1.0, results=path)

    def keep(self, release: str, number: int, exchange: str) -> None:
        """Keep an exchange beside the results, for the item of that number."""
        made = self.made["hermes", release]
        name = f"wire/{number}.json"
        made["results"][number]["wire"] = name
        place = self.folder / f"hermes_{release}" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(exchange)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    found = Lab(tmp_path)
    monkeypatch.setattr(matrix, "run", found.run)
    return found


def test_a_change_that_breaks_a_rule_is_named_with_its_smallest_case(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.make("0.31.0", {"a/long[stream]": {CALLS: "pass"}, "a/short[stream]": {CALLS: "pass"}})
    lab.make("0.32.0", {"a/long[stream]": {CALLS: "fail"}, "a/short[stream]": {CALLS: "fail"}})
    lab.keep("0.32.0", 0, '{"request": "a long one"}')
    lab.keep("0.32.0", 1, "{}")
    assert main.main(["referee", *SIDES, "hermes"]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("hermes: Breaks 1 rule in 2 items. Asked of both: 2 items.\n")
    assert "\nBreaks\n  said.calls  MUST  2 items\n      smallest: a/short [stream]\n" in shown
    assert "expected one thing, got another" in shown
    assert "pytest 'cases/a.yaml::short[stream]' --launch=hermes" in shown
    assert "[stream] a/long, a/short" in shown


def test_what_a_change_fixes_and_leaves_is_said_and_is_no_regression(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.make("0.31.0", {"a/b[stream]": {CALLS: "fail", JSON: "known"}})
    lab.make("0.32.0", {"a/b[stream]": {CALLS: "pass", JSON: "known"}})
    assert main.main(["referee", *SIDES, "hermes"]) == 0
    shown = capsys.readouterr().out
    assert "Fixes 1 rule in 1 item, leaves 1 rule in 1 item broken." in shown
    assert "\nFixes\n  said.calls  MUST  1 item\n" in shown
    assert "\nLeaves broken\n  args.json  MUST  1 item  known: an-issue\n" in shown
    assert "\nBreaks\n" not in shown


def test_a_change_without_effect_is_said_to_have_none(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.make("0.31.0", {"a/b[stream]": {CALLS: "pass"}})
    lab.make("0.32.0", {"a/b[stream]": {CALLS: "pass"}})
    assert main.main(["referee", *SIDES, "hermes"]) == 0
    assert "hermes: Changes nothing. Asked of both: 1 item." in capsys.readouterr().out


def test_a_target_without_results_is_named_and_the_verdict_is_not_green(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.make("0.31.0", {"a/b[stream]": {CALLS: "pass"}})
    assert main.main(["referee", *SIDES, "hermes"]) == matrix.USAGE
    said = capsys.readouterr().err
    assert "hermes is not judged: 0.32.0: starting vLLM: it ended" in said


def test_a_regression_counts_though_another_target_is_not_judged(lab: Lab) -> None:
    lab.make("0.31.0", {"a/b[stream]": {CALLS: "pass"}})
    lab.make("0.32.0", {"a/b[stream]": {CALLS: "known"}})
    assert main.main(["referee", *SIDES, "hermes", "mistral"]) == 1


@pytest.mark.parametrize("status", [matrix.INTERRUPTED, matrix.INTERNAL, matrix.NOTHING])
def test_a_run_that_did_not_end_well_gives_its_own_status(lab: Lab, status: int) -> None:
    lab.make("0.31.0", {"a/b[stream]": {CALLS: "pass"}})
    lab.make("0.32.0", {"a/b[stream]": {CALLS: "pass"}})
    lab.statuses["0.32.0"] = status
    assert main.main(["referee", *SIDES, "hermes"]) == status


def test_runs_that_left_out_the_same_items_are_judged_and_say_so(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    for release in ("0.31.0", "0.32.0"):
        lab.make(release, {"a/b[stream]": {CALLS: "pass"}}, run_deselected=7)
    assert main.main(["referee", *SIDES, "hermes", "--", "-k", "a"]) == 0
    assert lab.arguments == ["-k", "a"]
    assert "Not asked of either: 7 items." in capsys.readouterr().out


def test_runs_that_left_out_other_items_are_not_judged(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.make("0.31.0", {"a/b[stream]": {CALLS: "pass"}}, run_deselected=7)
    lab.make("0.32.0", {"a/c[stream]": {CALLS: "pass"}}, run_deselected=7)
    assert main.main(["referee", *SIDES, "hermes"]) == matrix.USAGE
    assert "a partial run, which left out 7 items" in capsys.readouterr().err


def test_what_luck_decides_is_counted_and_accuses_nobody(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.make("0.31.0", {"a/b[stream]": {CALLS: "pass"}})
    lab.make("0.32.0", {"a/b[stream]": {CALLS: "known"}})
    lab.made["hermes", "0.32.0"]["results"][0]["chance"] = [CALLS]
    assert main.main(["referee", *SIDES, "hermes"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Left to luck by known issues: 1 item." in shown


def test_one_release_is_no_change(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["referee", "--base", "0.32.0", "--head", "0.32.0", "hermes"]) == 4
    assert "--head: 0.32.0, which --base is too; name two releases" in capsys.readouterr().err


def test_the_verdict_for_programs_fits_its_schema(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.make("0.31.0", {"a/b[stream]": {CALLS: "pass", JSON: "fail"}, "a/c[s]": {JSON: "pass"}})
    lab.make("0.32.0", {"a/b[stream]": {CALLS: "fail", JSON: "fail"}, "a/c[s]": "error"})
    assert main.main(["referee", *SIDES, "--format", "json", "hermes", "mistral"]) == 1
    found = json.loads(capsys.readouterr().out)
    validator("refereed").validate(found)
    assert found["regressed"]
    assert "mistral" in found["unjudged"]
    hermes = found["targets"]["hermes"]
    assert [one["rule"] for one in hermes["breaks"]] == ["error", CALLS]
    assert [one["rule"] for one in hermes["leaves"]] == [JSON]
    assert hermes["breaks"][1]["smallest"] == ["a/b", "stream"]


def test_the_verdict_for_a_thread_is_a_table_and_folds_what_was_broken_before(
    lab: Lab, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    rules = {f"rule.{number}": "pass" for number in range(MAX_ROWS + 2)}
    lab.make("0.31.0", {"a/b[stream]": {**rules, JSON: "fail"}})
    lab.make("0.32.0", {"a/b[stream]": {**dict.fromkeys(rules, "fail"), JSON: "fail"}})
    assert main.main(["referee", *SIDES, "--format", "markdown", "hermes", "mistral"]) == 1
    shown = capfdbinary.readouterr().out.decode()
    assert "### <code>mistral</code>: not judged" in shown
    assert "### <code>hermes</code>: Regressed." in shown
    assert "| <code>rule.0</code> | MUST | 1 | <code>a/b &#91;stream&#93;</code> |" in shown
    assert "\n2 more rules.\n" in shown
    folded = shown[shown.index("<details><summary>Leaves broken: 1 rule in 1 item</summary>") :]
    assert "args.json" in folded
    assert folded.rstrip().endswith("</details>")
