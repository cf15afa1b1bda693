"""The message of a complete answer."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.base.jsonvalue import Json
from conformance.rules.chat.usage import raw_choices
from conformance.rules.rule import INFO, MUST, RFC_8259, SHOULD, Evidence, Findings, rule
from conformance.rules.truth import names_nothing
from conformance.terms.outcome import Finding, brief
from conformance.wires.chat.answers import Answer

BLAME = "server"
SPEC = "https://platform.openai.com/docs/api-reference/chat/object"


@rule("msg.json", MUST, "complete", spec=RFC_8259)
def is_json(evidence: Evidence) -> Findings:
    """A complete answer is one JSON object.

    Why: every client reads it as that; openai-python returns text or raises.
    Wrong: an HTML page
    Right: {"id": "chatcmpl-1", "choices": […]}
    """
    answer = evidence.answer
    if answer.problem is not None:
        yield Finding(
            where="body", expected="JSON", actual=f"{answer.problem}: {answer.text[:60]!r}"
        )
    elif not isinstance(answer.document, dict):
        yield Finding(where="body", expected="a JSON object", actual=repr(answer.text[:60]))


@rule("msg.required", MUST, "complete", lambda evidence: isinstance(evidence.answer.document, dict))
def required(evidence: Evidence) -> Findings:
    """A complete answer has an envelope and choices with a message, as the specification requires.

    Why: openai-node and typed clients read each of these fields; the AI SDK says "Invalid JSON
        response", LangChain and openai-agents raise on absent choices.
    Wrong: {"choices": [{"message": {"tool_calls": […]}}]}
    Right: {"id": …, "object": "chat.completion", "created": …, "model": …, "choices": [{"index": 0,
        "message": {"role": "assistant", "content": null, …}, "finish_reason": …}]}
    """
    document = evidence.answer.document
    for field, kind in {"id": str, "created": int, "model": str, "choices": list}.items():
        if type(document.get(field)) is not kind:
            yield Finding(
                where=field,
                expected=f"a value of type {kind.__name__}",
                actual=brief(document.get(field, "absent")),
            )
    if document.get("object") != "chat.completion":
        yield Finding(
            where="object", expected="chat.completion", actual=brief(document.get("object"))
        )
    choices = document.get("choices")
    for place, choice in enumerate(choices if isinstance(choices, list) else []):
        yield from _choice(choice, f"choices[{place}]")


def _choice(choice: Json, where: str) -> Iterator[Finding]:
    if not isinstance(choice, dict) or type(choice.get("index")) is not int:
        yield Finding(where=f"{where}.index", expected="an integer", actual=brief(choice))
        return
    message = choice.get("message")
    if not isinstance(message, dict):
        yield Finding(where=f"{where}.message", expected="an object", actual=brief(message))
        return
    if message.get("role") != "assistant":
        yield Finding(
            where=f"{where}.message.role",
            expected="'assistant'",
            actual=brief(message.get("role", "absent")),
        )
    if not isinstance(message.get("content", 0), str | None):
        yield Finding(
            where=f"{where}.message.content",
            expected="a string or null",
            actual=brief(message.get("content", "absent")),
        )


@rule("msg.nullable-keys", INFO, "complete")
def nullable_keys(evidence: Evidence) -> Findings:
    """A message has the key `refusal`, and its choice `logprobs`, even if null.

    Why: the specification requires the keys; clients take an absent one for null, but types
        generated from it may not.
    Wrong: {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    Right: {"index": 0, "message": {"role": "assistant", "content": "Hi", "refusal": null},
        "logprobs": null, "finish_reason": "stop"}
    """
    for where, _, choice in raw_choices(evidence.answer):
        message = choice.get("message")
        if not isinstance(message, dict):
            continue  # msg.required
        held = {"message.refusal": "refusal" in message, "logprobs": "logprobs" in choice}
        for name in (name for name, is_there in held.items() if not is_there):
            yield Finding(where=f"{where}.{name}", expected="null or a value", actual="absent")


@rule("msg.tool_calls-absent", SHOULD, "complete")
def tool_calls_absent(evidence: Evidence) -> Findings:
    """`tool_calls` is absent or null where there is no call.

    Why: sent back as part of the conversation, an empty list is refused by strict servers.
    Wrong: "tool_calls": []
    Right: no tool_calls key
    """
    for where, message in _messages(evidence.answer):
        if message.get("tool_calls") == []:
            yield Finding(where=f"{where}.tool_calls", expected="absent or null", actual="[]")


@rule("msg.tool_call.shape", MUST, "complete")
def tool_call_shape(evidence: Evidence) -> Findings:
    """Every call has an id, the type `function`, and a function with a name.

    Why: pydantic-ai and openai-agents raise, the AI SDK says "Invalid JSON response".
    Wrong: {"function": {"name": "f", "arguments": "{}"}}
    Right: {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    """
    for where, message in _messages(evidence.answer):
        calls = message.get("tool_calls") or []
        if not isinstance(calls, list):
            yield Finding(where=f"{where}.tool_calls", expected="a list", actual=brief(calls))
            continue
        for place, call in enumerate(calls):
            here = f"{where}.tool_calls[{place}]"
            if not isinstance(call, dict):
                yield Finding(where=here, expected="an object", actual=brief(call))
                continue
            function = call.get("function")
            name = function.get("name") if isinstance(function, dict) else None
            found = {"id": call.get("id"), "type": call.get("type"), "function.name": name}
            for field, value in found.items():
                good = value == "function" if field == "type" else value and isinstance(value, str)
                if value == "" and field == "function.name" and names_nothing(evidence):
                    continue
                if not good:
                    expected = "'function'" if field == "type" else "a string that is not empty"
                    yield Finding(where=f"{here}.{field}", expected=expected, actual=brief(value))


def _messages(answer: Answer) -> Iterator[tuple[str, Json]]:
    document = answer.document
    choices = document.get("choices") if isinstance(document, dict) else None
    for place, choice in enumerate(choices if isinstance(choices, list) else []):
        message = choice.get("message") if isinstance(choice, dict) else None
        if isinstance(message, dict):
            yield f"choices[{place}].message", message
