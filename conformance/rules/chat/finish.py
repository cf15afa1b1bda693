"""finish_reason: present, once, last, and true."""

from __future__ import annotations

from conformance.base import jsonvalue
from conformance.rules.common.content import stop_string
from conformance.rules.rule import MUST, Evidence, Findings, rule
from conformance.terms.outcome import Finding
from conformance.wires.chat.answers import Choice, reasons

REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}


def hides_calls(evidence: Evidence, choice: Choice) -> bool:
    """Whether a choice has calls of the model's own will and a reason that says otherwise."""
    truth = reasons(evidence.expect.ending)
    return (
        bool(choice.calls)
        and evidence.tool_choice in ("auto", "required")  # a named choice may end with stop
        and choice.finish_reason in {"stop", "content_filter", "function_call"}
        and (truth is None or "tool_calls" in truth)
    )


def claims_calls(choice: Choice) -> bool:
    """Whether a choice has no calls and a reason that says otherwise."""
    return choice.finish_reason == "tool_calls" and not choice.calls and choice.whole


def misleads(evidence: Evidence, choice: Choice) -> bool:
    """Whether a reason is wrong by itself: another rule of this area owns it."""
    return (
        len(choice.finishes) > 1
        or choice.finish_reason not in REASONS
        or hides_calls(evidence, choice)
        or claims_calls(choice)
        or _withholds_named(evidence, choice)
    )


def _withholds_named(evidence: Evidence, choice: Choice) -> bool:
    return (
        isinstance(evidence.tool_choice, dict)
        and evidence.tool_choice.get("type") == "function"
        and bool(choice.calls)
        and choice.finish_reason in {"content_filter", "function_call"}
    )


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
        if len(choice.finishes) > 1:
            continue  # finish.once
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
        if len(choice.finishes) == 1 and hides_calls(evidence, choice):
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
        if len(choice.finishes) == 1 and claims_calls(choice):
            yield Finding(
                where=f"choice {choice.index} finish_reason",
                expected="'stop' or 'length'",
                actual="'tool_calls' with no calls",
                chunk=choice.finishes[-1][0],
            )


@rule(
    "finish.named",
    MUST,
    "any",
    lambda evidence: isinstance(evidence.tool_choice, dict),
)
def named(evidence: Evidence) -> Findings:
    """A call that the request named ends with `stop` or `tool_calls`.

    Why: OpenAI's API has answered either, so clients take both; on any other they drop the call as
        withheld, or look for a `function_call` that is not there.
    Wrong: get_weather is named and called, and "finish_reason": "content_filter"
    Right: get_weather is named and called, and "finish_reason": "stop"
    """
    for choice in evidence.choices:
        if len(choice.finishes) == 1 and _withholds_named(evidence, choice):
            yield Finding(
                where=f"choice {choice.index} finish_reason",
                expected="'stop' or 'tool_calls'",
                actual=repr(choice.finish_reason),
                chunk=choice.finishes[-1][0],
            )


@rule("finish.stop-string", MUST, "any", lambda evidence: bool(evidence.request.get("stop")))
def stops(evidence: Evidence) -> Findings:
    """An answer ends before a stop string of the request, which is no part of it.

    Why: the specification says that the returned text does not contain it; whoever splits by it,
        or shows the text, meets it twice or has to cut it off.
    Wrong: "stop": ["END"], and the content "Done. END"
    Right: "stop": ["END"], and the content "Done. "
    """
    for choice in evidence.choices:
        text = stop_string(evidence, choice)
        if text is not None:
            at = choice.content.index(text)
            yield Finding(
                where=f"choice {choice.index} content",
                expected=f"an end before {jsonvalue.show(text)}",
                actual=jsonvalue.show(choice.content[max(0, at - 20) :]),
            )
