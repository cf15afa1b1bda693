"""The probabilities of tokens, where the request asks for them."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.base import jsonvalue
from conformance.base.jsonvalue import Json
from conformance.rules.chat import choices_of
from conformance.rules.chat.usage import counted, raw_choices, same_tokens
from conformance.rules.rule import MUST, SHOULD, VLLM, Evidence, Findings, rule
from conformance.terms.outcome import Finding, brief
from conformance.wires.chat.answers import Answer

BLAME = "server"
SPEC = "https://platform.openai.com/docs/api-reference/chat/object"


def _asked(evidence: Evidence) -> bool:
    return bool(evidence.request.get("logprobs"))


def _faults(answer: Answer) -> Iterator[Finding]:
    for where, number, choice in raw_choices(answer):
        found = choice.get("logprobs")
        content = found.get("content") if isinstance(found, dict) else found
        entries = content if isinstance(content, list) else [] if content is None else [content]
        for place, entry in enumerate(entries):
            if not _is_entry(entry):
                yield Finding(
                    where=f"{where}.logprobs.content[{place}]",
                    expected="a token, a string, and its logprob, a number",
                    actual=brief(entry),
                    chunk=number,
                )


def _is_entry(entry: Json) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("token"), str):
        return False
    number = entry.get("logprob")
    return jsonvalue.is_number(number)


def _tokens(answer: Answer) -> dict[int, list[str]]:
    """Give the tokens of each choice, joined over the stream."""
    found: dict[int, list[str]] = {choice.index: [] for choice in answer.choices}
    for _, _, choice in raw_choices(answer):
        logprobs, index = choice.get("logprobs"), choice.get("index")
        entries = logprobs.get("content") if isinstance(logprobs, dict) else None
        if type(index) is int and index in found:
            found[index] += [entry["token"] for entry in entries or ()]
    return found


@rule("logprobs.form", MUST, "any", _asked)
def form(evidence: Evidence) -> Findings:
    """Logprobs are null, or a list of tokens with a number each.

    Why: openai-go and openai-java decode the specification's types and fail on others.
    Wrong: "logprobs": {"content": [{"token": "Hi", "logprob": null}]}
    Right: "logprobs": {"content": [{"token": "Hi", "logprob": -0.1, "top_logprobs": []}]}
    """
    yield from _faults(evidence.answer)


@rule("logprobs.present", SHOULD, "any", _asked)
def present(evidence: Evidence) -> Findings:
    """Logprobs that were asked for come with the text.

    Why: a client that scores answers by them has none, or takes an empty list for certainty.
    Wrong: "logprobs": true, and an answer in words with null logprobs throughout
    Right: a list with the tokens of the words
    """
    if any(_faults(evidence.answer)) or evidence.answer.damaged:
        return  # what is not a token cannot be counted
    tokens = _tokens(evidence.answer)
    for choice in choices_of(evidence):
        # OpenAI's API gives none for calls.
        if choice.content and not choice.calls and not tokens[choice.index]:
            yield choice.finding("logprobs", expected="a token or more", actual="none")


@rule(
    "logprobs.align",
    SHOULD,
    "stream",
    lambda found: _asked(found) and same_tokens(found),
    yields_to=("logprobs.present",),
)
def align(evidence: Evidence) -> Findings:
    """The streamed logprobs are for the same tokens as the complete answer's.

    Why: accumulators append them; a token that is left out with a delta, or sent twice, moves all
        that follow.
    Wrong: 8 tokens complete, 5 streamed, because a parser held three deltas back
    Right: 8 tokens either way
    """
    assert evidence.complete is not None
    answers = (evidence.complete, evidence.answer)
    if any(any(_faults(answer)) or answer.damaged for answer in answers):
        return  # what is not a token cannot be compared
    complete, streamed = (_tokens(answer) for answer in answers)
    reasons = {choice.index: choice.finish_reason for choice in evidence.complete.choices}
    for choice in choices_of(evidence):
        if reasons.get(choice.index) != choice.finish_reason:
            continue  # an answer that ended in another way may be shorter
        left, right = complete[choice.index], streamed[choice.index]
        if left != right:
            pairs = enumerate(zip(left, right, strict=False))
            place = next((at for at, (a, b) in pairs if a != b), min(len(left), len(right)))
            yield choice.finding(
                f"logprobs.content[{place}]",
                expected=_told(left, place) + " as in the complete answer",
                actual=_told(right, place),
            )


def _told(tokens: list[str], place: int) -> str:
    token = jsonvalue.show(tokens[place]) if place < len(tokens) else "nothing"
    return f"{token} of {len(tokens)} tokens"


@rule(
    "logprobs.count",
    SHOULD,
    "any",
    _asked,
    profile=VLLM,
    yields_to=("logprobs.present", "usage.token-ids"),
)
def count(evidence: Evidence) -> Findings:
    """There is a logprob for each generated token.

    Why: vLLM gives them for the tokens of calls too; users who sum them up get a wrong score where
        some are missing.
    Wrong: 5 logprobs and 8 completion_tokens
    Right: 8 logprobs and 8 completion_tokens
    """
    answer = evidence.answer
    if any(_faults(answer)) or answer.damaged:
        return  # what is not a token cannot be counted
    if answer.stream is not None and same_tokens(evidence):
        return  # counted in the complete answer, to which logprobs.align holds this one
    generated, shown = counted(answer), sum(map(len, _tokens(answer).values()))
    if generated is not None and shown and shown != generated:
        yield Finding(
            where="logprobs", expected=f"{generated} as completion_tokens", actual=f"{shown}"
        )
