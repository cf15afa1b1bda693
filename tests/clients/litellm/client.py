"""LiteLLM: what its own builder makes of a stream, and its complete answers."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the network for prices

import litellm


def ask(job: dict[str, Any]) -> dict[str, Any]:
    """Give what LiteLLM makes of a recording."""
    body = job["body"]
    given = litellm.completion(
        model=f"openai/{body['model']}",
        api_base=job["url"],
        api_key="none",
        messages=body["messages"],
        tools=body["tools"],
        stream=job["stream"],
        stream_options={"include_usage": True} if job["stream"] else None,
        max_retries=0,
    )
    return view(litellm.stream_chunk_builder(list(given)) if job["stream"] else given)


def view(completion: Any) -> dict[str, Any]:
    """Read an answer as programs do."""
    usage = getattr(completion, "usage", None)
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


WAYS = {f"litellm {version('litellm')}": ask}
