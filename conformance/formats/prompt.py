"""What the families' small chat templates share; the reference server writes prompts with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from conformance.base.jsonvalue import Json
from conformance.terms.said import Call, Script, Text, Utterance

Write = Callable[[Sequence[Utterance]], Script]
"""How a format writes what a model says."""


def said(message: Json, write: Write) -> str:
    """Write what is said in a turn; calls as a model of the format says them, with their ids."""
    content = _content(message)
    calls = [_call(call) for call in message.get("tool_calls") or []]
    if not calls:
        return content
    text: list[Utterance] = [Text(text=content)] if content else []
    return "".join(piece.text for piece in write([*text, *calls]))


def _call(call: Json) -> Call:
    function = call["function"]
    return Call(name=function["name"], arguments=function["arguments"], id=call["id"])


def _content(message: Json) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)
