"""The count of tokens: where it is sent, and whether it adds up."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.assemble import Answer
from conformance.model import Finding, Json
from conformance.rules.rule import MUST, SHOULD, Evidence, Findings, rule

COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
# They change how an answer is sent, not what is said.
_OF_THE_STREAM = {"stream", "stream_options", "stream_interval"}

Place = tuple[str, int | None, Json]
"""Where a usage stands, the number of its chunk, and the usage."""


def _asked(evidence: Evidence) -> bool:
    return bool((evidence.request.get("stream_options") or {}).get("include_usage"))


def _asked_throughout(evidence: Evidence) -> bool:
    # A field of vLLM's: every chunk tells the count so far.
    options = evidence.request.get("stream_options") or {}
    return bool(options.get("continuous_usage_stats"))


def _usages(answer: Answer) -> Iterator[Place]:
    if answer.stream is None:
        document = answer.document if isinstance(answer.document, dict) else {}
        if document.get("usage") is not None:
            yield "usage", None, document["usage"]
    for chunk in answer.chunks:
        if chunk.error is None and chunk.value.get("usage") is not None:
            yield f"chunk {chunk.number} usage", chunk.number, chunk.value["usage"]


@rule("usage.final-chunk", MUST, "stream", _asked)
def final_chunk(evidence: Evidence) -> Findings:
    """Usage that was asked for is sent once, in a last chunk without choices.

    Why: LangChain and pydantic-ai add up every usage they meet, openai-python keeps that of the
        last chunk only, openai-java takes the first for the end and raises on what follows.
    Wrong: {"choices": [{…}], "usage": {…}} in every chunk
    Right: {"choices": [], "usage": {…}} after the last choice
    """
    if evidence.answer.damaged:
        return  # it may have been in what could not be read
    last = evidence.answer.chunks[-1] if evidence.answer.chunks else None
    found = list(_usages(evidence.answer))
    if not found:
        yield Finding(where="usage", expected="usage in the last chunk", actual="none")
    for where, number, _ in found:
        if last is None or number != last.number:
            if not _asked_throughout(evidence):
                yield Finding(
                    where=where,
                    expected="absent or null before the last chunk",
                    actual="usage",
                    chunk=number,
                )
        elif last.choices:
            yield Finding(
                where=f"chunk {number} choices",
                expected="[] beside usage",
                actual=f"{len(last.choices)} choices",
                chunk=number,
            )


@rule(
    "usage.absent-unasked",
    SHOULD,
    "stream",
    lambda evidence: not (_asked(evidence) or _asked_throughout(evidence)),
)
def absent_unasked(evidence: Evidence) -> Findings:
    """A stream has no usage unless the request asks for it.

    Why: openai-java takes a chunk with usage for the end of the answer, and code that reads
        choices[0] of every chunk fails at the chunk that has none.
    Wrong: {"choices": [], "usage": {…}} without stream_options
    Right: no usage, or null
    """
    for where, number, _ in _usages(evidence.answer):
        yield Finding(where=where, expected="absent or null", actual="usage", chunk=number)


@rule("usage.sum", MUST, "any", lambda evidence: any(_usages(evidence.answer)))
def adds_up(evidence: Evidence) -> Findings:
    """The tokens of the prompt and of the completion make up the total.

    Why: the specification has three integers that say so; users are billed and budgets kept by
        them, and typed clients raise on anything else.
    Wrong: {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 10}
    Right: {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    """
    for where, number, usage in _usages(evidence.answer):
        if not _adds_up(usage):
            counts = {name: usage.get(name) for name in COUNTS} if _is_object(usage) else usage
            yield Finding(
                where=where,
                expected="prompt_tokens + completion_tokens = total_tokens",
                actual=repr(counts)[:120],
                chunk=number,
            )


def _is_object(usage: Json) -> bool:
    return isinstance(usage, dict)


def _adds_up(usage: Json) -> bool:
    if not _is_object(usage):
        return False
    prompt, completion, total = (usage.get(name) for name in COUNTS)
    if any(type(count) is not int or count < 0 for count in (prompt, completion, total)):
        return False
    return bool(prompt + completion == total)


@rule(
    "usage.equiv",
    MUST,
    "stream",
    # usage.absent-unasked owns a usage that nobody asked for, whatever it says
    lambda evidence: _asked(evidence) and evidence.said is not None and _same_was_asked(evidence),
)
def equiv(evidence: Evidence) -> Findings:
    """The same tokens are counted alike, complete and streamed.

    Why: what an answer costs must not depend on how the client asked.
    Wrong: 5 completion_tokens complete, 4 streamed
    Right: 5 either way
    """
    assert evidence.complete is not None
    reasons = [
        [(choice.index, choice.finish_reason) for choice in answer.choices]
        for answer in (evidence.complete, evidence.answer)
    ]
    complete, streamed = list(_usages(evidence.complete)), list(_usages(evidence.answer))
    if not complete or not streamed or reasons[0] != reasons[1]:
        return  # an answer that ended otherwise may have said less
    if not (_adds_up(complete[-1][2]) and _adds_up(streamed[-1][2])):
        return  # usage.sum owns it
    where, number, usage = streamed[-1]
    for name in COUNTS[:2]:
        expected = complete[-1][2][name]
        if usage[name] != expected:
            yield Finding(
                where=f"{where}.{name}",
                expected=f"{expected} as in the complete answer",
                actual=f"{usage[name]}",
                chunk=number,
            )


def _same_was_asked(evidence: Evidence) -> bool:
    if evidence.complete is None:
        return False
    complete, streamed = (
        {name: value for name, value in request.items() if name not in _OF_THE_STREAM}
        for request in (evidence.complete.exchange.request, evidence.request)
    )
    return bool(complete == streamed)
