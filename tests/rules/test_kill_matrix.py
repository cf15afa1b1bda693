"""Every fault is caught by the rule that owns it, and every rule catches a fault."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from conformance.client import probe
from conformance.reference import FAULTS, Reference
from conformance.reference.fault import NONE
from conformance.rules import RULES
from conformance.terms.outcome import Outcome
from tools.kill_matrix import CASES, PAGE, UNTRIPPED, Matrix, page, row

REASONS = {
    "never-begins": r"no end after 0\.5 s",
    "stalls": r"waited 0\.3 s for more bytes",
    "never-ends": r"no end after 1 s",
    "closes-early": r"RemoteProtocolError: .+",
    "complete-closes-early": r"RemoteProtocolError: .+",
    "gigantic-event": r"a body of more than 4000000 bytes",
    "status-503": r"the server answered 503: .+",
}
"""How the faults end that leave no answer to judge."""


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    with Matrix() as running:
        yield running


@pytest.mark.parametrize("name", [name for name in FAULTS if FAULTS[name].owner != "error"])
def test_every_fault_is_caught_by_its_owner(name: str, matrix: Matrix) -> None:
    told = matrix.tripped(name)
    assert FAULTS[name].owner in told
    assert "error" not in told
    assert row(name, told) in PAGE.read_text("utf-8").splitlines(), "run: make docs"


@pytest.mark.parametrize("name", REASONS)
def test_a_fault_that_leaves_no_answer_is_an_error_with_its_reason(
    name: str, matrix: Matrix
) -> None:
    begun = time.monotonic()
    judged = matrix.judge(name)
    took = time.monotonic() - begun
    broken = [one for one in judged if one.verdict.outcome is Outcome.ERROR]
    assert broken
    for one in broken:
        assert re.match(REASONS[name], str(one.verdict.reason))
        assert one.verdict.judgements == ()
    assert {one.verdict.outcome for one in judged} <= {Outcome.ERROR, Outcome.PASS}
    assert took < 10
    assert row(name, {"error"}) in PAGE.read_text("utf-8").splitlines(), "run: make docs"


def test_every_fault_without_an_owner_has_its_reason() -> None:
    assert set(REASONS) == {name for name in FAULTS if FAULTS[name].owner == "error"}


def test_every_rule_owns_a_fault() -> None:
    owners = {fault.owner for fault in FAULTS.values()} - {"error"}
    assert owners == set(RULES) - set(UNTRIPPED)


def test_a_rule_that_no_fault_trips_has_a_reason() -> None:
    assert set(UNTRIPPED) <= set(RULES)
    assert all(reason.endswith(".") for reason in UNTRIPPED.values())


def test_the_page_is_what_its_rows_say() -> None:
    text = PAGE.read_text("utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| .+ \| `([^`]+)` \| (.*) \|$", text, re.MULTILINE)
    told = {name: {owner, *re.findall(r"`([^`]+)`", rest)} for name, owner, rest in rows}
    assert list(told) == list(FAULTS)
    assert page(told) == text, "run: make docs"


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_says_what_it_does_and_for_what_it_stands(name: str) -> None:
    does, _, stands_for = FAULTS[name].about.partition(". ")
    assert does
    assert stands_for.endswith(".")


def test_every_fault_shows_in_cases_that_there_are() -> None:
    assert {case for fault in FAULTS.values() for case in fault.cases} <= set(CASES)


def test_a_fault_spares_requests_without_tools() -> None:
    with Reference("hermes", fault=FAULTS["status-500"]) as running:
        assert probe.examine(running.url, parser="hermes").emission == "scripted"


def test_no_fault_bends_nothing() -> None:
    chunks = [{"a": 1}]
    assert NONE.chunks(chunks) is chunks
    assert NONE.body(chunks) is chunks
