"""Runs with pytest-xdist, and without it."""

from __future__ import annotations

import pytest

from conformance.reference import Reference
from tests.pytest_run import COMPLETED, FAILED, FAULTY, KNOWN, REFERENCE, Run, timeless
from tests.servers import busy

pytest_plugins = ["pytester"]


@pytest.mark.slow
def test_two_workers_come_to_the_results_of_one_process(run: Run) -> None:
    # What each worker has for itself: failures, excuses, entries that list nothing, and items that
    # were left out. All in one run, since a run of two workers costs as much as twenty others.
    head, _, entry = KNOWN.replace("stream*", "stream").partition("issues:\n")
    useless = entry.replace("mine/zig", "mine/zog").replace("sent-twice", "sent-never")
    run.write("known.yml", f"{head}issues:\n{entry}{useless}")
    words = (*FAULTY, "--known", "known.yml", "-k", "not zag or complete")
    assert run(*words).ret == FAILED
    alone = timeless(run.results)
    found = run(*words, "-n", "2")
    assert found.ret == FAILED
    assert run.totals == {"pass": 2, "fail": 3, "known": 1}
    shared = timeless(run.results)
    assert shared["run"]["deselected"] == 4
    assert shared == alone
    found.stdout.fnmatch_lines(
        [
            "chunk.name.once  MUST  expected *",
            "known issues or policies that list none of these cases and rules: 1 (sent-never)",
            "FAILED mine.yaml::*",
        ]
    )


@pytest.mark.slow
def test_the_waits_of_two_workers_are_reported_together(run: Run) -> None:
    with Reference("hermes", fault=busy(1)) as reference:
        found = run("--server-url", reference.url, "--parser", "hermes", "-n", "2")
    assert found.ret == COMPLETED
    assert run.totals == {"pass": 10}
    waited = run.results["run"]["waited"]
    assert waited["times"] >= 3
    assert waited["seconds"] > 0.4
    found.stdout.fnmatch_lines(["waited * times for the server, * s in all (busy or gone)"])


@pytest.mark.slow
def test_two_workers_that_stop_early_have_not_done_all(run: Run) -> None:
    run(*FAULTY, "-n", "2", "-x")
    assert run.results["run"]["selected"] == 10
    assert run.results["run"]["complete"] is False


def test_xdist_is_not_needed(run: Run) -> None:
    assert run(*REFERENCE, "-p", "no:xdist", "-k", "zag and complete").ret == COMPLETED
