"""Runs with pytest-xdist, and without it."""

from __future__ import annotations

from tests.pytest_run import COMPLETED, FAILED, REFERENCE, Run, timeless

pytest_plugins = ["pytester"]


def test_two_workers_come_to_the_same_results(run: Run) -> None:
    assert run(*REFERENCE, "--fault", "name-twice").ret == FAILED
    alone = timeless(run.results)
    found = run(*REFERENCE, "--fault", "name-twice", "-n", "2")
    assert found.ret == FAILED
    assert timeless(run.results) == alone
    found.stdout.fnmatch_lines(["chunk.name.once  MUST  expected *", "FAILED mine.yaml::*"])


def test_two_workers_that_stop_early_have_not_done_all(run: Run) -> None:
    run(*REFERENCE, "--fault", "name-twice", "-n", "2", "-x")
    assert run.results["run"]["selected"] == 10
    assert run.results["run"]["complete"] is False


def test_xdist_is_not_needed(run: Run) -> None:
    assert run(*REFERENCE, "-p", "no:xdist", "-k", "zag and complete").ret == COMPLETED
