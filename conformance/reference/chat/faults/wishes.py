"""Faults in following the request: a wish that the server ignores."""

from __future__ import annotations

from conformance.base.jsonvalue import Json
from conformance.reference.chat.faults.registry import fault


def _without(request: Json, *fields: str) -> Json:
    return {name: value for name, value in request.items() if name not in fields}


@fault("request", "choice.none", "kill-matrix/none-but-called")
def tool_choice_ignored(request: Json) -> Json:
    """Calls tools as it likes, whatever `tool_choice` says.

    A gateway does not pass the field on; the client wanted words and gets a call.
    """
    return _without(request, "tool_choice")


@fault("request", "parallel.false", "kill-matrix/one-of-two")
def parallel_tool_calls_ignored(request: Json) -> Json:
    """Gives several calls although the request allows one.

    Tools that must not run side by side are run side by side.
    """
    return _without(request, "parallel_tool_calls")


@fault("request", "said.finish", "limits/text-cut")
def max_tokens_ignored(request: Json) -> Json:
    """Says more tokens than the request allows.

    A field under its older name, which the server no longer knows.
    """
    return _without(request, "max_tokens", "max_completion_tokens")


@fault("request", "choice.index.range", "limits/two-choices")
def n_ignored(request: Json) -> Json:
    """Gives one answer where several were asked for.

    A server that knows one choice only; a vote of one is not a vote.
    """
    return _without(request, "n")


@fault("request", "usage.final-chunk", "text/usage-asked")
def stream_options_ignored(request: Json) -> Json:
    """Sends no usage, as it does not know `stream_options`.

    LiteLLM then makes up numbers of its own.
    """
    return _without(request, "stream_options")


@fault("request", "finish.stop-string", "limits/stop-in-text")
def stop_ignored(request: Json) -> Json:
    """Goes on after a stop string.

    A parser that puts the text together again after it was cut; a client that splits by the
    string gets one part too many.
    """
    return _without(request, "stop")
