"""The truth: what the client is given is what the model said."""

from __future__ import annotations

import json
from collections.abc import Iterator

from conformance.base import jsonvalue
from conformance.base.jsonvalue import Json, JsonProblem
from conformance.rules.chat.finish import misleads
from conformance.rules.common.args import premature
from conformance.rules.common.choice import disobeys, has_faulty_names
from conformance.rules.common.content import call_leaks, content_leaks
from conformance.rules.rule import MUST, SHOULD, Evidence, Findings, rule
from conformance.terms.outcome import Finding
from conformance.terms.said import Call
from conformance.wires.chat.answers import Choice, ToolCall, reasons


def calls_known(evidence: Evidence) -> bool:
    """Apply where it is known which calls the model made."""
    return evidence.expect.calls is not None


def names_of(choice: Choice) -> list[str | None]:
    """Give the names of a choice's calls in order."""
    return [call.name for call in choice.calls]


def calls_are_as_said(evidence: Evidence, choice: Choice) -> bool:
    """Whether a choice has the calls that were said, whatever their arguments."""
    said = evidence.expect.calls
    return said is None or names_of(choice) == [call.name for call in said]


@rule("said.calls", MUST, "any", calls_known)
def calls(evidence: Evidence) -> Findings:
    """The client gets the calls that the model made: all, no more, in order.

    Why: a lost, merged or invented call is an action not taken or taken wrongly.
    Wrong: the model calls get_weather and get_time, the answer has get_weather
    Right: get_weather, get_time
    """
    said = [call.name for call in evidence.expect.calls or ()]
    for choice in evidence.choices:
        if not choice.whole or calls_are_as_said(evidence, choice):
            continue
        if disobeys(evidence, choice):
            continue  # a rule of choice owns calls that the request forbids
        if len(choice.calls) == len(said) and has_faulty_names(evidence, choice):
            continue
        yield Finding(
            where=f"choice {choice.index} tool_calls",
            expected=_listed(said),
            actual=_listed(names_of(choice)),
        )


@rule("said.arguments", MUST, "any", lambda evidence: bool(evidence.expect.calls))
def arguments(evidence: Evidence) -> Findings:
    """The arguments are those that the model wrote, as typed JSON.

    Why: a changed value runs the tool with something that nobody asked for.
    Wrong: the model writes {"days": 1.5}, the answer has {"days": 1}
    Right: {"days": 1.5}
    """
    said = evidence.expect.calls or ()
    for choice in evidence.choices:
        if not choice.whole or len(choice.calls) != len(said):
            continue
        for call, truth in zip(choice.calls, said, strict=True):
            if call.name != truth.name or call_leaks(evidence, call):
                continue
            if difference := _difference(truth, call.arguments):
                yield Finding(
                    where=f"choice {choice.index} {call.where} arguments {difference.path}",
                    expected=difference.expected,
                    actual=difference.actual,
                    chunk=call.entries[-1].chunk,
                )


def _difference(truth: Call, found: str) -> jsonvalue.Difference | None:
    try:
        expected = jsonvalue.parse(truth.arguments)
        actual = jsonvalue.parse(found)
    except JsonProblem:
        return None  # args.json and args.empty-object own a text that is no JSON
    if not isinstance(actual, dict):
        return None  # args.object owns it
    return jsonvalue.difference(expected, actual)


@rule("said.content", MUST, "any", lambda evidence: evidence.expect.calls == ())
def content(evidence: Evidence) -> Findings:
    """The text of an answer without calls is what the model said.

    Why: it is the whole answer.
    Wrong: the model says "2 < 3", the answer has "2 "
    Right: "2 < 3"
    """
    yield from _content(evidence)


@rule(
    "content.lossless",
    SHOULD,
    "any",
    lambda evidence: bool(evidence.expect.calls) and evidence.expect.content is not None,
)
def lossless(evidence: Evidence) -> Findings:
    """Text beside calls is neither lost nor doubled nor invented.

    Why: users read it, and agents send it back; no specification says that calls swallow it.
    Wrong: the model says "I will look." and calls, the answer has no content
    Right: "content": "I will look."
    """
    yield from _content(evidence)


def _content(evidence: Evidence) -> Findings:
    said = evidence.expect.content
    if said is None:
        return
    for choice in evidence.choices:
        if not choice.whole or not calls_are_as_said(evidence, choice):
            continue
        if content_leaks(evidence, choice) or _differs_from_complete(evidence, choice):
            continue
        # A format sets text apart from calls by white space of its own.
        if "".join(choice.content.split()) != "".join(said.split()) or (
            not evidence.expect.calls and choice.content.strip() != said.strip()
        ):
            expected, actual = jsonvalue.show_apart(said.strip(), choice.content.strip())
            yield Finding(where=f"choice {choice.index} content", expected=expected, actual=actual)


