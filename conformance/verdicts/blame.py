"""Whose fault it is that an item failed, or could not be decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from conformance.formats import Unreadable
from conformance.rules import RULES, Evidence
from conformance.terms.outcome import Outcome
from conformance.terms.said import Call
from conformance.verdicts.spoken import Reading
from conformance.verdicts.verdict import Judgement, Verdict


class Blame(StrEnum):
    """Whose a fault is."""

    MODEL = "model"
    """It did not call, called oddly, or answered otherwise the second time."""
    TEMPLATE = "template"
    """The prompt does not show the tool, the call or the result."""
    PARSER = "parser"
    """What the model said is not what the client got."""
    SERVER = "server"
    """Transport, chunks, ids, finish, usage, errors."""
    SUITE = "suite"
    """A list of known issues is out of date, or a case cannot be judged."""
    UNCLEAR = "unclear"
    """The model's or the parser's: without the tokens nobody knows."""


FORCED = {"choice.named", "choice.required"}
"""Rules that demand a call."""

MODELS_OWN = {
    "args.beginning",
    "args.integer",
    "args.json",
    "args.no-premature-json",
    "args.object",
    "args.schema",
    "content.no-marker-leak",
}
"""Rules that an answer also breaks when a good parser passes on what a model wrote badly."""

NO_TRANSCRIPT = "the server does not tell what the model said, which may have said this"
OWN_TEXT = "the model said this itself"


def owner(rule: str, *, lost: bool = False) -> Blame:
    """Say who is at fault where a rule is broken; `lost` if only the tokens hold a call."""
    if lost and rule in FORCED:
        return Blame.PARSER  # the server has forced the call
    return Blame(RULES[rule].blame)


def excuse(
    judgements: Iterable[Judgement], evidence: Evidence, reading: Reading | None
) -> tuple[Judgement, ...]:
    """Let no rule fail for what the model may have said itself."""
    return tuple(
        replace(found, outcome=Outcome.INCONCLUSIVE, findings=(), total=0, reason=why)
        if found.outcome is Outcome.FAIL and (why := _doubt(found, evidence, reading))
        else found
        for found in judgements
    )


def _doubt(found: Judgement, evidence: Evidence, reading: Reading | None) -> str | None:
    """Say why the model may be at fault, if so."""
    if found.rule.id not in MODELS_OWN:
        return None
    if reading is None:
        return None if _is_a_lost_call(found, evidence) else NO_TRANSCRIPT
    if reading.calls is None or reading.odd is not None:
        return f"{OWN_TEXT}: {reading.odd or 'it was cut short'}"
    # These arguments parsed as JSON, so only the model can have written what breaks the schema.
    # args.integer compares with what it wrote.
    return f"{OWN_TEXT}: it does not keep to the schema" if found.rule.id == "args.schema" else None


def _is_a_lost_call(found: Judgement, evidence: Evidence) -> bool:
    """Whether the text that leaked is a whole call: then a parser lost it, whatever the model."""
    format = evidence.format
    if found.rule.id != "content.no-marker-leak" or format is None:
        return False
    if evidence.asked.choice == "none":
        return False
    offered = {tool["function"]["name"] for tool in evidence.asked.tools}
    for turn in evidence.turns:
        try:
            says = format.read(format.pieces(turn.content))
        except Unreadable:
            continue
        if any(isinstance(said, Call) and said.name in offered for said in says):
            return True
    return False


def blame_for(
    verdict: Verdict,
    reading: Reading | None,
    *,
    irrelevant: bool,
    unshown: str | None,
    lost: bool = False,
) -> Blame | None:
    """Say whose fault an item's outcome is; `None` where there is none.

    `irrelevant` if the model did not do what the case is about; `unshown` names what its prompt
    did not show. `lost` if the model called, and the client got no call.
    """
    broken = verdict.of(Outcome.FAIL)
    match verdict.outcome:
        case Outcome.ERROR:
            return Blame.SERVER
        case Outcome.STALE:
            return Blame.SUITE
        case Outcome.FAIL:
            return _worst(broken, lost=lost)
        case Outcome.INCONCLUSIVE if irrelevant:
            if unshown is not None:
                return Blame.TEMPLATE
            return Blame.MODEL if reading is not None else Blame.UNCLEAR
        case Outcome.INCONCLUSIVE:
            return _undecided(verdict, reading)
    return None


def _worst(broken: Iterable[Judgement], *, lost: bool) -> Blame:
    """Choose among the owners of broken rules the one whose fault explains the others'."""
    order = list(Blame)
    owners = {
        (found.rule.level != "must", order.index(owner(found.rule.id, lost=lost)))
        for found in broken
    }
    return order[min(owners)[1]]


def _undecided(verdict: Verdict, reading: Reading | None) -> Blame:
    for found in verdict.of(Outcome.INCONCLUSIVE):
        reason = found.reason or ""
        if reason.startswith(OWN_TEXT):
            return Blame.MODEL
        if reason == NO_TRANSCRIPT:
            return Blame.UNCLEAR
        if found.rule.id.startswith("equiv."):
            return Blame.MODEL if reading is not None else Blame.SERVER
    return Blame.SUITE
