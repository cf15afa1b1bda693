"""The next turn of a conversation: the server's own answer sent back, with results of its calls."""

from __future__ import annotations

from dataclasses import replace

from conformance.base import jsonvalue
from conformance.base.jsonvalue import Json
from conformance.terms.case import Case
from conformance.wires.chat.answers import Answer
from conformance.wires.chat.choices import Choice

OF_ONE_TURN = {"max_completion_tokens"}
"""Fields of the first request, beside its options, that would keep the model from going on."""


def answered(case: Case, answer: Answer) -> Case | None:
    """Write the case that follows an answer, if the case has one and the answer has its calls."""
    message = _message(answer)
    if case.echo is None or message is None:
        return None
    calls = message.get("tool_calls") or []
    if len(calls) != len(case.echo.results):
        return None
    fields = case.wire.get("chat", {}).items()
    own = {name: value for name, value in fields if name not in OF_ONE_TURN}
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": result}
        for call, result in zip(calls, case.echo.results, strict=True)
    ]
    return replace(
        case,
        id=f"{case.id} echo",
        messages=(*case.messages, message, *results),
        options=case.options.for_next_turn(),
        wire={**case.wire, "chat": own} if own else {},
        says=case.echo.says,
        raw={},
        echo=None,
    )


def _message(answer: Answer) -> Json | None:
    """Give the assistant's message: as it came, or put together from a stream."""
    if answer.exchange.status != 200 or len(answer.choices) != 1:
        return None
    choice = answer.choices[0]
    if not choice.whole or any(call.id is None or call.name is None for call in choice.calls):
        return None
    if answer.stream is None:
        return jsonvalue.plain(answer.document["choices"][0]["message"])
    return _assembled(choice)


def _assembled(choice: Choice) -> Json:
    message: dict[str, Json] = {"role": "assistant", "content": choice.content or None}
    if choice.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in choice.calls
        ]
    return message
