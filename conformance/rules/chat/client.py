"""What the official SDK makes of the same bytes."""

from __future__ import annotations

from conformance.base import jsonvalue
from conformance.rules.chat import choices_of
from conformance.rules.rule import EVERY, MUST, Evidence, Findings, rule
from conformance.terms.outcome import Finding, Unjudged

BLAME = "server"


@rule(
    "client.openai-python",
    MUST,
    "any",
    lambda evidence: evidence.client is not None,
    yields_to=EVERY,
)
def openai_python(evidence: Evidence) -> Findings:
    """The official Python SDK reads the calls and the text that the answer holds.

    Why: it is the client that most users have.
    Wrong: its stream helper raises, or gives another name or other arguments
    Right: the same calls, the same text
    """
    view = evidence.client
    if view is None:
        return
    if view.unread is not None:
        yield Unjudged(view.unread)
        return
    if view.error is not None:
        actual = f"{view.client} raises {jsonvalue.show(view.error, 200)}"
        yield Finding(where="client", expected="an answer", actual=actual)
        return
    if len(view.calls) != len(choices_of(evidence)):
        yield Finding(
            where="client choices",
            expected=f"{len(choices_of(evidence))} choices",
            actual=f"{view.client} reads {len(view.calls)}",
        )
    for place, choice in enumerate(choices_of(evidence)[: len(view.calls)]):
        if not choice.whole:
            continue
        # A name that is empty and one that is not there are other rules' matter.
        held = [(call.id, call.name or "", call.arguments) for call in choice.calls]
        read = [(call.id, call.name or "", call.arguments) for call in view.calls[place]]
        if held != read:
            yield Finding(
                where=f"client choice {choice.index} tool_calls",
                expected=jsonvalue.show(held),
                actual=f"{view.client} reads {jsonvalue.show(read)}",
            )
        if choice.content != view.content[place]:
            expected, actual = jsonvalue.show_apart(choice.content, view.content[place])
            yield Finding(
                where=f"client choice {choice.index} content",
                expected=expected,
                actual=f"{view.client} reads {actual}",
            )
