"""What the request says about calls: whether, which, and how many."""

from __future__ import annotations

from conformance.base.jsonvalue import Json
from conformance.rules.common.content import call_leaks
from conformance.rules.rule import CHAT_CREATE, MUST, Evidence, Findings, rule
from conformance.terms.asked import Allowed, Named
from conformance.terms.outcome import Finding
from conformance.wires.answer import Turn

BLAME = "server"
SPEC = CHAT_CREATE

FORBIDDEN_CALLS = (
    "choice.none",
    "choice.required",
    "choice.named",
    "parallel.false",
)
"""Rules that calls break which the request forbids."""


def has_faulty_names(evidence: Evidence, turn: Turn) -> bool:
    """Whether a call's name is faulty by itself: missing, in parts, or with markup.

    There is no name to compare then, and a rule about names reports it.
    """
    for call in turn.calls:
        if len(call.names) != 1 or call.name is None or call_leaks(evidence, call):
            return True
    return False


def claims_calls(turn: Turn) -> bool:
    """Whether a choice has no calls and a reason that says otherwise."""
    return turn.ending == "called" and not turn.calls and turn.whole


def _calls_despite_none(evidence: Evidence, turn: Turn) -> bool:
    return evidence.asked.choice == "none" and bool(turn.calls) and turn.whole


def _lacks_a_call(evidence: Evidence, turn: Turn) -> bool:
    # A limit, a filter or a stop string may end an answer before its call.
    return (
        (evidence.asked.choice == "required" or _named(evidence) is not None)
        and not turn.calls
        and turn.whole
        and turn.word is not None
        and turn.ending not in ("limit", "filtered")
        and not evidence.asked.options.stop
        and not claims_calls(turn)  # a call that was made, and lost on the way
    )


def _named(evidence: Evidence) -> str | None:
    wanted = evidence.asked.choice
    return wanted.name if isinstance(wanted, Named) else None


def _calls_another(evidence: Evidence, turn: Turn) -> bool:
    name = _named(evidence)
    if name is None or not turn.whole or has_faulty_names(evidence, turn):
        return False
    return any(call.name != name for call in turn.calls)


def calls_too_many(evidence: Evidence, turn: Turn) -> bool:
    """Whether a choice has several calls where the request allows one."""
    alone = evidence.asked.options.parallel is False
    return alone and len(turn.calls) > 1 and turn.whole


def _must_be_offered(evidence: Evidence) -> bool:
    # Where the model chooses, the fault is its own too; said.calls has the truth.
    wanted = evidence.asked.choice
    forced = wanted == "required" or isinstance(wanted, Allowed)
    return forced and evidence.expect.calls is None


def _calls_unoffered(evidence: Evidence, turn: Turn) -> bool:
    if not _must_be_offered(evidence) or not turn.whole or has_faulty_names(evidence, turn):
        return False
    offered = _offered(evidence)
    return any(call.name not in offered for call in turn.calls)


def _offered(evidence: Evidence) -> list[Json]:
    wanted = evidence.asked.choice
    if isinstance(wanted, Allowed):
        return [*wanted.names]
    functions = [tool.get("function") for tool in evidence.asked.tools]
    return [function.get("name") for function in functions if isinstance(function, dict)]


def wrong_calls(turn: Turn, *, expected: str) -> Finding:
    """Find fault with the calls of a choice."""
    return turn.finding(
        "tool_calls",
        expected=expected,
        actual=", ".join(repr(call.name)[:40] for call in turn.calls)[:200]
        or f"no calls, {turn.word_field} {turn.word!r}",
    )


@rule(
    "choice.none",
    MUST,
    "any",
    lambda evidence: evidence.asked.choice == "none",
    blame="parser",
)
def none(evidence: Evidence) -> Findings:
    """With tool_choice `none`, or without tools, no tool is called.

    Why: the client has said that it runs no tool; pydantic-ai and openai-agents raise on a call
        of a tool that they did not offer.
    Says: `none` means the model will not call any tool and instead generates a message.
    Wrong: "tool_choice": "none", and an answer with tool_calls
    Right: "tool_choice": "none", and an answer in words
    """
    for turn in evidence.turns:
        if _calls_despite_none(evidence, turn):
            yield wrong_calls(turn, expected="no calls")


@rule("choice.required", MUST, "any", lambda evidence: evidence.asked.choice == "required")
def required(evidence: Evidence) -> Findings:
    """With tool_choice `required` at least one tool is called.

    Why: the specification says so, and code that asked for it reads tool_calls[0].
    Says: `required` means the model must call one or more tools.
    Wrong: "tool_choice": "required", and an answer in words
    Right: "tool_choice": "required", and a call
    """
    for turn in evidence.turns:
        if _lacks_a_call(evidence, turn):
            yield wrong_calls(turn, expected="a call")


@rule("choice.named", MUST, "any", lambda evidence: _named(evidence) is not None)
def named(evidence: Evidence) -> Findings:
    """With a named tool_choice that tool is called, and no other.

    Why: code that forces a tool parses the arguments as that tool's, whatever name they come with.
    Says: Specifying a particular tool via `{"type": "function", "function": {"name":
        "my_function"}}` forces the model to call that tool.
    Wrong: get_weather is named, the answer calls get_time
    Right: get_weather is named, the answer calls get_weather
    """
    for turn in evidence.turns:
        if _calls_another(evidence, turn) or _lacks_a_call(evidence, turn):
            yield wrong_calls(turn, expected=f"calls of {_named(evidence)!r}")


@rule("choice.offered", MUST, "any", _must_be_offered)
def offered(evidence: Evidence) -> Findings:
    """With tool_choice `required` or `allowed_tools` the called tool is one the request offers.

    Why: a server that forces a call chooses among the tools it was given; with any other name
        there is nothing to run, and clients raise "Tool not found".
    Says: `required` requires the model to call one or more of the allowed tools.
    Wrong: "tool_choice": "required", the tools get_weather and get_time, and a call of search
    Right: a call of get_weather
    """
    for turn in evidence.turns:
        if _calls_unoffered(evidence, turn):
            yield wrong_calls(turn, expected=f"calls of {_offered(evidence)}")
