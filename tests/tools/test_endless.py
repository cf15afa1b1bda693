"""A run in little memory against a server whose every tenth answer is endless."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tools import endless
from tools.endless import Ended

MEGABYTES = 300
"""This run took 450 MB when it let nothing go."""


@pytest.mark.slow
def test_endless_answers_are_errors_and_their_memory_is_let_go() -> None:
    ended = endless.run(["cases/parallel.yaml", "cases/arguments.yaml"], megabytes=MEGABYTES)
    assert list(ended.problems) == [], ended.words
    assert ended.outcomes["error"] > 20
    assert ended.outcomes["pass"] > 5 * ended.outcomes["error"]
    assert set(ended.outcomes) <= {"pass", "error", "n/a"}


GOOD = Ended(
    status=1,
    seconds=1.0,
    megabytes=100.0,
    whole=True,
    outcomes=Counter(error=1),
    reasons=Counter({"a body of more than 8000000 bytes": 1}),
    words="",
)


@pytest.mark.parametrize(
    "ended",
    [
        replace(GOOD, status=3),
        replace(GOOD, whole=False),
        replace(GOOD, reasons=Counter()),
        replace(GOOD, reasons=Counter({"connection refused": 1})),
    ],
)
def test_a_run_that_did_not_hold_is_said(ended: Ended) -> None:
    assert list(GOOD.problems) == []
    assert len(list(ended.problems)) == 1
