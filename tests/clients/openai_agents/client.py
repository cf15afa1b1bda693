"""OpenAI's Agents SDK: an agent that stops at its first tools, on Chat Completions."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

from agents import (
    Agent,
    FunctionTool,
    OpenAIChatCompletionsModel,
    Runner,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

set_tracing_disabled(True)


def ask(job: dict[str, Any]) -> dict[str, Any]:
    """Give what the agent makes of a recording."""
    return asyncio.run(_ask(job))


async def _ask(job: dict[str, Any]) -> dict[str, Any]:
    body = job["body"]
    client = AsyncOpenAI(base_url=job["url"], api_key="none", max_retries=0)
    agent = Agent(
        name="agent",
        model=OpenAIChatCompletionsModel(body["model"], client),
        tools=[offered(tool["function"]) for tool in body["tools"]],
        tool_use_behavior="stop_on_first_tool",
    )
    if not job["stream"]:
        return view(await Runner.run(agent, "Hi"))
    result = Runner.run_streamed(agent, "Hi")
    async for _ in result.stream_events():
        pass
    return view(result)


def offered(function: dict[str, Any]) -> FunctionTool:
    """Offer a tool that gives a result, whatever it is called with."""

    async def run(context: Any, arguments: str) -> str:
        return arguments

    return FunctionTool(
        name=function["name"],
        description="A tool",
        params_json_schema=function["parameters"],
        on_invoke_tool=run,
        strict_json_schema=False,
    )


def view(result: Any) -> dict[str, Any]:
    """Read the first response, as the agent ran it. It has no reason for its end."""
    response = result.raw_responses[0]
    calls = [one for one in response.output if one.type == "function_call"]
    texts = [part.text for one in response.output if one.type == "message" for part in one.content]
    return {
        "choices": [
            {
                "calls": [[call.name, call.arguments, call.call_id] for call in calls],
                "text": "".join(texts),
                "ending": None,
            }
        ],
        "usage": [response.usage.input_tokens, response.usage.output_tokens],
    }


WAYS = {f"openai-agents {version('openai-agents')}": ask}