def _differs_from_complete(evidence: Evidence, choice: Choice) -> bool:
    # equiv.content owns text beside calls that depends on how the client asked.
    return bool(evidence.expect.calls) and any(
        calls_are_as_said(evidence, other) and other.content.strip() != choice.content.strip()
        for other in (evidence.complete.choices if evidence.complete else ())
        if other.index == choice.index and other.whole
    )


@rule("said.kept", MUST, "any", lambda evidence: bool(evidence.expect.keeps))
def kept(evidence: Evidence) -> Findings:
    """What a model says in broken markup reaches the client, as text or in a call.

    Why: of an answer that is swallowed neither user nor agent learns that anything was said; the
        agent takes the empty turn for the end.
    Wrong: the model says <tool_call>{"name": "get_time", "city": Oslo, the answer is empty
    Right: the same as content, or as a call whose arguments have Oslo
    """
    for choice in evidence.choices:
        if choice.whole and (lost := lost_words(evidence, choice)):
            yield Finding(
                where=f"choice {choice.index}",
                expected=" and ".join(jsonvalue.show(word) for word in lost),
                actual=f"content {jsonvalue.show(choice.content)}, {_listed(names_of(choice))}",
            )


def lost_words(evidence: Evidence, choice: Choice) -> list[str]:
    """List what a case says is to be kept, and a choice holds nowhere."""
    texts = [choice.content, *(f"{call.name} {call.arguments}" for call in choice.calls)]
    return [word for word in evidence.expect.keeps if not any(word in text for text in texts)]


@rule("said.finish", MUST, "any", lambda evidence: evidence.expect.ending is not None)
def finish(evidence: Evidence) -> Findings:
    """finish_reason tells how the model ended.

    Why: agents and users act on it; a hidden `length` runs a truncated call.
    Wrong: max_tokens cut the answer, and finish_reason is "stop"
    Right: "finish_reason": "length"
    """
    expected = reasons(evidence.expect.ending) or ()
    for choice in evidence.choices:
        reason = choice.finish_reason
        if reason is None or reason in expected or not calls_are_as_said(evidence, choice):
            continue
        if misleads(evidence, choice):
            continue  # a rule of finish owns a reason that is wrong by itself
        yield Finding(
            where=f"choice {choice.index} finish_reason",
            expected=" or ".join(repr(item) for item in expected),
            actual=repr(reason),
            chunk=choice.finishes[-1][0],
        )


@rule(
    "finish.truncated-args",
    SHOULD,
    "any",
    lambda evidence: evidence.said is not None and evidence.truncated,
)
def truncated(evidence: Evidence) -> Findings:
    """The arguments of a call that was cut short are the beginning of what the model wrote.

    Why: a client that repairs them, or shows them as they grow, must not meet what nobody said;
        a text that was closed for the model looks like a whole call.
    Wrong: the model was cut at {"city": "San Fr, the answer has {"city": "San Fr"}
    Right: {"city": "San Fr
    """
    for choice in evidence.choices:
        if choice.finish_reason != "length" or not choice.whole or not choice.calls:
            continue
        call = choice.calls[-1]
        if call_leaks(evidence, call) or any(premature(call)):
            continue  # content.no-marker-leak and args.no-premature-json
        if not is_written(evidence, call):
            yield Finding(
                where=f"choice {choice.index} {call.where} arguments",
                expected="a part of what the model wrote",
                actual=jsonvalue.show(call.arguments),
                chunk=call.entries[-1].chunk,
            )


def is_written(evidence: Evidence, call: ToolCall) -> bool:
    """Whether the model wrote these arguments, in any spelling if they are whole."""
    arguments, said = call.arguments, evidence.said
    if said is None:
        return True
    # White space and escapes are the server's to choose, and half a text cannot be respelt.
    if "".join(arguments.split()) in "".join(said.split()) or "\\" in arguments:
        return True
    try:
        value = jsonvalue.parse(arguments)
    except JsonProblem:
        return False
    return any(jsonvalue.difference(value, other) is None for other in _objects(said))


def _objects(said: str) -> Iterator[Json]:
    decoder = json.JSONDecoder()
    for at in (place for place, character in enumerate(said) if character == "{"):
        try:
            _, end = decoder.raw_decode(said, at)
            yield jsonvalue.parse(said[at:end])
        except (ValueError, RecursionError, JsonProblem):
            continue


def _listed(names: list[str] | list[str | None]) -> str:
    return ", ".join(jsonvalue.show(name).strip('"') for name in names) or "no calls"
