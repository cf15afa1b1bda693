"""Whether an answer exercised what its item is about."""

from __future__ import annotations

from conformance.rules import Evidence
from conformance.rules.common.args import schema
from conformance.terms.outcome import Finding
from conformance.verdicts.item import Item
from conformance.verdicts.spoken import Reading
from conformance.wires.answer import Thought, Turn


def _calls_of_the_model(evidence: Evidence, reading: Reading | None) -> list[list[str | None]]:
    """Give the names of the calls that a sampled model made, as well as they are known."""
    if reading is not None:
        return [[call.name for call in reading.calls or ()]]
    return [[call.name for call in choice.calls] for choice in evidence.turns]


def called(item: Item, evidence: Evidence, reading: Reading | None) -> bool | None:
    """Whether a sampled model made the wanted call, with arguments that its tool allows."""
    wanted = [call.name for call in item.case.expect.calls or ()]
    if (
        not wanted
        or item.case.expect.refused
        or evidence.prompt
        or evidence.answer.exchange.status != 200
    ):
        return None
    made = _calls_of_the_model(evidence, reading)
    return bool(made) and all(names == wanted for names in made) and _keep_to_schema(evidence)


def missed(item: Item, evidence: Evidence, reading: Reading | None) -> str | None:
    """Say why an answer did not exercise what its item is about, if so."""
    answer = evidence.answer
    if answer.exchange.status != 200 or evidence.prompt is not None or item.case.expect.refused:
        return None
    if evidence.said is None or reading is not None:
        wanted = [call.name for call in item.case.expect.calls or ()]
        got = _calls_of_the_model(evidence, reading)
        if item.case.expect.calls is not None and any(names != wanted for names in got):
            odd = f" ({reading.odd})" if reading and reading.odd else ""
            return f"the model called {got}, and the case is about {wanted}{odd}"
    if item.case.echo is not None and evidence.echo is None:
        return "the answer has not the calls that the results are for, so it was not sent back"
    if evidence.said is None or reading is not None:
        return None
    fed_whole = item.mode.interval is not None and item.mode.interval >= 1000
    sent = max((_length(turn) for turn in answer.turns), default=0)
    if item.mode.stream and not fed_whole and sent > 40 and not evidence.truncated:
        events = [event for turn in answer.turns for event in _events(turn)]
        if len(events) == 1:
            return "the stream came in one chunk"
    return None


def _keep_to_schema(evidence: Evidence) -> bool:
    return not any(isinstance(found, Finding) for found in schema(evidence))


def _length(turn: Turn) -> int:
    return len(turn.content) + sum(len(call.arguments) for call in turn.calls)


def _events(turn: Turn) -> set[int]:
    """Give the events that brought text or calls."""
    parts = [part for part in turn.parts if not isinstance(part, Thought)]
    return {event for part in parts for event in part.events}
