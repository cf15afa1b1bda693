"""Whole runs against servers that say what they choose."""

from __future__ import annotations

import pytest

from conformance.reference import Reference
from tests.pytest_run import (
    CASES,
    COMPLETED,
    FAILED,
    NOTHING_TESTED,
    REFERENCE,
    USAGE_ERROR,
    Run,
    errors,
)

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow


def test_a_sampled_server_is_judged_by_what_it_chose_to_say(run: Run) -> None:
    with Reference("hermes", scripted=False) as running:
        found = run("--server-url", running.url, "--parser", "hermes")
    assert found.ret == COMPLETED
    assert run.totals == {"pass": 2, "inconclusive": 2}
    found.stdout.fnmatch_lines(
        [
            "emission: sampled: *; what it said is read from its tokens",
            "failed or not decided, by whose fault it is: 2 model",
            "SKIPPED * mine.yaml:*: inconclusive: the model called *about ?'look'?*",
        ]
    )


def test_a_sampled_server_that_shows_no_tokens_leaves_open_whose_fault_it_is(run: Run) -> None:
    found = run(*REFERENCE, "--emission=sampled", "--variant=no-token-ids")
    assert found.ret == COMPLETED
    found.stdout.fnmatch_lines(
        [
            "emission: sampled: *; the truth is not known",
            "failed or not decided, by whose fault it is: 2 unclear",
        ]
    )
    assert {item["fault"] for item in run.results["results"]} == {None, "unclear"}


def test_cases_that_only_a_script_can_produce_are_counted_as_left_out(run: Run) -> None:
    run.write("mine.yaml", CASES.replace("    says: It", "    sampled: false\n    says: It"))
    found = run(*REFERENCE, "--emission=sampled")
    found.stdout.fnmatch_lines(["left out: 1 case, because only a script makes a model say that"])


DITHERING = (*REFERENCE, "--emission=sampled", "--variant=dithers", "--repeat=4")


def test_a_sampled_run_keeps_every_attempt_and_reports_how_often_the_model_called(run: Run) -> None:
    found = run(*DITHERING)
    assert found.ret == COMPLETED
    results = run.results
    assert results["run"]["repeats"] == 4
    assert results["target"]["tokens"] is True
    called = [one["called"] for item in results["results"] for one in item["attempts"]]
    assert called.count(None) == sum(len(i["attempts"]) for i in results["results"][:2])
    made, wanted = called.count(True), called.count(True) + called.count(False)
    found.stdout.fnmatch_lines([f"wanted calls made: {made} of {wanted}, *; * answers to 4 items"])


@pytest.mark.parametrize(("rate", "status"), [("0", COMPLETED), ("1", FAILED)])
def test_a_model_that_calls_too_seldom_fails_a_run_only_if_that_is_asked_for(
    run: Run, rate: str, status: int
) -> None:
    found = run(*DITHERING, "--require-calls", rate)
    assert found.ret == status
    told = [line for line in found.outlines if line.startswith("--require-calls=")]
    assert len(told) == (1 if status == FAILED else 0)
    assert run.totals.get("fail", 0) == 0
    assert run.results["run"]["require_calls"] == float(rate)


def test_calls_cannot_be_required_where_none_is_wanted(run: Run) -> None:
    found = run(*DITHERING, "--require-calls=0", "-k", "zag")
    assert found.ret in (FAILED, NOTHING_TESTED)
    found.stdout.fnmatch_lines(["--require-calls=0: FAILED, no call was wanted in any item"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--repeat=2",), "--repeat: this server is scripted, and says its script each time"),
        (("--require-calls=1",), "--require-calls: this server is scripted"),
        (("--repeat=0",), "--repeat: 0; allowed: 1 and more"),
        (("--max-tokens=99",), "--max-tokens: this server is scripted"),
        (("--max-tokens=0",), "--max-tokens: 0; allowed: 1 and more"),
        (("--require-calls=80",), "--require-calls: 80; allowed: 0 to 1, such as 0.8"),
    ],
)
def test_scripted_answers_are_not_asked_for_twice(
    run: Run, options: tuple[str, ...], told: str
) -> None:
    found = run(*REFERENCE, *options)
    assert found.ret == USAGE_ERROR
    assert any(told in line for line in errors(found))


def test_a_sampled_baseline_is_weighed_by_rates(run: Run) -> None:
    # One at a time, so that no luck decides which request gets which answer.
    calm = (*DITHERING, "--concurrency=1")
    faulty = (*calm, "--fault", "finish-stop")
    assert run(*faulty).ret == FAILED
    (run.folder / "results.json").rename(run.folder / "before.json")
    found = run(*faulty, "--baseline=before.json")
    found.stdout.fnmatch_lines(
        [
            "since the baseline, reference*",
            "wanted calls: * then, * now: *",
            "finish.tool_calls broken: * then, *",
            "* rates of broken rules differ beyond chance (95 %), over 4 items",
        ]
    )
    assert run(*calm, "--baseline=before.json").ret == COMPLETED


def test_a_sampled_server_that_calls_nothing_does_not_pass(run: Run) -> None:
    with Reference("hermes", scripted=False) as running:
        found = run("--server-url", running.url, "--parser", "hermes", "-k", "zig")
    assert found.ret == NOTHING_TESTED
