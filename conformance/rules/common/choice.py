"""What the request says of calls: whether, which, and how many."""

from __future__ import annotations

from conformance.base.jsonvalue import Json
from conformance.rules.common.content import call_leaks
from conformance.rules.rule import MUST, Evidence, Findings, rule
from conformance.terms.outcome import Finding
from conformance.wires.chat.answers import Choice

BLAME = "server"
SPEC = "https://platform.openai.com/docs/api-reference/chat/create"

FORBIDDEN_CALLS = (
    "choice.none",
    "choice.required",
    "choice.named",
    "parallel.false",
)
"""Rules that calls break which the request forbids."""


def has_faulty_names(evidence: Evidence, choice: Choice) -> bool:
    """Whether a call's name is faulty by itself: missing, in parts, or with markup.

    There is no name to compare then, and a rule about names reports it.
    """
    for call in choice.calls:
        named = [entry for entry in call.entries if entry.function.get("name")]
        if len(named) != 1 or call.name is None or call_leaks(evidence, call):
            return True
    return False


def claims_calls(choice: Choice) -> bool:
    """Whether a choice has no calls and a reason that says otherwise."""
    return choice.finish_reason == "tool_calls" and not choice.calls and choice.whole


def _calls_despite_none(evidence: Evidence, choice: Choice) -> bool:
    return evidence.tool_choice == "none" and bool(choice.calls) and choice.whole


def _lacks_a_call(evidence: Evidence, choice: Choice) -> bool:
    # A limit, a filter or a stop string may end an answer before its call.
    return (
        (evidence.tool_choice == "required" or _named(evidence) is not None)
        and not choice.calls
        and choice.whole
        and choice.finish_reason not in (None, "length", "content_filter")
        and not evidence.request.get("stop")
        and not claims_calls(choice)  # a call that was made, and lost on the way
    )


def _named(evidence: Evidence) -> str | None:
    wanted = evidence.tool_choice
    function = wanted.get("function") if isinstance(wanted, dict) else None
    return function["name"] if function else None


def _calls_another(evidence: Evidence, choice: Choice) -> bool:
    name = _named(evidence)
    if name is None or not choice.whole or has_faulty_names(evidence, choice):
        return False
    return any(call.name != name for call in choice.calls)


def calls_too_many(evidence: Evidence, choice: Choice) -> bool:
    """Whether a choice has several calls where the request allows one."""
    alone = evidence.request.get("parallel_tool_calls") is False
    return alone and len(choice.calls) > 1 and choice.whole


def _must_be_offered(evidence: Evidence) -> bool:
    # Where the server leaves the choice to the model, so is the fault; said.calls has the truth.
    wanted = evidence.tool_choice
    forced = wanted == "required" or _allowed(wanted) is not None
    return forced and evidence.expect.calls is None


def _calls_unoffered(evidence: Evidence, choice: Choice) -> bool:
    if not _must_be_offered(evidence) or not choice.whole or has_faulty_names(evidence, choice):
        return False
    offered = _offered(evidence)
    return any(call.name not in offered for call in choice.calls)


def _offered(evidence: Evidence) -> list[Json]:
    allowed = _allowed(evidence.tool_choice)
    tools = (evidence.request.get("tools") or ()) if allowed is None else allowed
    functions = [tool.get("function") for tool in tools if isinstance(tool, dict)]
    return [function.get("name") for function in functions if isinstance(function, dict)]


def _allowed(wanted: Json) -> list[Json] | None:
    """Give the tools that a tool_choice of the type `allowed_tools` names."""
    if not isinstance(wanted, dict) or wanted.get("type") != "allowed_tools":
        return None
    told = wanted.get("allowed_tools")
    tools = told.get("tools") if isinstance(told, dict) else None
    return tools if isinstance(tools, list) else None


def wrong_calls(choice: Choice, *, expected: str) -> Finding:
    """Find fault with the calls of a choice."""
    return choice.finding(
        "tool_calls",
        expected=expected,
        actual=", ".join(repr(call.name)[:40] for call in choice.calls)[:200]
        or f"no calls, finish_reason {choice.finish_reason!r}",
    )


@rule(
    "choice.none",
    MUST,
    "any",
    lambda evidence: evidence.tool_choice == "none",
    blame="parser",
)
def none(evidence: Evidence) -> Findings:
    """With tool_choice `none`, or without tools, no tool is called.

    Why: the client has said that it will run none; pydantic-ai and openai-agents raise on a call
        of a tool that they did not offer.
    Wrong: "tool_choice": "none", and an answer with tool_calls
    Right: "tool_choice": "none", and an answer in words
    """
    for choice in evidence.choices:
        if _calls_despite_none(evidence, choice):
            yield wrong_calls(choice, expected="no calls")


@rule("choice.required", MUST, "any", lambda evidence: evidence.tool_choice == "required")
def required(evidence: Evidence) -> Findings:
    """With tool_choice `required` at least one tool is called.

    Why: the specification says so, and code that asked for it reads tool_calls[0].
    Wrong: "tool_choice": "required", and an answer in words
    Right: "tool_choice": "required", and a call
    """
    for choice in evidence.choices:
        if _lacks_a_call(evidence, choice):
            yield wrong_calls(choice, expected="a call")


@rule("choice.named", MUST, "any", lambda evidence: _named(evidence) is not None)
def named(evidence: Evidence) -> Findings:
    """With a named tool_choice that tool is called, and no other.

    Why: code that forces a tool parses the arguments as that tool's, whatever name they come with.
    Wrong: get_weather is named, the answer calls get_time
    Right: get_weather is named, the answer calls get_weather
    """
    for choice in evidence.choices:
        if _calls_another(evidence, choice) or _lacks_a_call(evidence, choice):
            yield wrong_calls(choice, expected=f"calls of {_named(evidence)!r}")


@rule("choice.offered", MUST, "any", _must_be_offered)
def offered(evidence: Evidence) -> Findings:
    """With tool_choice `required` or `allowed_tools` a tool is called that the request offers.

    Why: a server that forces a call chooses among the tools it was given; a name that is none of
        them has nothing to run, and clients raise "Tool not found".
    Wrong: "tool_choice": "required", the tools get_weather and get_time, and a call of search
    Right: a call of get_weather
    """
    for choice in evidence.choices:
        if _calls_unoffered(evidence, choice):
            yield wrong_calls(choice, expected=f"calls of {_offered(evidence)}")
