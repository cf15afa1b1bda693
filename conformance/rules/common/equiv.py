"""The same tokens, asked complete and streamed, give the same answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from conformance.base import jsonvalue
from conformance.base.jsonvalue import JsonProblem
from conformance.rules.chat.finish import misleads
from conformance.rules.common.args import begins_object
from conformance.rules.common.choice import disobeys, has_faulty_names
from conformance.rules.common.content import call_leaks, content_leaks, thoughts_leak
from conformance.rules.common.said import calls_are_as_said, is_written, lost_words, names_of
from conformance.rules.rule import MUST, SHOULD, Evidence, Findings, rule
from conformance.terms.outcome import Finding
from conformance.wires.chat.answers import Answer, Choice, reasons


def has_complete(evidence: Evidence) -> bool:
    """Apply where the case was also asked without `stream`."""
    return evidence.complete is not None


def _pairs(evidence: Evidence) -> Iterator[tuple[Choice, Choice]]:
    assert evidence.complete is not None
    complete = {choice.index: choice for choice in evidence.complete.choices}
    for choice in evidence.choices:
        other = complete.get(choice.index)
        if other is None or not (choice.whole and other.whole):
            continue
        if lost_words(evidence, choice) or lost_words(evidence, other):
            continue  # said.kept owns an answer that was swallowed
        yield other, choice


ID_FORMS = {
    "call_…": r"call_\w+",
    "chatcmpl-tool-…": r"chatcmpl-tool-\w+",
    "toolu_…": r"toolu_\w+",
    "functions.NAME:NUMBER": r"functions\.[\w-]+:\d+",
    "a UUID": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "nine letters and digits": r"[a-zA-Z0-9]{9}",
}
"""Forms of ids that servers are known to use, none of which fits another's pattern."""


@rule("id.equiv-shape", SHOULD, "stream", lambda evidence: _form(evidence.complete) is not None)
def id_shape(evidence: Evidence) -> Findings:
    """The ids of calls have the same form, complete and streamed.

    Why: templates and other servers accept some forms and refuse others, so a conversation that
        was asked for in both ways can break at its next turn.
    Wrong: chatcmpl-tool-9af5e2cd complete, call_9af5e2cd streamed
    Right: chatcmpl-tool-… either way
    """
    if evidence.format is not None and evidence.format.call_id:
        return  # id.format owns it
    complete, streamed = _form(evidence.complete), _form(evidence.answer)
    if streamed is not None and complete != streamed:
        yield Finding(
            where="tool_calls id",
            expected=f"{complete} as in the complete answer",
            actual=streamed,
        )


def _form(answer: Answer | None) -> str | None:
    """Name the form that all ids of an answer have, if it is a known one."""
    ids = [call.id for choice in (answer.choices if answer else ()) for call in choice.calls]
    for name, pattern in ID_FORMS.items():
        if ids and all(id is not None and re.fullmatch(pattern, id) for id in ids):
            return name
    return None


def _calls_agree(complete: Choice, streamed: Choice) -> bool:
    return names_of(complete) == names_of(streamed)


@rule("equiv.calls", MUST, "stream", has_complete)
def calls(evidence: Evidence) -> Findings:
    """The streamed answer has the calls of the complete one.

    Why: a client's accumulated stream is meant to be the complete answer.
    Wrong: two calls complete, one streamed
    Right: two calls either way
    """
    for complete, streamed in _pairs(evidence):
        if len(complete.calls) == len(streamed.calls) and any(
            has_faulty_names(evidence, choice) for choice in (complete, streamed)
        ):
            continue
        if not _calls_agree(complete, streamed) and all(
            # said.calls and the rules of choice own what is wrong by itself, in either answer
            calls_are_as_said(evidence, choice) and not disobeys(evidence, choice)
            for choice in (complete, streamed)
        ):
            yield Finding(
                where=f"choice {streamed.index} tool_calls",
                expected=f"{names_of(complete)} as in the complete answer",
                actual=f"{names_of(streamed)}",
            )


