"""Faults in how an answer ends: finish_reason and usage."""

from __future__ import annotations

from conformance.base.jsonvalue import Json
from conformance.reference.chat.faults.registry import choices, fault, finishes


def _finish_as(chunks: list[Json], reasons: dict[str, str | None]) -> list[Json]:
    for choice in choices(chunks):
        choice["finish_reason"] = reasons.get(choice["finish_reason"], choice["finish_reason"])
    return chunks


@fault("chunks", "finish.tool_calls")
def finish_stop(chunks: list[Json]) -> list[Json]:
    """Ends an answer with calls by `stop`.

    Strands, opencode and Spring AI run no tool then.
    """
    return _finish_as(chunks, {"tool_calls": "stop"})


@fault("chunks", "finish.no-calls", "text/no-call")
def finish_tool_calls(chunks: list[Json]) -> list[Json]:
    """Ends an answer in words by `tool_calls`.

    vLLM #53255; an agent takes the branch that runs tools and finds none.
    """
    return _finish_as(chunks, {"stop": "tool_calls"})


@fault("chunks", "finish.enum")
def finish_unknown(chunks: list[Json]) -> list[Json]:
    """Ends by `eos`, the engine's own word.

    openai-dotnet raises "Unknown ChatFinishReason value.".
    """
    return _finish_as(chunks, {"tool_calls": "eos", "stop": "eos"})


@fault("chunks", "finish.present")
def finish_never(chunks: list[Json]) -> list[Json]:
    """Sends no finish_reason.

    openai-node and LiteLLM raise; others return what may be half of a call.
    """
    return _finish_as(chunks, {"tool_calls": None, "stop": None, "length": None})


@fault("chunks", "said.finish", "limits/call-cut")
def length_hidden(chunks: list[Json]) -> list[Json]:
    """Ends a call that was cut short by `tool_calls`.

    vLLM #53269; LangChain runs the tool with {}.
    """
    return _finish_as(chunks, {"length": "tool_calls"})


@fault("body", "said.finish", "limits/text-cut")
def complete_length_hidden(body: Json) -> Json:
    """Ends a complete answer that was cut short by `stop`.

    A user reads half an answer as a whole one.
    """
    for choice in body["choices"]:
        if choice["finish_reason"] == "length":
            choice["finish_reason"] = "stop"
    return body


@fault("body", "equiv.finish", "choice/named")
def complete_named_ends_by_stop(body: Json) -> Json:
    """Ends a complete answer by `stop` where the stream ends by `tool_calls`.

    Either is allowed where a tool is named, but it must not depend on how an agent asked.
    """
    for choice in body["choices"]:
        if choice["finish_reason"] == "tool_calls":
            choice["finish_reason"] = "stop"
    return body


@fault("chunks", "finish.once")
def two_finishes(chunks: list[Json]) -> list[Json]:
    """Sends the chunk with the finish_reason twice.

    LangChain joins the reasons to "tool_callstool_calls".
    """
    return [twin for chunk in chunks for twin in ([chunk] * (1 + finishes(chunk)))]


@fault("chunks", "finish.last")
def data_after_finish(chunks: list[Json]) -> list[Json]:
    """Sends the finish_reason before the last data.

    Strands stops reading there.
    """
    for place, chunk in enumerate(chunks):
        if finishes(chunk) and place:
            chunks[place - 1 : place + 1] = [chunk, chunks[place - 1]]
            break
    return chunks


@fault("chunks", "usage.final-chunk", "text/usage-asked")
def usage_twice(chunks: list[Json]) -> list[Json]:
    """Sends the usage that was asked for beside the finish_reason, too.

    LangChain and pydantic-ai add up every usage that they meet.
    """
    for chunk in chunks:
        if finishes(chunk) and "usage" in chunk:
            chunk["usage"] = chunks[-1]["usage"]
    return chunks


@fault("chunks", "usage.final-chunk", "text/usage-asked")
def usage_in_every_chunk(chunks: list[Json]) -> list[Json]:
    """Sends the usage that was asked for in every chunk.

    openai-java takes the first for the end, and raises on what follows.
    """
    for chunk in chunks:
        if "usage" in chunk:
            chunk["usage"] = chunks[-1]["usage"]
    return chunks


@fault("chunks", "usage.final-chunk", "text/usage-asked")
def usage_forgotten(chunks: list[Json]) -> list[Json]:
    """Leaves out the usage that was asked for.

    A client that keeps a budget estimates instead, as LiteLLM does, and is wrong.
    """
    return [chunk for chunk in chunks if chunk["choices"]]


@fault("chunks", "usage.absent-unasked")
def usage_unasked(chunks: list[Json]) -> list[Json]:
    """Sends a usage that nobody asked for.

    Code that reads choices[0] of every chunk raises IndexError.
    """
    if "usage" in chunks[0]:
        return chunks
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return [*chunks, {**chunks[-1], "choices": [], "usage": usage}]


@fault("chunks", "usage.equiv", "text/usage-asked")
def usage_of_the_last_token(chunks: list[Json]) -> list[Json]:
    """Counts one token of the completion when streamed.

    A server that counts the tokens of the last step, not of all steps.
    """
    usage = chunks[-1].get("usage")
    if usage:
        usage["completion_tokens"] = 1
        usage["total_tokens"] = usage["prompt_tokens"] + 1
    return chunks


@fault("body", "usage.sum")
def usage_sums_wrong(body: Json) -> Json:
    """Leaves the completion out of the total of tokens.

    Budgets are kept by the total.
    """
    body["usage"]["total_tokens"] = body["usage"]["prompt_tokens"]
    return body


@fault("chunks", "finish.named", "choice/named")
def named_ends_by_function_call(chunks: list[Json]) -> list[Json]:
    """Ends a call that the request named by `function_call`.

    The name from the time before tools; clients look for a `function_call` that is not there.
    """
    return _finish_as(chunks, {"tool_calls": "function_call"})


@fault("chunks", "usage.continuous", "kill-matrix/usage-throughout")
def usage_of_each_chunk(chunks: list[Json]) -> list[Json]:
    """Counts the tokens of each chunk alone where the count so far was asked for.

    A client that stops at a budget never does.
    """
    places = [place for place, chunk in enumerate(chunks) if chunk["choices"]]
    for place in places:
        said = 1 if place % 2 else 2
        chunks[place]["usage"] = {
            "prompt_tokens": 1,
            "completion_tokens": said,
            "total_tokens": 1 + said,
        }
    return chunks


@fault("body", "usage.token-ids")
def token_id_lost(body: Json) -> Json:
    """Shows one token id fewer than it counts.

    The id that a parser took out; training on the answer uses other tokens.
    """
    count = body["usage"]["completion_tokens"]
    body["choices"][0]["token_ids"] = list(range(count - 1))
    return body
