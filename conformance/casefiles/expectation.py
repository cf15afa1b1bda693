"""What a client must get when a server passes on what the model says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from conformance.base.jsonvalue import Json
from conformance.terms.case import Expectation
from conformance.terms.said import Call, Text, Utterance

LIMITS = {"max_tokens", "max_completion_tokens"}
CUTS = {*LIMITS, "stop"}
"""Options that may end an answer before all is said."""


def derive(
    says: Sequence[Utterance], options: Mapping[str, Json], cut_after: str | None = None
) -> Expectation:
    """Say what a client gets when a server does nothing but pass on what the model says.

    Fields that the request lets the server change stay `None`.
    """
    if cut_after is not None:
        return Expectation(finish_reason=("length",))
    calls = tuple(item for item in says if isinstance(item, Call))
    content = "".join(item.text for item in says if isinstance(item, Text))
    choice = options.get("tool_choice", "auto")
    muted = bool(calls) and choice == "none"
    single = len(calls) > 1 and options.get("parallel_tool_calls") is False
    if CUTS & options.keys() or muted or single:
        return Expectation()
    if isinstance(choice, dict):
        return Expectation(calls=calls, content=content, finish_reason=("stop", "tool_calls"))
    reason = "tool_calls" if calls else "stop"
    return Expectation(calls=calls, content=content, finish_reason=(reason,))
