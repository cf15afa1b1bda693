"""The truth: what the client is given is what the model said."""

from __future__ import annotations

from dataclasses import replace

from conformance.base import jsonvalue
from conformance.base.jsonvalue import JsonProblem
from conformance.rules.common.choice import FORBIDDEN_CALLS, has_faulty_names
from conformance.rules.common.content import KEPT_OUT_OF_TEXT, LEAKS, other_text
from conformance.rules.rule import MUST, Evidence, Findings, rule
from conformance.rules.truth import calls_are_as_said, is_full, lost_words, names_of, said_calls
from conformance.terms.said import Call

BLAME = "parser"

MISLEADING = (
    "finish.once",
    "finish.enum",
    "finish.tool_calls",
    "finish.no-calls",
    "finish.named",
)
"""Rules about a finish_reason that is wrong by itself."""


@rule(
    "said.calls",
    MUST,
    "any",
    lambda evidence: evidence.expect.calls is not None or bool(evidence.expect.finished),
    yields_to=FORBIDDEN_CALLS,
)
def calls(evidence: Evidence) -> Findings:
    """The client gets the calls that the model made: all, no more, in order.

    Why: a lost, merged or invented call is an action not taken or taken wrongly.
    Wrong: the model calls get_weather and get_time, the answer has get_weather
    Right: get_weather, get_time
    """
    said = [call.name for call in said_calls(evidence)]
    for turn in evidence.turns:
        if not turn.whole or calls_are_as_said(evidence, turn):
            continue
        if len(turn.calls) == len(said) and has_faulty_names(evidence, turn):
            continue  # a name that is missing, or in parts, is not a different name
        expected = _listed(said) + (" first" if evidence.expect.calls is None else "")
        found = turn.finding("tool_calls", expected=expected, actual=_listed(names_of(turn)))
        # A call that is lost may have gone into any other, or into the text.
        lost = len(turn.calls) < len(said)
        yield replace(found, place=found.place[:1]) if lost else found


@rule(
    "said.arguments",
    MUST,
    "any",
    lambda evidence: bool(said_calls(evidence)),
    yields_to=LEAKS,
)
def arguments(evidence: Evidence) -> Findings:
    """The arguments are those that the model wrote, as typed JSON.

    Why: a changed value runs the tool with something that nobody asked for.
    Wrong: the model writes {"days": 1.5}, the answer has {"days": 1}
    Right: {"days": 1.5}
    """
    said = said_calls(evidence)
    for turn in evidence.turns:
        if not turn.whole or not is_full(evidence, turn):
            continue
        for call, truth in zip(turn.calls, said, strict=False):
            if call.name != truth.name:
                continue  # the arguments of another call
            if difference := _difference(truth, call.arguments):
                yield call.finding(
                    f"arguments {difference.path}",
                    expected=difference.expected,
                    actual=difference.actual,
                )


def _difference(truth: Call, found: str) -> jsonvalue.Difference | None:
    try:
        expected = jsonvalue.parse(truth.arguments)
        actual = jsonvalue.parse(found)
    except JsonProblem:
        return None  # there is no value to compare
    if not isinstance(actual, dict):
        return None  # there are no members either
    return jsonvalue.difference(expected, actual)


@rule(
    "said.content",
    MUST,
    "any",
    lambda evidence: evidence.expect.calls == (),
    yields_to=KEPT_OUT_OF_TEXT,
)
def content(evidence: Evidence) -> Findings:
    """The text of an answer without calls is what the model said.

    Why: it is the whole answer.
    Wrong: the model says "2 < 3", the answer has "2 "
    Right: "2 < 3"
    """
    yield from other_text(evidence)


@rule("said.kept", MUST, "any", lambda evidence: bool(evidence.expect.keeps))
def kept(evidence: Evidence) -> Findings:
    """What a model says in broken markup reaches the client, as text or in a call.

    Why: when an answer is swallowed, neither user nor agent learns that anything was said; the
        agent takes the empty turn for the end.
    Wrong: the model says <tool_call>{"name": "get_time", "city": Oslo, the answer is empty
    Right: the same as content, or as a call whose arguments have Oslo
    """
    for turn in evidence.turns:
        if turn.whole and (lost := lost_words(evidence, turn)):
            yield turn.finding(
                "",
                expected=" and ".join(jsonvalue.show(word) for word in lost),
                actual=f"content {jsonvalue.show(turn.content)}, {_listed(names_of(turn))}",
            )


@rule(
    "said.finish",
    MUST,
    "any",
    lambda evidence: evidence.expect.ending is not None,
    yields_to=MISLEADING,
    blame="server",
)
def finish(evidence: Evidence) -> Findings:
    """finish_reason says how the model ended.

    Why: agents and users act on it; a hidden `length` runs a truncated call.
    Wrong: max_tokens cut the answer, and finish_reason is "stop"
    Right: "finish_reason": "length"
    """
    for turn in evidence.turns:
        reason, expected = turn.word, turn.words_for(evidence.expect.ending) or ()
        if reason is None or reason in expected or not calls_are_as_said(evidence, turn):
            continue
        yield turn.finding_of_ending(
            expected=" or ".join(repr(item) for item in expected), actual=repr(reason)
        )


def _listed(names: list[str] | list[str | None]) -> str:
    return ", ".join(jsonvalue.show(name).strip('"') for name in names) or "no calls"
