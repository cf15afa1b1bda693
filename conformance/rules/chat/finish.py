"""finish_reason: present, once, last, and true."""

from __future__ import annotations

from conformance.base import jsonvalue
from conformance.rules.chat import choices_of, tool_choice_of
from conformance.rules.common.choice import claims_calls
from conformance.rules.common.content import cut_in_a_character
from conformance.rules.rule import CHAT_CREATE, MUST, SHOULD, Evidence, Findings, rule
from conformance.rules.truth import is_written
from conformance.terms.outcome import Finding, brief
from conformance.wires.chat.choices import Choice, reasons

BLAME = "server"
SPEC = "https://platform.openai.com/docs/api-reference/chat/object"

REASONS = {"stop", "length", "tool_calls", "content_filter", "function_call"}


def _hides_calls(evidence: Evidence, choice: Choice) -> bool:
    """Whether a choice has calls that nothing forced, and a reason that says otherwise."""
    truth = reasons(evidence.expect.ending)
    return (
        bool(choice.calls)
        and tool_choice_of(evidence) in ("auto", "required")  # a named choice may end with stop
        and choice.finish_reason in {"stop", "content_filter", "function_call"}
        and (truth is None or "tool_calls" in truth)
    )


def _withholds_named(evidence: Evidence, choice: Choice) -> bool:
    return (
        isinstance(tool_choice_of(evidence), dict)
        and tool_choice_of(evidence).get("type") == "function"
        and bool(choice.calls)
        and choice.finish_reason in {"content_filter", "function_call"}
    )


def _stop_string(evidence: Evidence, choice: Choice) -> str | None:
    """Find a stop string of the request in a text without calls, where it must not be.

    With calls, the string's two halves can meet where a parser took something out.
    """
    request = evidence.request
    stop = request.get("stop") or []
    # Fields of vLLM's: one asks for the string, the other puts off the stop.
    if choice.calls or request.get("include_stop_str_in_output") or request.get("min_tokens"):
        return None
    wanted = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    found = (text for text in wanted if isinstance(text, str) and text and text in choice.content)
    return next(found, None)


@rule("finish.present", MUST, "any")
def present(evidence: Evidence) -> Findings:
    """Every choice ends with a finish_reason.

    Why: openai-node raises "missing finish_reason for choice 0", LiteLLM and the AI SDK take the
        stream as broken off, others return a truncated call as whole.
    Wrong: the last chunk has finish_reason null
    Right: "finish_reason": "tool_calls"
    """
    if evidence.answer.damaged:
        return  # the reason may have been in a part that could not be read
    if not choices_of(evidence):
        yield Finding(where="choices", expected="a choice", actual="none", place=("choices",))
    for choice in choices_of(evidence):
        if not choice.finishes:
            yield choice.finding("finish_reason", expected="a reason", actual="null to the end")


@rule("finish.once", MUST, "stream")
def once(evidence: Evidence) -> Findings:
    """A choice's finish_reason is sent once.

    Why: LangChain joins two to "tool_callstool_calls"; openai-java raises "Already accumulated the
        final chunk(s).".
    Wrong: "tool_calls" in the last two chunks
    Right: "tool_calls" in the last chunk
    """
    for choice in choices_of(evidence):
        for number, reason in choice.finishes[1:]:
            yield choice.finding_in(
                number, "finish_reason", expected="null after the first", actual=brief(reason)
            )


@rule("finish.last", MUST, "stream", yields_to=("finish.once",))
def last(evidence: Evidence) -> Findings:
    """Nothing of a choice follows its finish_reason.

    Why: Strands stops reading there, so later calls are lost; openai-python's typed tools raise.
    Wrong: "finish_reason": "tool_calls", then more arguments
    Right: the last arguments, then "finish_reason": "tool_calls"
    """
    for choice in choices_of(evidence):
        end = choice.finishes[0][0] if choice.finishes else None
        for number, delta in choice.deltas:
            if end is not None and number > end:
                yield choice.finding_in(
                    number,
                    "delta",
                    expected=f"nothing after chunk {end}",
                    actual=brief(dict(delta)),
                )


@rule("finish.enum", MUST, "any", yields_to=("finish.once",))
def known(evidence: Evidence) -> Findings:
    """finish_reason is one that the specification lists.

    Why: openai-dotnet and Semantic Kernel raise on any other; LiteLLM takes "abort" as a failure.
    Says: This will be `stop` if the model hit a natural stop point or a provided stop sequence,
        `length` if the maximum number of tokens specified in the request was reached,
        `content_filter` if content was omitted due to a flag from our content filters, `tool_calls`
        if the model called a tool, or `function_call` (deprecated) if the model called a function.
    Wrong: "finish_reason": "eos"
    Right: "finish_reason": "stop"
    """
    for choice in choices_of(evidence):
        for number, reason in choice.finishes:
            if not isinstance(reason, str) or reason not in REASONS:
                yield choice.finding(
                    "finish_reason",
                    expected=f"one of {', '.join(sorted(REASONS))}",
                    actual=brief(reason),
                    chunk=number,
                )


