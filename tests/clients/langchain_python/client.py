"""LangChain: what `stream` adds up to, and what `invoke` gives."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from langchain_openai import ChatOpenAI


def ask(job: dict[str, Any]) -> dict[str, Any]:
    """Give what LangChain makes of a recording."""
    body = job["body"]
    chat = ChatOpenAI(
        model=body["model"],
        base_url=job["url"],
        api_key="none",
        max_retries=0,
        use_responses_api=False,
    )
    model = chat.bind_tools(body["tools"])
    if not job["stream"]:
        return view(model.invoke("Hi"))
    whole, *rest = model.stream("Hi")
    for chunk in rest:
        whole = whole + chunk
    return view(whole)


def view(message: Any) -> dict[str, Any]:
    """Read a message as programs do: invalid calls are not among its calls."""
    usage = message.usage_metadata
    return {
        "choices": [
            {
                "calls": [[call["name"], call["args"], call["id"]] for call in message.tool_calls],
                "text": message.content,
                "ending": message.response_metadata.get("finish_reason"),
            }
        ],
        "usage": usage and [usage["input_tokens"], usage["output_tokens"]],
    }


WAYS = {f"langchain-python {version('langchain-openai')}": ask}
