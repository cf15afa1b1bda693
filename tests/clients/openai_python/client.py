"""The official Python SDK: its stream helper, and its complete answers."""

from __future__ import annotations

from typing import Any

import openai


def ask(job: dict[str, Any]) -> dict[str, Any]:
    """Give what the SDK makes of a recording."""
    completions, given = _request(job)
    if not job["stream"]:
        return view(completions.create(**given))
    return _streamed(completions.stream(**given))


def ask_strict(job: dict[str, Any]) -> dict[str, Any]:
    """Give what it makes of one for strict tools, whose arguments it parses itself."""
    completions, given = _request(job)
    given["tools"] = [
        {**tool, "function": {**tool["function"], "strict": True}} for tool in given["tools"]
    ]
    if not job["stream"]:
        return view(completions.parse(**given))
    return _streamed(completions.stream(**given))


def _request(job: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    client = openai.OpenAI(base_url=job["url"], api_key="none", max_retries=0)
    body = job["body"]
    given = {name: body[name] for name in ("model", "messages", "tools")}
    given["extra_body"] = {name: body[name] for name in body.keys() - given.keys() - {"stream"}}
    return client.chat.completions, given


def _streamed(opened: Any) -> dict[str, Any]:
    with opened as stream:
        for _ in stream:
            pass
        # The final completion raises on every `length`; the snapshot is the same without that.
        return view(stream.current_completion_snapshot)


def view(completion: Any) -> dict[str, Any]:
    """Read an answer as programs do."""
    usage = completion.usage
    return {
        "choices": [
            {
                "calls": [
                    [call.function.name, call.function.arguments, call.id]
                    for call in choice.message.tool_calls or []
                ],
                "text": choice.message.content,
                "ending": choice.finish_reason,
            }
            for choice in completion.choices
        ],
        "usage": usage and [usage.prompt_tokens, usage.completion_tokens],
    }


WAYS = {
    f"openai-python {openai.__version__}": ask,
    f"openai-python-strict {openai.__version__}": ask_strict,
}
