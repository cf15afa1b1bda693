"""The ids of calls, in either mode."""

from __future__ import annotations

import re

from conformance.rules.rule import MUST, SHOULD, Evidence, Findings, has_calls, rule
from conformance.terms.outcome import Finding, brief
from conformance.wires.answer import Answer

BLAME = "server"


@rule("id.unique", MUST, "any", has_calls)
def unique(evidence: Evidence) -> Findings:
    """The calls of an answer have different ids.

    Why: tool results are paired with calls by id; with two alike the next turn is refused or
        stalls.
    Wrong: "call_1" twice
    Right: "call_1", "call_2"
    """
    seen: set[str] = set()
    for call in evidence.calls:
        if call.id is None:
            continue
        if call.id in seen:
            yield call.finding_at_start("id", expected="an id of its own", actual=brief(call.id))
        seen.add(call.id)


@rule(
    "id.format",
    MUST,
    "any",
    lambda evidence: bool(evidence.format and evidence.format.call_id) and has_calls(evidence),
    spec="https://github.com/mistralai/mistral-common/blob/main/src/mistral_common/protocol/instruct/validator.py",
)
def form(evidence: Evidence) -> Findings:
    """A call's id has the form that the model's own template demands.

    Why: Mistral's templates and mistral_common refuse the next turn unless an id is nine letters
        and digits.
    Says: must be a-z, A-Z, 0-9, with a length of 9
    Wrong: "id": "chatcmpl-tool-9af5e2cd"
    Right: "id": "aB3dE6gH9"
    """
    pattern = evidence.format.call_id if evidence.format else None
    for call in evidence.calls:
        if pattern and call.id and not re.fullmatch(pattern, call.id):
            yield call.finding_at_start(
                "id", expected=f"an id that matches {pattern}", actual=brief(call.id)
            )


ID_FORMS = {
    "call_…": r"call_\w+",
    "chatcmpl-tool-…": r"chatcmpl-tool-\w+",
    "toolu_…": r"toolu_\w+",
    "functions.NAME:NUMBER": r"functions\.[\w-]+:\d+",
    "a UUID": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "nine letters and digits": r"[a-zA-Z0-9]{9}",
}
"""Forms of ids that servers are known to use, none of which fits another\'s pattern."""


@rule(
    "id.equiv-shape",
    SHOULD,
    "stream",
    lambda evidence: _form(evidence.complete) is not None,
    yields_to=("id.format",),
    in_either=True,
)
def id_shape(evidence: Evidence) -> Findings:
    """The ids of calls have the same form, complete and streamed.

    Why: templates and other servers accept some forms and refuse others, so a conversation that
        was asked for in both ways can break at its next turn.
    Wrong: chatcmpl-tool-9af5e2cd complete, call_9af5e2cd streamed
    Right: chatcmpl-tool-… either way
    """
    complete, streamed = _form(evidence.complete), _form(evidence.answer)
    if streamed is not None and complete != streamed:
        yield Finding(
            where="tool_calls id",
            expected=f"{complete} as in the complete answer",
            actual=streamed,
        )


def _form(answer: Answer | None) -> str | None:
    """Name the form that all ids of an answer have, if it is a known one."""
    ids = [call.id for turn in (answer.turns if answer else ()) for call in turn.calls]
    for name, pattern in ID_FORMS.items():
        if ids and all(id is not None and re.fullmatch(pattern, id) for id in ids):
            return name
    return None
