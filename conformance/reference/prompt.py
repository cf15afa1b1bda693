"""The prompt that a conversation makes: the chat template of each format, in its simplest form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from conformance.base.jsonvalue import Json
from conformance.formats import Format
from conformance.formats.format import text_of
from conformance.terms.said import Call, Text, Utterance


def render(request: Json, format: Format) -> str:
    """Write the prompt of a request in a format."""
    tools = json.dumps(request.get("tools") or [], ensure_ascii=False)
    last = request.get("add_generation_prompt", True)
    return "".join(_TEMPLATES[format.name](request["messages"], tools, last, format))


def _hermes(messages: Json, tools: str, last: bool, format: Format) -> Iterator[str]:
    if tools != "[]":
        yield f"<|im_start|>system\nYour tools: <tools>{tools}</tools><|im_end|>\n"
    for message in messages:
        said = _turn(message, format)
        if message["role"] == "tool":
            said = f"<tool_response>\n{said}\n</tool_response>"
        yield f"<|im_start|>{message['role']}\n{said}<|im_end|>\n"
    if last:
        yield "<|im_start|>assistant\n"


def _mistral(messages: Json, tools: str, last: bool, format: Format) -> Iterator[str]:
    yield "<s>"
    if tools != "[]":
        yield f"[AVAILABLE_TOOLS] {tools}[/AVAILABLE_TOOLS]"
    for message in messages:
        said = _turn(message, format)
        if message["role"] == "assistant":
            yield f"{said}</s>"
        elif message["role"] == "tool" and format.name == "mistral":
            result = {"content": said, "call_id": message["tool_call_id"]}
            yield f"[TOOL_RESULTS] {json.dumps(result, ensure_ascii=False)}[/TOOL_RESULTS]"
        elif message["role"] == "tool":
            yield f"[TOOL_RESULTS]{message['tool_call_id']}[TOOL_CONTENT]{said}[/TOOL_RESULTS]"
        else:
            yield f"[INST] {said}[/INST]"


_TEMPLATES: dict[str, Callable[[Json, str, bool, Format], Iterator[str]]] = {
    "hermes": _hermes,
    "mistral": _mistral,
    "mistral-v11": _mistral,
}


def _turn(message: Json, format: Format) -> str:
    """Write what is said in a turn; calls as a model of the format says them, with their ids."""
    said = _content(message)
    calls = message.get("tool_calls") or []
    says: list[Utterance] = [Text(text=said)] if said else []
    says += [_call(call) for call in calls]
    if not calls:
        return said
    text = text_of(format.write(says))
    for call in calls if format.name == "mistral" else ():
        name = json.dumps(call["function"]["name"])
        text = text.replace(
            f'{{"name": {name}, "a', f'{{"id": "{call["id"]}", "name": {name}, "a', 1
        )
    for call in calls if format.name == "mistral-v11" else ():
        name = call["function"]["name"]
        text = text.replace(f"{name}[ARGS]", f"{name}[CALL_ID]{call['id']}[ARGS]", 1)
    return text


def _call(call: Json) -> Call:
    return Call(name=call["function"]["name"], arguments=call["function"]["arguments"])


def _content(message: Json) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)
