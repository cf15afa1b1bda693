"""Where Chat Completions puts the ids of calls."""

from __future__ import annotations

from conformance.rules.chat import calls_of
from conformance.rules.rule import SHOULD, Evidence, Findings, has_calls, rule
from conformance.terms.outcome import brief

BLAME = "server"


@rule(
    "id.place",
    SHOULD,
    "any",
    has_calls,
    spec="https://platform.openai.com/docs/api-reference/chat/object",
)
def place(evidence: Evidence) -> Findings:
    """A call's id stands beside `function`, not in it too.

    Why: the specification gives `function` a name and arguments; strict types refuse more, and a
        client that reads the wrong one of two ids answers a call that nobody made.
    Wrong: {"id": "call_1", "function": {"id": "f1", "name": "f"}}
    Right: {"id": "call_1", "function": {"name": "f"}}
    """
    for call in calls_of(evidence):
        if call.id is None:
            continue  # the other id is not one too many
        for entry in call.entries:
            if "id" in entry.function:
                yield entry.finding(
                    "function.id", expected="absent", actual=brief(entry.function["id"])
                )
