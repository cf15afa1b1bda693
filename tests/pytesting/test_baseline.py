"""A run after another: what regressed, what was fixed, what is still broken."""

from __future__ import annotations

import pytest

from tests.pytest_run import CASES, COMPLETED, FAILED, KNOWN, REFERENCE, USAGE_ERROR, Run, errors

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow


def keep_as_baseline(run: Run) -> None:
    (run.folder / "results.json").rename(run.folder / "base.json")


def test_what_was_broken_in_the_baseline_fails_no_run(run: Run) -> None:
    run(*REFERENCE, "--fault", "name-twice")
    keep_as_baseline(run)
    found = run(*REFERENCE, "--fault", "name-twice", "--baseline=base.json")
    assert found.ret == COMPLETED
    assert run.totals == {"pass": 6, "known": 4}
    assert run.results["run"]["baseline"] == "base.json"
    assert {one["known"] for item in run.results["results"] for one in item["findings"]} == {
        "baseline"
    }
    found.stdout.fnmatch_lines(
        [
            "*4 items  baseline",
            "*broken in base.json too",
            "since the baseline, reference-*-hermes:",
            "0 regressed, 0 fixed, 0 added, 0 gone, 0 by chance, * unchanged (4 still broken)",
        ]
    )


def test_what_regressed_since_the_baseline_fails_the_run(run: Run) -> None:
    run(*REFERENCE, "--fault", "name-twice")
    keep_as_baseline(run)
    found = run(*REFERENCE, "--fault", "no-done", "--baseline=base.json")
    assert found.ret == FAILED
    assert run.totals == {"pass": 2, "fail": 8}
    found.stdout.fnmatch_lines(
        ["since the baseline*", "regressed", "  sse.done  MUST  8 items", "fixed", "  chunk.name*"]
    )


def test_what_was_fixed_since_the_baseline_is_reported_and_fails_nothing(run: Run) -> None:
    run(*REFERENCE, "--fault", "name-twice")
    keep_as_baseline(run)
    found = run(*REFERENCE, "--baseline=base.json")
    assert found.ret == COMPLETED
    assert run.totals == {"pass": 10}
    found.stdout.fnmatch_lines(["fixed", "  chunk.name.once  MUST  4 items", "0 regressed, 4 f*"])


def test_a_listed_issue_goes_before_the_baseline(run: Run) -> None:
    run.write("known.yml", KNOWN)
    run(*REFERENCE)
    keep_as_baseline(run)
    weighed = ("--known", "known.yml", "--baseline=base.json")
    found = run(*REFERENCE, "--fault", "name-twice", *weighed)
    assert found.ret == COMPLETED
    assert run.totals == {"pass": 6, "known": 4}
    found.stdout.fnmatch_lines(
        ["regressed, and listed as known", "  chunk.name.once  MUST  4 items  known: sent-twice"]
    )


def test_cases_that_only_one_run_has_are_named_except_those_left_out(run: Run) -> None:
    run(*REFERENCE)
    keep_as_baseline(run)
    run.write("mine.yaml", CASES.replace("id: zag", "id: zog"))
    found = run(*REFERENCE, "--baseline=base.json")
    assert found.ret == COMPLETED
    found.stdout.fnmatch_lines(["cases added", "* mine/zog", "cases gone", "* mine/zag"])
    found = run(*REFERENCE, "--baseline=base.json", "-k", "zig")
    assert run.results["run"]["deselected"] == 5
    found.stdout.no_fnmatch_line("cases gone")


@pytest.mark.parametrize(
    ("first", "then", "told"),
    [
        (REFERENCE, ("--reference", "--parser", "mistral"), "this run: the parser 'mistral', and"),
        ((*REFERENCE, "-k", "zig"), REFERENCE, "a partial run, which left out 5 items; run it"),
        ((*REFERENCE, "mine.yaml::zag[complete]"), REFERENCE, "a partial run, which left out 9"),
        ((*REFERENCE, "--fault", "no-done", "-x"), REFERENCE, "an incomplete run; let it run to"),
        ((*REFERENCE, "--emission", "sampled"), REFERENCE, "run both with the same --emission"),
    ],
)
def test_a_baseline_that_cannot_be_compared_with_this_run_is_refused(
    run: Run, first: tuple[str, ...], then: tuple[str, ...], told: str
) -> None:
    run(*first)
    keep_as_baseline(run)
    found = run(*then, "--baseline=base.json")
    assert found.ret == USAGE_ERROR
    (error,) = errors(found)
    assert error.startswith("ERROR: --baseline: ")
    assert told in error


def test_a_file_that_is_not_a_baseline_is_one_clear_message(run: Run) -> None:
    run.write("base.json", "{}")
    found = run(*REFERENCE, "--baseline=base.json")
    assert found.ret == USAGE_ERROR
    assert errors(found)[0].startswith(
        "ERROR: --baseline: base.json: not the results of a run: at $: "
    )
