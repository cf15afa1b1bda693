"""finish_reason: present, once, last, and true."""

from __future__ import annotations

from conformance.assemble import Choice
from conformance.model import Finding
from conformance.rules.rule import MUST, Evidence, Findings, rule

REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}


def hides_calls(evidence: Evidence, choice: Choice) -> bool:
    """Whether a choice has calls of the model's own will and a reason that says otherwise."""
    truth = evidence.expect.finish_reason
    return (
        bool(choice.calls)
        and evidence.tool_choice in ("auto", "required")  # a named choice may end with stop
        and choice.finish_reason in {"stop", "content_filter", "function_call"}
        and (truth is None or "tool_calls" in truth)
    )


def claims_calls(choice: Choice) -> bool:
    """Whether a choice has no calls and a reason that says otherwise."""
    return choice.finish_reason == "tool_calls" and not choice.calls and choice.whole


@rule("finish.present", MUST, "any")
def present(evidence: Evidence) -> Findings:
    """Every choice ends with a finish_reason.

    Why: openai-node raises "missing finish_reason for choice 0", LiteLLM and the AI SDK take the
        stream as broken off, others return a truncated call as whole.
    Wrong: the last chunk has finish_reason null
    Right: "finish_reason": "tool_calls"
    """
    if evidence.answer.damaged:
        return  # the reason may have been in what could not be read
    if not evidence.choices:
        yield Finding(where="choices", expected="a choice", actual="none")
    for choice in evidence.choices:
        if not choice.finishes:
            yield Finding(
                where=f"choice {choice.index} finish_reason",
                expected="a reason",
                actual="null to the end",
            )


@rule("finish.once", MUST, "stream")
def once(evidence: Evidence) -> Findings:
    """A choice's finish_reason is sent once.

    Why: LangChain joins two to "tool_callstool_calls"; openai-java raises "Already accumulated the
        final chunk(s).".
    Wrong: "tool_calls" in the last two chunks
    Right: "tool_calls" in the last chunk
    """
    for choice in evidence.choices:
        for number, reason in choice.finishes[1:]:
            yield Finding(
                where=f"chunk {number} choice {choice.index} finish_reason",
                expected="null after the first",
                actual=repr(reason)[:80],
                chunk=number,
            )


@rule("finish.last", MUST, "stream")
def last(evidence: Evidence) -> Findings:
    """Nothing of a choice follows its finish_reason.

    Why: Strands stops reading there, so later calls are lost; openai-python's typed tools raise.
    Wrong: "finish_reason": "tool_calls", then more arguments
    Right: the last arguments, then "finish_reason": "tool_calls"
    """
    for choice in evidence.choices:
        if len(choice.finishes) != 1:
            continue
        end = choice.finishes[0][0]
        for number, delta in choice.deltas:
            if end is not None and number > end:
                yield Finding(
                    where=f"chunk {number} choice {choice.index} delta",
                    expected=f"nothing after chunk {end}",
                    actual=repr(dict(delta))[:80],
                    chunk=number,
                )


@rule("finish.enum", MUST, "any")
def known(evidence: Evidence) -> Findings:
    """finish_reason is one that the specification lists.

    Why: openai-dotnet and Semantic Kernel raise on any other; LiteLLM takes "abort" as a failure.
    Wrong: "finish_reason": "eos"
    Right: "finish_reason": "stop"
    """
    for choice in evidence.choices:
        for number, reason in choice.finishes:
            if not isinstance(reason, str) or reason not in REASONS:
                yield Finding(
                    where=f"choice {choice.index} finish_reason",
                    expected=f"one of {', '.join(sorted(REASONS))}",
                    actual=repr(reason)[:80],
                    chunk=number,
                )


@rule("finish.tool_calls", MUST, "any")
def tool_calls(evidence: Evidence) -> Findings:
    """An answer that calls a tool of its own will ends with `tool_calls`.

    Why: Strands, opencode and Spring AI run no tool on any other reason.
    Wrong: a call, and "finish_reason": "stop"
    Right: a call, and "finish_reason": "tool_calls"
    """
    for choice in evidence.choices:
        if hides_calls(evidence, choice):
            yield Finding(
                where=f"choice {choice.index} finish_reason",
                expected="'tool_calls'",
                actual=f"{choice.finish_reason!r} with {len(choice.calls)} calls",
                chunk=choice.finishes[-1][0],
            )


@rule("finish.no-calls", MUST, "any")
def no_calls(evidence: Evidence) -> Findings:
    """An answer without a call does not end with `tool_calls`.

    Why: an agent takes the branch that runs tools and finds none; some wait for ever.
    Wrong: "content": "Hi", "finish_reason": "tool_calls"
    Right: "content": "Hi", "finish_reason": "stop"
    """
    for choice in evidence.choices:
        if claims_calls(choice):
            yield Finding(
                where=f"choice {choice.index} finish_reason",
                expected="'stop' or 'length'",
                actual="'tool_calls' with no calls",
                chunk=choice.finishes[-1][0],
            )
