"""The page of known bugs is true: its cases are there, and catch the bugs that can be played."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from conformance.casefiles.modes import named
from conformance.reference import FAULTS, Reference
from conformance.reference.fault import NONE, Fault
from conformance.rules import RULES
from conformance.terms.outcome import Outcome
from tools.kill_matrix import CASES, judge

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "known-bugs.md"


class Bug(NamedTuple):
    name: str
    thread: str
    seen: str
    case: str
    mode: str
    rule: str
    fault: str


def rows(width: int) -> list[list[str]]:
    """Read the rows of the page's table of that many columns, without its head."""
    found = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith("| ") and not line.startswith("| ---")
    ]
    return [cells for cells in found if len(cells) == width][1:]


BUGS = [Bug(*cells) for cells in rows(7)]
PLAYED = [bug for bug in BUGS if bug.fault != "none"]


def failed_rules(bug: Bug, fault: Fault) -> set[str]:
    """Ask the reference server, with that fault, for the case; name the rules that it breaks."""
    format = FAULTS[bug.fault].format
    mode = named(bug.mode)
    assert mode is not None
    with Reference(format, fault=fault) as running:
        found, *_ = judge(running, format, [bug.case], [mode])
    if found.verdict.outcome is Outcome.ERROR:
        return {"error"}
    return {judgement.rule.id for judgement in found.verdict.of(Outcome.FAIL)}


def test_every_bug_is_listed_once() -> None:
    names = [row[0] for width in (3, 7) for row in rows(width)]
    assert names
    assert len(names) == len(set(names))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_bug_has_a_thread_and_a_case_a_mode_and_a_rule_that_exist(bug: Bug) -> None:
    assert re.fullmatch(r"\[.*#\d+\]\(https://github\.com/\S+/(issues|pull)/\d+\)", bug.thread)
    assert bug.case in CASES
    assert named(bug.mode)
    assert bug.mode not in CASES[bug.case].omits
    assert bug.rule in {*RULES, "error"}


@pytest.mark.parametrize("bug", PLAYED, ids=lambda bug: bug.name)
def test_a_server_with_the_bug_fails_the_case_by_the_rule(bug: Bug) -> None:
    assert bug.rule in failed_rules(bug, FAULTS[bug.fault])
    assert failed_rules(bug, NONE) == set()
