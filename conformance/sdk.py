"""The official SDK's reading of recorded bytes, with no server."""

from __future__ import annotations

import warnings

import httpx2
import openai
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion

from conformance.model import Call, ClientView, Exchange

NAME = f"openai-python {openai.__version__}"


def read(exchange: Exchange) -> ClientView:
    """Let the SDK read an answer as if it came from the network just now."""
    try:
        # A warning stops no user, and must not stop the SDK where warnings are errors.
        with warnings.catch_warnings(action="ignore"), _client(exchange) as client:
            if exchange.request.get("stream"):
                return _view(_accumulate(client))
            return _view(client.chat.completions.create(model="m", messages=[]))
    except Exception as problem:  # whatever it raises is what a user would meet
        return ClientView(client=NAME, error=f"{type(problem).__name__}: {str(problem)[:200]}")


def _client(exchange: Exchange) -> openai.OpenAI:
    def replay(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(
            exchange.status or 200,
            headers=[pair for pair in exchange.headers if pair[0].lower() == "content-type"],
            content=exchange.body,
        )

    return openai.OpenAI(
        base_url="http://recorded.invalid",
        api_key="none",
        max_retries=0,
        http_client=httpx2.Client(transport=httpx2.MockTransport(replay)),
    )


def _accumulate(client: openai.OpenAI) -> ChatCompletion:
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    with client.chat.completions.create(model="m", messages=[], stream=True) as chunks:
        for chunk in chunks:
            state.handle_chunk(chunk)
    # The final completion would raise on every finish_reason `length`, which is no server's fault.
    return state.current_completion_snapshot


def _view(completion: ChatCompletion) -> ClientView:
    return ClientView(
        client=NAME,
        calls=tuple(
            tuple(
                Call(name=call.function.name, arguments=call.function.arguments, id=call.id)
                for call in choice.message.tool_calls or ()
                if call.type == "function"
            )
            for choice in completion.choices
        ),
        content=tuple(_text(choice.message.content) for choice in completion.choices),
    )


def _text(content: object) -> str:
    # The SDK hands on whatever the server sent.
    return content if isinstance(content, str) else "" if content is None else repr(content)
