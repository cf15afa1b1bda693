"""Faults beside calls: text, finish_reason, usage, the envelope."""

from __future__ import annotations

from conformance.formats import FORMATS
from conformance.model import Json
from conformance.reference.faults.registry import entries, fault, finishes

LEAK = "".join(dict.fromkeys(format.markup[0] for format in FORMATS.values()))


@fault("chunks", "content.no-marker-leak")
def marker_leaks(chunks: list[Json]) -> list[Json]:
    """Sends the mark of a call as text before the first call.

    A parser that lets its held-back text go too early.
    """
    for place, chunk in enumerate(chunks):
        for entry in entries([chunk]):
            if "id" in entry:
                choice = {**chunk["choices"][0], "delta": {"content": LEAK}}
                return [*chunks[:place], {**chunk, "choices": [choice]}, *chunks[place:]]
    return chunks


@fault("chunks", "said.kept")
def half_call_swallowed(chunks: list[Json]) -> list[Json]:
    """Sends nothing of a call that never became whole.

    Parsers that wait for its end, as those of vLLM, where the stream ends first.
    """
    texts = [choice["delta"].get("content") or "" for c in chunks for choice in c["choices"]]
    if any(entries(chunks)) or '"arguments"' not in "".join(texts):
        return chunks
    return [c for c in chunks if not any(one["delta"].get("content") for one in c["choices"])]


@fault("chunks", "content.order")
def text_late(chunks: list[Json]) -> list[Json]:
    """Sends the text before a call in the middle of its arguments.

    A server that sends text and calls from two queues; the AI SDK moves the text behind the call.
    """
    numbers = [number for number, chunk in enumerate(chunks) if any(entries([chunk]))]
    if len(numbers) < 4:
        return chunks
    head, text = chunks[:1], chunks[1 : numbers[0]]
    return [*head, *chunks[numbers[0] : numbers[2]], *text, *chunks[numbers[2] :]]


@fault("chunks", "chunk.created.constant")
def clock_goes_on(chunks: list[Json]) -> list[Json]:
    """Writes the time of each chunk into it.

    The specification says that all chunks have the same timestamp.
    """
    for number, chunk in enumerate(chunks):
        chunk["created"] += number
    return chunks


@fault("chunks", "chunk.model.constant")
def model_changes(chunks: list[Json]) -> list[Json]:
    """Names the model by its path in the last chunk.

    LangChain and openai-agents record the name, and look its price up.
    """
    chunks[-1]["model"] = f"/models/{chunks[-1]['model']}"
    return chunks


@fault("chunks", "finish.tool_calls")
def finish_stop(chunks: list[Json]) -> list[Json]:
    """Ends an answer with calls by `stop`.

    Strands, opencode and Spring AI run no tool then.
    """
    for chunk in chunks:
        for choice in chunk["choices"]:
            if choice["finish_reason"] == "tool_calls":
                choice["finish_reason"] = "stop"
    return chunks


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


@fault("chunks", "usage.final-chunk")
def usage_twice(chunks: list[Json]) -> list[Json]:
    """Sends the usage that was asked for beside the finish_reason, too.

    LangChain and pydantic-ai add up every usage that they meet.
    """
    for chunk in chunks:
        if finishes(chunk) and "usage" in chunk:
            chunk["usage"] = chunks[-1]["usage"]
    return chunks


@fault("chunks", "usage.final-chunk")
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


@fault("chunks", "usage.equiv")
def usage_of_the_last_token(chunks: list[Json]) -> list[Json]:
    """Counts one token of the completion when streamed.

    A server that counts what the last step brought, not what all steps did.
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


@fault("body", "equiv.content")
def complete_answer_differs(body: Json) -> Json:
    """Leaves the text beside calls out of the complete answer.

    Parsers have two code paths, and the complete one often takes the calls alone.
    """
    for choice in body["choices"]:
        if choice["message"].get("tool_calls"):
            choice["message"]["content"] = None
    return body