@rule("equiv.arguments", MUST, "stream", has_complete)
def arguments(evidence: Evidence) -> Findings:
    """The streamed arguments are those of the complete answer, as typed JSON.

    Why: the same call must run the same way, however it is asked for.
    Wrong: {"days": 1} complete, {"days": 10} streamed
    Right: {"days": 1} either way
    """
    if evidence.expect.calls is not None:
        return  # said.arguments holds both to the truth
    for complete, streamed in _pairs(evidence):
        if not _calls_agree(complete, streamed):
            continue
        for left, right in zip(complete.calls, streamed.calls, strict=True):
            if call_leaks(evidence, left) or call_leaks(evidence, right):
                continue
            cut = streamed.finish_reason == "length"
            if cut and not (begins_object(left) and begins_object(right)):
                continue  # args.beginning and finish.truncated-args
            if cut and not all(is_written(evidence, call) for call in (left, right)):
                continue  # finish.truncated-args
            if evidence.expect.broken:
                difference = _broken_difference(left.arguments, right.arguments)
            else:
                difference = _difference(left.arguments, right.arguments, cut)
            if difference is not None:
                yield Finding(
                    where=f"choice {streamed.index} {right.where} arguments {difference.path}",
                    expected=f"{difference.expected} as in the complete answer",
                    actual=difference.actual,
                    chunk=right.entries[-1].chunk,
                )


def _difference(left: str, right: str, cut: bool) -> jsonvalue.Difference | None:
    try:
        complete, streamed = jsonvalue.parse(left), jsonvalue.parse(right)
        if not isinstance(streamed, dict):
            return None  # args.object owns it
        return jsonvalue.difference(complete, streamed)
    except JsonProblem:
        if left == right or not cut:
            return None  # args.json owns a finished text that is no JSON
        return jsonvalue.Difference("$", *jsonvalue.show_apart(left, right))


def _broken_difference(left: str, right: str) -> jsonvalue.Difference | None:
    """Compare arguments that are no strict JSON, as a lenient client would read them."""
    values = []
    for text in (left, right):
        try:
            values.append(json.loads(text))
        except (ValueError, RecursionError):
            values.append("".join(text.split()))
    if values[0] == values[1]:
        return None
    return jsonvalue.Difference("$", *jsonvalue.show_apart(left, right))


@rule("equiv.content", MUST, "stream", has_complete)
def content(evidence: Evidence) -> Findings:
    """The streamed text is that of the complete answer, but for outer white space.

    Why: what a user reads must not depend on how the client asked.
    Wrong: "I will look." complete, nothing streamed
    Right: "I will look." either way
    """
    for complete, streamed in _pairs(evidence):
        if not _calls_agree(complete, streamed):
            continue
        if evidence.expect.calls == () and evidence.expect.content is not None:
            continue  # said.content holds both to the truth
        if content_leaks(evidence, streamed) or content_leaks(evidence, complete):
            continue
        where = f"choice {streamed.index} content"
        yield from _apart(where, complete.content, streamed.content)


def _apart(where: str, complete: str, streamed: str) -> Findings:
    if complete.strip() != streamed.strip():
        expected, actual = jsonvalue.show_apart(complete.strip(), streamed.strip())
        yield Finding(where=where, expected=f"{expected} as in the complete answer", actual=actual)


@rule("equiv.finish", MUST, "stream", has_complete)
def finish(evidence: Evidence) -> Findings:
    """The streamed finish_reason is that of the complete answer.

    Why: an agent's loop turns on it.
    Wrong: "tool_calls" complete, "stop" streamed
    Right: "tool_calls" either way
    """
    for complete, streamed in _pairs(evidence):
        reasons = (complete.finish_reason, streamed.finish_reason)
        if None in reasons or reasons[0] == reasons[1] or not _calls_agree(complete, streamed):
            continue
        if any(_is_wrong_by_itself(evidence, choice) for choice in (complete, streamed)):
            continue
        yield Finding(
            where=f"choice {streamed.index} finish_reason",
            expected=f"{reasons[0]!r} as in the complete answer",
            actual=f"{reasons[1]!r}",
            chunk=streamed.finishes[-1][0],
        )


def _is_wrong_by_itself(evidence: Evidence, choice: Choice) -> bool:
    # said.finish and the rules of finish own such a reason.
    allowed = reasons(evidence.expect.ending)
    unsaid = allowed is not None and choice.finish_reason not in allowed
    return unsaid or misleads(evidence, choice)


@rule("equiv.reasoning", SHOULD, "stream", has_complete)
def reasoning(evidence: Evidence) -> Findings:
    """The streamed reasoning is that of the complete answer, but for outer white space.

    Why: agents that send it back, as some models demand, send another thought.
    Wrong: "reasoning": "Paris it is." complete, nothing streamed
    Right: "reasoning": "Paris it is." either way
    """
    for complete, streamed in _pairs(evidence):
        if not _calls_agree(complete, streamed):
            continue
        if complete.content.strip() != streamed.content.strip():
            continue  # equiv.content owns thoughts that went into the text
        if thoughts_leak(evidence, streamed) or thoughts_leak(evidence, complete):
            continue  # content.characters
        where = f"choice {streamed.index} reasoning"
        yield from _apart(where, complete.reasoning, streamed.reasoning)
