"""The form in which Chat Completions carries the arguments of calls."""

from __future__ import annotations

from conformance.rules.chat import calls_of
from conformance.rules.rule import INFO, MUST, SHOULD, Evidence, Findings, has_calls, rule
from conformance.terms.outcome import brief

BLAME = "parser"
SPEC = "https://platform.openai.com/docs/api-reference/chat/object"


@rule("args.string", MUST, "any", has_calls)
def string(evidence: Evidence) -> Findings:
    """Arguments are a JSON text in a string.

    Why: with an object LangChain raises, pydantic-ai cannot apply dict deltas, the AI SDK expects
        a string; a null in a complete answer is "Invalid JSON response" there.
    Wrong: "arguments": {"city": "Paris"}
    Right: "arguments": a string that holds {"city": "Paris"}
    """
    streamed = evidence.answer.stream is not None
    for call in calls_of(evidence):
        for entry in call.entries:
            found = entry.function.get("arguments")
            allowed_null = streamed and found is None
            if not isinstance(found, str) and not allowed_null and entry.function:
                yield entry.finding("function.arguments", expected="a string", actual=brief(found))


@rule("args.no-null-delta", SHOULD, "stream", has_calls)
def no_null_delta(evidence: Evidence) -> Findings:
    """A delta without argument text has no `arguments` key.

    Why: the specification knows no null there; clients guard against it one by one.
    Wrong: "function": {"name": "f", "arguments": null}
    Right: "function": {"name": "f"}
    """
    for call in calls_of(evidence):
        for entry in call.entries:
            if entry.function.get("arguments", "") is None:
                yield entry.finding(
                    "function.arguments", expected="absent or a string", actual="None"
                )


_LONG = 200
"""Characters of arguments; a server that streams sends so many in several deltas."""


def _asked_small(evidence: Evidence) -> bool:
    # A field of vLLM's: how many tokens a delta has.
    interval = evidence.request.get("stream_interval")
    return has_calls(evidence) and (not isinstance(interval, int) or interval <= 8)


@rule("args.liveness", INFO, "stream", _asked_small)
def liveness(evidence: Evidence) -> Findings:
    """Long arguments come in more than one delta.

    Why: users watch a file while it is written, and a client that waits for the first word
        may time out; a parser that keeps everything for the end does not stream.
    Wrong: 5,000 characters of arguments in one delta
    Right: the same in fifty deltas
    """
    for call in calls_of(evidence):
        if len(call.arguments) >= _LONG and len(call.fragments) == 1:
            yield call.finding(
                "function.arguments",
                expected="several deltas",
                actual=f"{len(call.arguments)} characters in one",
                chunk=call.fragments[0][0].chunk,
            )
