"""One fault, one rule: a finding yields to the rule that reports the fault already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from conformance.rules import RULES, Evidence, Rule
from conformance.rules.rule import EVERY
from conformance.terms.outcome import Finding, Level, Place

Findings = Mapping[str, Sequence[Finding]]
"""What each rule found, by its id."""


def remaining(found: Findings, evidence: Evidence) -> Findings:
    """Leave out the findings that yield to another rule's.

    A finding yields to all that the other rule found, even to findings that yield in their turn. So
    the order does not matter, and of a chain of effects the first fault is left.
    """
    left = {id: _of_its_own(RULES[id], found, evidence) for id in found}
    if any(left[id] and _demands(RULES[id]) for id in left):
        return {id: () if RULES[id].yields_to == EVERY else left[id] for id in left}
    return left


def owners(rule: Rule) -> tuple[str, ...]:
    """Name the rules that a rule yields to."""
    if rule.yields_to == EVERY:
        return tuple(id for id, other in RULES.items() if _demands(other))
    return rule.yields_to


def overlap(place: Place, others: Sequence[Place]) -> bool:
    """Whether a place is one of the others, or part of one, or has one as a part."""
    return _Places(others).meet(place)


class _Places:
    """Places of findings; an answer can have very many."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = set(places)
        self._wider = {part for place in self._places for part in _from_the_whole(place)}

    def meet(self, place: Place) -> bool:
        return place in self._wider or any(part in self._places for part in _from_the_whole(place))


def _from_the_whole(place: Place) -> Iterator[Place]:
    """Give the whole answer, each part of it that the place is in, and the place."""
    return (place[:end] for end in range(len(place) + 1))


def _demands(rule: Rule) -> bool:
    # What is allowed excuses nothing.
    return rule.level is not Level.INFO and rule.yields_to != EVERY


def _of_its_own(rule: Rule, found: Findings, evidence: Evidence) -> Sequence[Finding]:
    own = found[rule.id]
    if not own or not rule.yields_to or rule.yields_to == EVERY:
        return own
    theirs = [one.place for id in rule.yields_to for one in found.get(id, ())]
    if rule.in_either:
        theirs += [one.place for one in _in_the_other(rule.yields_to, evidence)]
    places = _Places(theirs)
    return [one for one in own if not places.meet(one.place)]


def _in_the_other(ids: Sequence[str], evidence: Evidence) -> Iterator[Finding]:
    """Ask rules about the answer that this one is compared with."""
    if evidence.beside is None:
        return
    beside = replace(evidence, answer=evidence.beside)
    for rule in (RULES[id] for id in ids):
        if rule.applies(beside):
            yield from (one for one in rule.check(beside) if isinstance(one, Finding))
