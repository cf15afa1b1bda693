"""The same tokens, asked complete and streamed, give the same answer.

A stream is held to the complete answer. Where there is none that is good, it is held to the stream
that has a delta for each token: the tokens are the same, and only their joints are others.
"""

from __future__ import annotations

from collections.abc import Iterator

from conformance.base import jsonvalue
from conformance.base.jsonvalue import Json, JsonProblem
from conformance.rules.common.choice import FORBIDDEN_CALLS, has_faulty_names
from conformance.rules.common.content import (
    KEPT_OUT_OF_TEXT,
    LEAKS,
    cut_in_a_character,
)
from conformance.rules.common.said import MISLEADING
from conformance.rules.rule import MUST, SHOULD, Evidence, Findings, rule
from conformance.rules.truth import calls_are_as_said, names_of
from conformance.wires.answer import Turn

BLAME = "parser"


def has_another(evidence: Evidence) -> bool:
    """Apply where the case was also asked in a way that a stream is held to."""
    return evidence.beside is not None


def _pairs(evidence: Evidence) -> Iterator[tuple[Turn, Turn]]:
    others = {turn.index: turn for turn in evidence.beside.turns}
    for turn in evidence.turns:
        other = others.get(turn.index)
        if other is not None and turn.whole and other.whole:
            yield other, turn


def _as_there(evidence: Evidence) -> str:
    if evidence.complete is not None:
        return "as in the complete answer"
    return "as in the stream with a delta for each token"


def _calls_agree(complete: Turn, streamed: Turn) -> bool:
    return names_of(complete) == names_of(streamed)


@rule(
    "equiv.calls",
    MUST,
    "stream",
    has_another,
    yields_to=("said.kept", "said.calls", *FORBIDDEN_CALLS, "choice.offered"),
    in_either=True,
)
def calls(evidence: Evidence) -> Findings:
    """The streamed answer has the calls of the complete one.

    Why: a client's accumulated stream is meant to be the complete answer.
    Wrong: two calls complete, one streamed
    Right: two calls either way
    """
    for complete, streamed in _pairs(evidence):
        if len(complete.calls) == len(streamed.calls) and any(
            has_faulty_names(evidence, turn) for turn in (complete, streamed)
        ):
            continue  # a name that is missing, or in parts, is not a different name
        if not _calls_agree(complete, streamed):
            yield streamed.finding(
                "tool_calls",
                expected=f"{names_of(complete)} {_as_there(evidence)}",
                actual=f"{names_of(streamed)}",
            )


@rule(
    "equiv.arguments",
    MUST,
    "stream",
    has_another,
    yields_to=("said.kept", *LEAKS),
    in_either=True,
)
def arguments(evidence: Evidence) -> Findings:
    """The streamed arguments are those of the complete answer, as typed JSON.

    Why: the same call must run the same way, however the client asked.
    Wrong: {"days": 1} complete, {"days": 10} streamed
    Right: {"days": 1} either way
    """
    if evidence.expect.calls is not None:
        return  # said.arguments compares both with the truth
    for complete, streamed in _pairs(evidence):
        if not _calls_agree(complete, streamed):
            continue
        finished = len(evidence.expect.finished)  # these said.arguments compares with the truth
        for left, right in list(zip(complete.calls, streamed.calls, strict=True))[finished:]:
            # A limit inside a character leaves each its own remains of it.
            cut = streamed.ending == "limit"
            parts = ((complete, left), (streamed, right))
            if cut and any(cut_in_a_character(evidence, t, call.arguments) for t, call in parts):
                continue
            if evidence.expect.broken:
                difference = _broken_difference(left.arguments, right.arguments)
            else:
                difference = _difference(left.arguments, right.arguments, cut)
            if difference is not None:
                yield right.finding(
                    f"arguments {difference.path}",
                    expected=f"{difference.expected} {_as_there(evidence)}",
                    actual=difference.actual,
                )