@rule("finish.tool_calls", MUST, "any", yields_to=("finish.once",))
def tool_calls(evidence: Evidence) -> Findings:
    """An answer that calls a tool without being forced to ends with `tool_calls`.

    Why: Strands, opencode and Spring AI run no tool on any other reason.
    Says: `tool_calls` if the model called a tool
    Wrong: a call, and "finish_reason": "stop"
    Right: a call, and "finish_reason": "tool_calls"
    """
    for choice in choices_of(evidence):
        if _hides_calls(evidence, choice):
            yield choice.finding(
                "finish_reason",
                expected="'tool_calls'",
                actual=f"{choice.finish_reason!r} with {len(choice.calls)} calls",
                chunk=choice.finishes[-1][0],
            )


@rule("finish.no-calls", MUST, "any", yields_to=("finish.once",))
def no_calls(evidence: Evidence) -> Findings:
    """An answer without a call does not end with `tool_calls`.

    Why: an agent takes the branch that runs tools and finds none; some wait forever.
    Wrong: "content": "Hi", "finish_reason": "tool_calls"
    Right: "content": "Hi", "finish_reason": "stop"
    """
    for choice in choices_of(evidence):
        if claims_calls(choice):
            yield choice.finding(
                "finish_reason",
                expected="'stop' or 'length'",
                actual="'tool_calls' with no calls",
                chunk=choice.finishes[-1][0],
            )


@rule(
    "finish.named",
    MUST,
    "any",
    lambda evidence: isinstance(tool_choice_of(evidence), dict),
    yields_to=("finish.once",),
)
def named(evidence: Evidence) -> Findings:
    """A call that the request named ends with `stop` or `tool_calls`.

    Why: OpenAI's API has answered either, so clients take both; on any other they drop the call as
        withheld, or look for a `function_call` that is not there.
    Wrong: get_weather is named and called, and "finish_reason": "content_filter"
    Right: get_weather is named and called, and "finish_reason": "stop"
    """
    for choice in choices_of(evidence):
        if _withholds_named(evidence, choice):
            yield choice.finding(
                "finish_reason",
                expected="'stop' or 'tool_calls'",
                actual=repr(choice.finish_reason),
                chunk=choice.finishes[-1][0],
            )


@rule(
    "finish.stop-string",
    MUST,
    "any",
    lambda evidence: bool(evidence.request.get("stop")),
    spec=CHAT_CREATE,
)
def stops(evidence: Evidence) -> Findings:
    """An answer ends before a stop string of the request and does not contain it.

    Why: the specification says that the returned text does not contain it; a client that
        splits by it, or shows the text, meets it twice or has to cut it off.
    Says: The returned text will not contain the stop sequence.
    Wrong: "stop": ["END"], and the content "Done. END"
    Right: "stop": ["END"], and the content "Done. "
    """
    for choice in choices_of(evidence):
        text = _stop_string(evidence, choice)
        if text is not None:
            at = choice.content.index(text)
            yield choice.finding(
                "content",
                expected=f"an end before {jsonvalue.show(text)}",
                actual=jsonvalue.show(choice.content[max(0, at - 20) :]),
            )


@rule(
    "finish.truncated-args",
    SHOULD,
    "any",
    lambda evidence: evidence.said is not None and evidence.truncated,
    yields_to=(
        "content.no-marker-leak",
        "args.json",
        "args.no-premature-json",
        "said.arguments",
        "equiv.arguments",
    ),
    blame="parser",
)
def truncated(evidence: Evidence) -> Findings:
    """The arguments of a call that was cut short are the beginning of what the model wrote.

    Why: a client that repairs them, or shows them as they grow, must not meet text that nobody
        said; arguments that the server has closed look like a whole call.
    Wrong: the model was cut at {"city": "San Fr, the answer has {"city": "San Fr"}
    Right: {"city": "San Fr
    """
    for choice in choices_of(evidence):
        if choice.finish_reason != "length" or not choice.whole or not choice.calls:
            continue
        call = choice.calls[-1]
        if cut_in_a_character(evidence, choice, call.arguments):
            continue
        if not is_written(evidence, call):
            yield call.finding(
                "arguments",
                expected="a part of what the model wrote",
                actual=jsonvalue.show(call.arguments),
            )
