"""Whether an answer exercised what its item is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from conformance.rules import Evidence
from conformance.rules.common.args import schema
from conformance.terms.outcome import Finding
from conformance.verdicts.item import Item
from conformance.verdicts.spoken import Reading
from conformance.wires.answer import Thought, Turn

Check = Callable[[Item, Evidence, Reading | None], str | None]
"""Says in what way an answer did not exercise what its item is about, if so."""

LONG = 40
"""The length from which a server has no reason to send an answer at once."""
WHOLE = 1000
"""Tokens per delta with which the parser is given the whole answer at once."""


def why_irrelevant(
    checks: Iterable[Check], item: Item, evidence: Evidence, reading: Reading | None
) -> str | None:
    """Say why an answer did not exercise what its item is about, if so; an error always did."""
    if evidence.answer.exchange.status != 200:
        return None
    reasons = (check(item, evidence, reading) for check in checks)
    return next((reason for reason in reasons if reason is not None), None)


def other_calls(item: Item, evidence: Evidence, reading: Reading | None) -> str | None:
    """Say that a model made calls other than those the case is about."""
    if item.case.expect.calls is None:
        return None
    wanted = [call.name for call in item.case.expect.calls]
    made = _calls_of_the_model(evidence, reading)
    if all(names == wanted for names in made):
        return None
    odd = f" ({reading.odd})" if reading and reading.odd else ""
    return f"the model called {made}, and the case is about {wanted}{odd}"


def not_sent_back(item: Item, evidence: Evidence, reading: Reading | None) -> str | None:
    """Say that there was no follow-up to an answer, where the case is about that."""
    if item.case.echo is None or evidence.echo is not None:
        return None
    return "the answer has not the calls that the results are for, so it was not sent back"


def in_one_chunk(item: Item, evidence: Evidence, reading: Reading | None) -> str | None:
    """Say that nothing was streamed, where the parser was not given everything at once."""
    fed_whole = item.mode.interval is not None and item.mode.interval >= WHOLE
    if not item.mode.stream or fed_whole or evidence.truncated:
        return None
    if max((_length(turn) for turn in evidence.turns), default=0) <= LONG:
        return None
    events = [event for turn in evidence.turns for event in _events(turn)]
    return "the stream came in one chunk" if len(events) == 1 else None


def called(item: Item, evidence: Evidence, reading: Reading | None) -> bool | None:
    """Whether a model made the wanted call, with arguments that its tool allows."""
    wanted = [call.name for call in item.case.expect.calls or ()]
    if not wanted or evidence.answer.exchange.status != 200:
        return None
    made = _calls_of_the_model(evidence, reading)
    return bool(made) and all(names == wanted for names in made) and _keep_to_schema(evidence)


def _calls_of_the_model(evidence: Evidence, reading: Reading | None) -> list[list[str | None]]:
    """Give the names of the calls that a model made, as well as they are known."""
    if reading is not None:
        return [[call.name for call in reading.calls or ()]]
    return [[call.name for call in choice.calls] for choice in evidence.turns]


def _keep_to_schema(evidence: Evidence) -> bool:
    return not any(isinstance(found, Finding) for found in schema(evidence))


def _length(turn: Turn) -> int:
    return len(turn.content) + sum(len(call.arguments) for call in turn.calls)


def _events(turn: Turn) -> set[int]:
    """Give the events that brought text or calls."""
    parts = [part for part in turn.parts if not isinstance(part, Thought)]
    return {event for part in parts for event in part.events}
