"""What holds for the catalogue of rules: where a rule stands, and to which others it yields."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import replace
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from conformance import __version__
from conformance.reference import FAULTS
from conformance.rules import RULES, Evidence, Rule
from conformance.rules.rule import EVERY
from conformance.terms.case import Expectation
from conformance.terms.outcome import Finding
from conformance.verdicts.ownership import overlap, owners
from tests.evidence import SAMPLES, sample
from tests.rules.meetings import meetings
from tools.new_rule import UNWRITTEN

ROOMS = {path.name for path in Path(inspect.getfile(Rule)).parent.iterdir() if path.is_dir()}

each_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def place_of(rule: Rule) -> list[str]:
    """The room of a rule's module, its area, and the module within that, if it has several."""
    return rule.check.__module__.removeprefix("conformance.rules.").split(".")


@each_rule
def test_the_first_part_of_a_rules_id_names_its_module(rule: Rule) -> None:
    room, area, *_ = place_of(rule)
    assert room in ROOMS
    assert area == rule.area, f"{rule.id} belongs into conformance/rules/{room}/{rule.area}.py"


@each_rule
def test_nothing_of_a_rule_is_left_to_be_written(rule: Rule) -> None:
    words = (rule.title, rule.why, rule.wrong, rule.right)
    place = inspect.getfile(rule.check)
    assert UNWRITTEN not in "".join(words), f"write the docstring of {rule.id} in {place}"
    about = sys.modules[rule.check.__module__].__doc__ or ""
    assert UNWRITTEN not in about, f"write what the area is about, at the head of {place}"


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_of_a_fault_is_left_to_be_written(name: str) -> None:
    about = FAULTS[name].about
    assert UNWRITTEN not in about, f"write the fault {name}: what it does, and for what it stands"


@each_rule
def test_the_module_of_a_rule_says_whose_fault_it_is(rule: Rule) -> None:
    module = sys.modules[rule.check.__module__]
    assert hasattr(module, "BLAME"), f"{module.__name__} lacks BLAME: parser, server or template"


def test_rules_of_every_wire_know_nothing_of_one_wires() -> None:
    for name, module in sys.modules.items():
        if name.startswith("conformance.rules.common."):
            assert "conformance.rules.chat" not in inspect.getsource(module)


@each_rule
def test_a_rule_says_since_when_and_by_which_specification(rule: Rule) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", rule.since)
    assert version(rule.since) <= version(__version__)
    assert rule.spec is None or rule.spec.startswith("https://")


def version(text: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", text)[:3]]


@each_rule
def test_a_rule_yields_to_rules_that_there_are(rule: Rule) -> None:
    if rule.yields_to != EVERY:
        assert set(rule.yields_to) <= RULES.keys() - {rule.id}
        assert len(rule.yields_to) == len(set(rule.yields_to))


def test_no_rule_yields_to_itself_by_way_of_others() -> None:
    graph = {id: owners(rule) for id, rule in RULES.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(RULES)


@cache
def samples() -> list[Evidence]:
    """Every wrong sample, with and without the truth, beside a right and a wrong answer."""
    found: list[Evidence] = list(meetings())
    for file in sorted(SAMPLES.rglob("wrong*.*")):
        one = sample(file)
        found += [one, replace(one, expect=Expectation(refused=one.expect.refused))]
        if file.suffix == ".sse":
            beside = [file.parent / "right.json", *sorted(file.parent.glob("wrong*.json"))]
            for other in (path for path in beside if path.exists()):
                complete = sample(other).answer
                found += [replace(again, complete=complete) for again in found[-2:]]
    return found


def findings(rule: Rule, evidence: Evidence) -> list[Finding]:
    asked = rule.check(evidence) if rule.applies(evidence) else ()
    return [one for one in asked if isinstance(one, Finding)]


@cache
def met() -> set[tuple[str, str]]:
    """The pairs of rules that find a fault at one place in a sample, the first yielding."""
    found: set[tuple[str, str]] = set()
    for evidence in samples():
        for rule in RULES.values():
            open = [owner for owner in _named(rule) if (rule.id, owner) not in found]
            own = findings(rule, evidence) if open else []
            found |= {
                (rule.id, owner) for owner in open if own and _meet(rule, own, owner, evidence)
            }
    return found


def _named(rule: Rule) -> tuple[str, ...]:
    return () if rule.yields_to == EVERY else rule.yields_to


def _meet(rule: Rule, own: list[Finding], owner: str, evidence: Evidence) -> bool:
    beside = [evidence]
    if rule.in_either and evidence.complete is not None:
        beside.append(replace(evidence, answer=evidence.complete))
    places = [one.place for each in beside for one in findings(RULES[owner], each)]
    return any(overlap(one.place, places) for one in own)


EDGES = [(id, owner) for id, rule in RULES.items() for owner in _named(rule)]


@pytest.mark.parametrize("edge", EDGES, ids=" to ".join)
def test_a_rule_yields_to_no_other_without_need(edge: tuple[str, str]) -> None:
    assert edge in met(), "no sample in which both find a fault at one place"
