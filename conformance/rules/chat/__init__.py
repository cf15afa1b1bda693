"""Rules of Chat Completions, and what only they read of an answer and its request."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.base.jsonvalue import Json
from conformance.rules.rule import Evidence
from conformance.wires.chat.choices import Choice, ToolCall


def choices_of(evidence: Evidence) -> tuple[Choice, ...]:
    """Give the choices of the answer."""
    choices: tuple[Choice, ...] = evidence.answer.choices
    return choices


def calls_of(evidence: Evidence) -> Iterator[ToolCall]:
    """Give the calls of all choices."""
    return (call for choice in choices_of(evidence) for call in choice.calls)


def tool_choice_of(evidence: Evidence) -> Json:
    """Give `none`, `auto`, `required` or an object; the specification's default if absent."""
    request = evidence.request
    return request.get("tool_choice") or ("auto" if request.get("tools") else "none")
