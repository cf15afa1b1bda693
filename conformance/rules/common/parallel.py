"""How many calls a request allows at once."""

from __future__ import annotations

from conformance.rules.common.choice import calls_too_many, wrong_calls
from conformance.rules.rule import CHAT_CREATE, MUST, Evidence, Findings, rule

BLAME = "server"
SPEC = CHAT_CREATE


@rule(
    "parallel.false",
    MUST,
    "any",
    lambda evidence: evidence.asked.options.parallel is False,
)
def one_at_a_time(evidence: Evidence) -> Findings:
    """With parallel_tool_calls false there is one call at most.

    Why: clients ask for it when tools must not run side by side, or when they read one call only.
    Says: Whether to enable parallel function calling during tool use.
    Wrong: "parallel_tool_calls": false, and two calls
    Right: "parallel_tool_calls": false, and one call
    """
    for turn in evidence.turns:
        if calls_too_many(evidence, turn):
            yield wrong_calls(turn, expected="one call at most")
