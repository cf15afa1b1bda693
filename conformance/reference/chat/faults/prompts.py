"""Faults of a chat template: what it leaves out, doubles, or writes in another way."""

from __future__ import annotations

import copy
import json

from conformance.base.jsonvalue import Json
from conformance.reference.chat.faults.registry import fault
from conformance.reference.fault import Render

SHOWING = (
    "template/no-tools",
    "template/quoted-description",
    "template/system-and-result",
    "template/text-beside-calls",
    "template/two-results",
)
"""Cases that show these faults, each fault in at least one."""


def _without(request: Json, role: str) -> Json:
    kept = [message for message in request["messages"] if message["role"] != role]
    return {**request, "messages": kept}


@fault("prompt", "template.tools", *SHOWING)
def tools_forgotten(render: Render, request: Json) -> str:
    """Writes a prompt without the tools.

    A template that lists them before the first message only, or reads another variable.
    """
    return render({**request, "tools": []})


@fault("prompt", "template.tools-json", *SHOWING)
def quotes_as_they_are(render: Render, request: Json) -> str:
    """Puts descriptions between quotes without escaping those within.

    The mistral templates of vLLM do; the JSON that the model is shown does not parse.
    """
    text = render(request)
    for tool in request.get("tools") or ():
        words = tool["function"].get("description", "")
        text = text.replace(json.dumps(words, ensure_ascii=False), f'"{words}"')
        text = text.replace(f'"description": "{words}"', f'"description": "{words}" "')
    return text


@fault("prompt", "template.calls", *SHOWING)
def arguments_in_a_string(render: Render, request: Json) -> str:
    """Writes the arguments of earlier calls as JSON within a JSON string.

    A template that takes the request's arguments for an object, where they are text.
    """
    bent = copy.deepcopy(request)
    for message in bent["messages"]:
        for call in message.get("tool_calls") or ():
            call["function"]["arguments"] = json.dumps(call["function"]["arguments"])
    return render(bent)


@fault("prompt", "template.results", *SHOWING)
def results_forgotten(render: Render, request: Json) -> str:
    """Leaves the results of tools out.

    A template that knows the roles user and assistant alone.
    """
    return render(_without(request, "tool"))


@fault("prompt", "template.results", *SHOWING)
def results_doubled(render: Render, request: Json) -> str:
    """Writes each result twice.

    A template with one loop over the results and one over the messages.
    """
    messages: list[Json] = []
    for message in request["messages"]:
        messages += [message, message] if message["role"] == "tool" else [message]
    return render({**request, "messages": messages})


@fault("prompt", "template.ids", *SHOWING)
def ids_of_results_lost(render: Render, request: Json) -> str:
    """Writes an id into each call, and no id into the results.

    A template of a model that was trained on one call at a time.
    """
    text = render(request)
    for message in request["messages"]:
        for call in message.get("tool_calls") or ():
            name = call["function"]["name"]
            text = text.replace(
                f'"name": "{name}", "arg', f'"id": "{call["id"]}", "name": "{name}", "arg'
            )
    return text


@fault("prompt", "template.messages", *SHOWING)
def system_forgotten(render: Render, request: Json) -> str:
    """Leaves the system's message out.

    The mistral templates of vLLM do, once a tool's result is the last message.
    """
    return render(_without(request, "system"))


@fault("prompt", "template.text-beside-calls", *SHOWING)
def text_beside_calls_forgotten(render: Render, request: Json) -> str:
    """Writes the calls of a turn and not its text.

    A template that writes either one or the other, as vLLM's for hermes does.
    """
    bent = copy.deepcopy(request)
    for message in bent["messages"]:
        if message.get("tool_calls"):
            message["content"] = None
    return render(bent)


@fault("prompt", "template.no-tools", *SHOWING)
def tools_always(render: Render, request: Json) -> str:
    """Explains to the model how to call where there is nothing to call.

    vLLM's template for hermes does; the model's invented call reaches the user as text.
    """
    text = render(request)
    offer = "<tools></tools> Call them within <tool_call></tool_call>."
    return text if request.get("tools") else f"{offer}{text}"


@fault("prompt", "template.generation-prompt", *SHOWING)
def no_generation_prompt(render: Render, request: Json) -> str:
    """Ends the prompt with the last message.

    The model goes on as the user, or writes a header, which the client gets as text.
    """
    return render({**request, "add_generation_prompt": False})