def _difference(left: str, right: str, cut: bool) -> jsonvalue.Difference | None:
    try:
        complete, streamed = jsonvalue.parse(left), jsonvalue.parse(right)
        if not isinstance(streamed, dict):
            return None  # there are no members to compare
        return jsonvalue.difference(complete, streamed)
    except JsonProblem:
        if left == right or not cut:
            return None  # there is no value to compare, if the text is finished
        return jsonvalue.Difference("$", *jsonvalue.show_apart(left, right))


def _broken_difference(left: str, right: str) -> jsonvalue.Difference | None:
    """Compare arguments that are not strict JSON, as a lenient client would read them."""
    if jsonvalue.same(_as_clients(left), _as_clients(right)):
        return None
    return jsonvalue.Difference("$", *jsonvalue.show_apart(left, right))


def _as_clients(text: str) -> Json:
    try:
        return jsonvalue.parse_as_clients(text)
    except JsonProblem:
        return "".join(text.split())


@rule(
    "equiv.content",
    MUST,
    "stream",
    has_another,
    yields_to=("said.kept", *KEPT_OUT_OF_TEXT),
    in_either=True,
)
def content(evidence: Evidence) -> Findings:
    """The streamed text is that of the complete answer, except for outer white space.

    Why: what a user reads must not depend on how the client asked.
    Wrong: "I will look." complete, nothing streamed
    Right: "I will look." either way
    """
    for complete, streamed in _pairs(evidence):
        if not _calls_agree(complete, streamed):
            continue
        if evidence.expect.calls == () and evidence.expect.content is not None:
            continue  # said.content compares both with the truth
        if evidence.expect.calls and not calls_are_as_said(evidence, streamed):
            continue  # said.calls reports what was lost, in both
        if cut_in_a_character(evidence, complete, complete.content):
            continue
        if not cut_in_a_character(evidence, streamed, streamed.content):
            yield from _apart(evidence, streamed, "content", complete.content, streamed.content)


def _apart(evidence: Evidence, turn: Turn, field: str, complete: str, streamed: str) -> Findings:
    if complete.strip() != streamed.strip():
        expected, actual = jsonvalue.show_apart(complete.strip(), streamed.strip())
        yield turn.finding(field, expected=f"{expected} {_as_there(evidence)}", actual=actual)


@rule(
    "equiv.finish",
    MUST,
    "stream",
    has_another,
    yields_to=("said.kept", *MISLEADING),
    in_either=True,
    blame="server",
)
def finish(evidence: Evidence) -> Findings:
    """The streamed finish_reason is that of the complete answer.

    Why: an agent's loop goes on or ends by it.
    Wrong: "tool_calls" complete, "stop" streamed
    Right: "tool_calls" either way
    """
    for complete, streamed in _pairs(evidence):
        words = (complete.word, streamed.word)
        if None in words or words[0] == words[1] or not _calls_agree(complete, streamed):
            continue
        allowed = streamed.words_for(evidence.expect.ending)
        if allowed is not None and not set(words) <= set(allowed):
            continue  # said.finish compares both with the truth
        yield streamed.finding_of_ending(
            expected=f"{words[0]!r} {_as_there(evidence)}", actual=f"{words[1]!r}"
        )


@rule(
    "equiv.reasoning",
    SHOULD,
    "stream",
    has_another,
    yields_to=("said.kept", "content.characters"),
    in_either=True,
)
def reasoning(evidence: Evidence) -> Findings:
    """The streamed reasoning is that of the complete answer, except for outer white space.

    Why: some models want it back, and agents would send another thought.
    Wrong: "reasoning": "Paris it is." complete, nothing streamed
    Right: "reasoning": "Paris it is." either way
    """
    for complete, streamed in _pairs(evidence):
        if not _calls_agree(complete, streamed):
            continue
        if complete.content.strip() != streamed.content.strip():
            continue  # the thoughts may have gone into the text
        if cut_in_a_character(evidence, complete, complete.reasoning):
            continue
        if not cut_in_a_character(evidence, streamed, streamed.reasoning):
            yield from _apart(
                evidence, streamed, "reasoning", complete.reasoning, streamed.reasoning
            )
