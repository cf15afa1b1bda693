"""The official SDK's reading of recorded bytes, with no server."""

from __future__ import annotations

import re
import warnings

import httpx2
import openai
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion

from conformance.base import jsonvalue, sse
from conformance.terms.exchange import ClientView, Exchange
from conformance.terms.said import Call

NAME = f"openai-python {openai.__version__}"

# At each line the SDK copies the event so far, and at each chunk the whole answer so far. It makes
# an object of each value, at 20 microseconds or more, where JSON takes a fraction of one.
# Beyond these sizes it takes many seconds, or minutes; any usual answer is smaller.
BYTES = 5_000_000
LINE_ENDS = 100_000
LINES_OF_AN_EVENT = 1_000
COMMAS_AND_BRACKETS = 250_000
"""Those that open."""
STEPS = 20_000
"""Choices and calls that are held, summed over the chunks."""

_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")


class _TooLong(Exception):
    """The SDK would take minutes; the message says why."""


def read(exchange: Exchange) -> ClientView:
    """Let the SDK read an answer as if it came from the network just now."""
    try:
        _check_size(exchange.body)
        # A warning stops no user, and must not stop the SDK where warnings are errors.
        with warnings.catch_warnings(action="ignore"), _client(exchange) as client:
            if exchange.request.get("stream"):
                return _view(_accumulate(client))
            return _view(client.chat.completions.create(model="m", messages=[]))
    except _TooLong as problem:
        return ClientView(client=NAME, unread=f"{NAME} would take too long: {problem}")
    except Exception as problem:  # whatever it raises, a user would meet
        return ClientView(client=NAME, error=f"{type(problem).__name__}: {str(problem)[:200]}")


def _check_size(body: bytes) -> None:
    if len(body) > BYTES:
        raise _TooLong(f"the answer has more than {BYTES} bytes")
    if sse.line_ends(body) > LINE_ENDS:
        raise _TooLong(f"the answer has more than {LINE_ENDS} line ends")
    if jsonvalue.commas_and_brackets(body) > COMMAS_AND_BRACKETS:
        raise _TooLong(
            f"the answer has more than {COMMAS_AND_BRACKETS} commas and opening brackets"
        )
    if any(len(event.splitlines()) > LINES_OF_AN_EVENT for event in _EVENT_END.split(body)):
        raise _TooLong(f"an event has more than {LINES_OF_AN_EVENT} lines")


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
    steps = 0
    with client.chat.completions.create(model="m", messages=[], stream=True) as chunks:
        for chunk in chunks:
            state.handle_chunk(chunk)
            steps += _held(state.current_completion_snapshot)
            if steps > STEPS:
                raise _TooLong("the answer has too many chunks, or calls")
    # The final completion would raise on every `length`, which is not the server's fault.
    return state.current_completion_snapshot


def _held(completion: ChatCompletion) -> int:
    listed = [choice.message.tool_calls for choice in completion.choices]
    return 1 + sum(1 + len(calls) if isinstance(calls, list) else 1 for calls in listed)


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
