"""Pydantic AI: a request to its model for servers that speak OpenAI's API."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

from openai import AsyncOpenAI
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.messages import ModelRequest
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.tools import ToolDefinition


def ask(job: dict[str, Any]) -> dict[str, Any]:
    """Give what Pydantic AI makes of a recording."""
    return asyncio.run(_ask(job))


async def _ask(job: dict[str, Any]) -> dict[str, Any]:
    body = job["body"]
    client = AsyncOpenAI(base_url=job["url"], api_key="none", max_retries=0)
    model = OpenAIChatModel(body["model"], provider=OpenAIProvider(openai_client=client))
    tools = [
        ToolDefinition(
            name=tool["function"]["name"], parameters_json_schema=tool["function"]["parameters"]
        )
        for tool in body["tools"]
    ]
    messages = [ModelRequest.user_text_prompt("Hi")]
    parameters = ModelRequestParameters(function_tools=tools)
    if not job["stream"]:
        return view(await model_request(model, messages, model_request_parameters=parameters))
    async with model_request_stream(model, messages, model_request_parameters=parameters) as stream:
        async for _ in stream:
            pass
        return view(stream.get())


def view(response: Any) -> dict[str, Any]:
    """Read a response as programs do."""
    return {
        "choices": [
            {
                "calls": [
                    [part.tool_name, part.args, part.tool_call_id] for part in response.tool_calls
                ],
                "text": response.text,
                "ending": response.finish_reason,
            }
        ],
        "usage": [response.usage.input_tokens, response.usage.output_tokens],
    }


WAYS = {f"pydantic-ai {version('pydantic-ai-slim')}": ask}
