"""LlamaIndex, with its model class for servers that speak OpenAI's API."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from llama_index.core.tools import FunctionTool, ToolMetadata
from llama_index.llms.openai_like import OpenAILike


def ask(job: dict[str, Any]) -> dict[str, Any]:
    """Give what LlamaIndex makes of a recording."""
    body = job["body"]
    model = OpenAILike(
        model=body["model"],
        api_base=job["url"],
        api_key="none",
        is_chat_model=True,
        is_function_calling_model=True,
        max_retries=0,
    )
    tools = [offered(tool["function"]) for tool in body["tools"]]
    if not job["stream"]:
        return view(model, model.chat_with_tools(tools, user_msg="Hi"))
    *_, last = model.stream_chat_with_tools(tools, user_msg="Hi")
    return view(model, last)


def offered(function: dict[str, Any]) -> FunctionTool:
    """Offer a tool by its name; its schema changes nothing of the reading."""
    metadata = ToolMetadata(name=function["name"], description="A tool")
    return FunctionTool(fn=lambda **given: str(given), metadata=metadata)


def view(model: OpenAILike, response: Any) -> dict[str, Any]:
    """Read an answer as its agents do."""
    calls = model.get_tool_calls_from_response(response, error_on_no_tool_call=False)
    return {
        "choices": [
            {
                "calls": [[call.tool_name, call.tool_kwargs, call.tool_id] for call in calls],
                "text": response.message.content,
                "ending": None,
            }
        ],
        "usage": None,
    }


WAYS = {f"llama-index {version('llama-index-llms-openai-like')}": ask}
