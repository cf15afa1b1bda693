"""The count of tokens: where it is sent, and whether it adds up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance.base.jsonvalue import Json
from conformance.rules.rule import CHAT_CREATE, MUST, SHOULD, VLLM, Evidence, Findings, rule
from conformance.terms.outcome import Finding
from conformance.wires.chat.answers import Answer

BLAME = "server"
SPEC = "https://platform.openai.com/docs/api-reference/chat/object"

COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
# They change how an answer is sent, not what is said.
_OF_THE_STREAM = {"stream", "stream_options", "stream_interval"}

COUNT = ("usage",)
"""The place of the count of the whole answer; a chunk's own count is in its chunk."""

Usage = tuple[str, int | None, Json]
"""Where a usage stands, the number of its chunk, and the usage."""


def _asked(evidence: Evidence) -> bool:
    return bool((evidence.request.get("stream_options") or {}).get("include_usage"))


def _asked_throughout(evidence: Evidence) -> bool:
    # A field of vLLM's: every chunk has the count so far.
    options = evidence.request.get("stream_options") or {}
    return bool(options.get("continuous_usage_stats"))


def _usages(answer: Answer) -> Iterator[Usage]:
    if answer.stream is None:
        document = answer.document if isinstance(answer.document, dict) else {}
        if document.get("usage") is not None:
            yield "usage", None, document["usage"]
    for chunk in answer.chunks:
        if chunk.error is None and chunk.value.get("usage") is not None:
            yield f"chunk {chunk.number} usage", chunk.number, chunk.value["usage"]


@rule("usage.final-chunk", MUST, "stream", _asked, spec=CHAT_CREATE)
def final_chunk(evidence: Evidence) -> Findings:
    """Usage that was asked for is sent once, in a last chunk without choices.

    Why: LangChain and pydantic-ai add up every usage they meet, openai-python keeps that of the
        last chunk only, openai-java takes the first for the end and raises on what follows.
    Says: The `usage` field on this chunk shows the token usage statistics for the entire request,
        and the `choices` field will always be an empty array.
    Wrong: {"choices": [{…}], "usage": {…}} in every chunk
    Right: {"choices": [], "usage": {…}} after the last choice
    """
    if evidence.answer.damaged:
        return  # it may have been in a part that could not be read
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


@rule("usage.empty-choices", SHOULD, "stream", yields_to=("usage.final-chunk",))
def empty_choices(evidence: Evidence) -> Findings:
    """A chunk without choices has usage.

    Why: it is the one chunk that may have none; code that reads choices[0] of every other chunk
        raises IndexError.
    Wrong: {"choices": []} before the end
    Right: {"choices": [], "usage": {…}}
    """
    if _asked(evidence) and evidence.answer.damaged and not any(_usages(evidence.answer)):
        return  # its usage may have been in a part that could not be read
    for chunk in evidence.answer.chunks:
        bare = chunk.error is None and chunk.value.get("choices") == []
        if bare and chunk.value.get("usage") is None:
            yield chunk.finding("choices", expected="a choice, or usage beside it", actual="[]")


@rule(
    "usage.continuous",
    SHOULD,
    "stream",
    _asked_throughout,
    profile=VLLM,
    yields_to=("usage.equiv",),
)
def continuous(evidence: Evidence) -> Findings:
    """With continuous_usage_stats the count of a choice's tokens never falls.

    Why: it is the count so far, and clients that show it or stop at a budget rely on that.
    Wrong: 5 completion_tokens, then 4
    Right: 5 completion_tokens, then 5 or more
    """
    highest: dict[str, int] = {}
    for chunk in evidence.answer.chunks:
        usage: Json = chunk.value.get("usage")
        if chunk.error is not None or not _adds_up(usage):
            continue  # there is no count to compare
        # Chunks count their own choice, and the last chunk counts all.
        count = usage["completion_tokens"]
        numbers = [choice.get("index") for _, choice in chunk.choices]
        own = [str(index) for index in numbers] or list(highest)
        before = max((highest.get(index, 0) for index in own), default=0)
        if count < before:
            found = chunk.finding(
                "usage.completion_tokens", expected=f"{before} or more", actual=f"{count}"
            )
            yield found if numbers else replace(found, place=COUNT)
        highest |= {index: max(count, before) for index in own}


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
    """The tokens of the prompt and of the completion add up to the total.

    Why: the specification has three integers that say so; users are billed and budgets kept by
        them, and typed clients raise on anything else.
    Says: Total number of tokens used in the request (prompt + completion).
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
    # A usage that nobody asked for is wrong whatever it says.
    lambda evidence: _asked(evidence) and same_tokens(evidence),
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
        return  # an answer that ended in another way may be shorter
    if not (_adds_up(complete[-1][2]) and _adds_up(streamed[-1][2])):
        return  # there are no counts to compare
    where, number, usage = streamed[-1]
    for name in COUNTS[:2]:
        expected = complete[-1][2][name]
        if usage[name] != expected:
            yield Finding(
                where=f"{where}.{name}",
                expected=f"{expected} as in the complete answer",
                actual=f"{usage[name]}",
                chunk=number,
                place=COUNT,
            )


def same_tokens(evidence: Evidence) -> bool:
    """Whether the complete answer is to the same request, and its tokens are the same."""
    if evidence.complete is None or evidence.said is None:
        return False
    complete, streamed = (
        {name: value for name, value in request.items() if name not in _OF_THE_STREAM}
        for request in (evidence.complete.exchange.request, evidence.request)
    )
    return bool(complete == streamed)


def counted(answer: Answer) -> int | None:
    """Give how many tokens were generated, if the answer's last usage says."""
    usages = list(_usages(answer))
    return usages[-1][2]["completion_tokens"] if usages and _adds_up(usages[-1][2]) else None


def raw_choices(answer: Answer) -> Iterator[tuple[str, int | None, Json]]:
    """Give each choice as it was sent, where it stands, and the number of its chunk."""
    if isinstance(answer.document, dict):
        listed = answer.document.get("choices")
        for place, choice in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(choice, dict):
                yield f"choices[{place}]", None, choice
    for chunk in answer.chunks:
        for place, choice in chunk.choices:
            yield f"chunk {chunk.number} choices[{place}]", chunk.number, choice


def token_ids(answer: Answer) -> int:
    """Count the token ids that an answer shows, as vLLM does where `return_token_ids` asks."""
    listed = [choice.get("token_ids") for _, _, choice in raw_choices(answer)]
    return sum(len(ids) for ids in listed if isinstance(ids, list))


def _shows_tokens(evidence: Evidence) -> bool:
    return token_ids(evidence.answer) > 0


@rule(
    "usage.token-ids",
    MUST,
    "any",
    _shows_tokens,
    profile=VLLM,
    yields_to=("usage.equiv",),
    spec="https://github.com/vllm-project/vllm/blob/v0.32.0/vllm/entrypoints/openai/chat_completion/protocol.py",
)
def all_tokens(evidence: Evidence) -> Findings:
    """With return_token_ids there are as many ids as completion_tokens.

    Why: training on an answer, and replaying it, needs each token; a wrong count
        bills tokens that were never generated.
    Says: If specified, the result will include token IDs alongside the generated text.
    Wrong: 7 token_ids and 8 completion_tokens
    Right: 8 token_ids and 8 completion_tokens
    """
    count, shown = counted(evidence.answer), token_ids(evidence.answer)
    if count is None or evidence.answer.damaged:
        return
    if count != shown:
        yield Finding(
            where="token_ids", expected=f"{count} as in completion_tokens", actual=f"{shown}"
        )
