"""Recorded answers, judged with no server: bytes in, findings out."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from conformance.base import jsonvalue
from conformance.base.jsonvalue import Json, JsonProblem
from conformance.base.printable import counted
from conformance.base.suggest import did_you_mean
from conformance.commands import answer_file
from conformance.commands.answer_file import NoAnswer, RequestProblem
from conformance.formats import FORMATS, PARSERS, registry
from conformance.formats.format import Format, text_of
from conformance.report import terminal
from conformance.rules import Evidence
from conformance.rules.rule import NOTHING_KNOWN
from conformance.scripting import NotApplicable, script_in
from conformance.terms.case import Case, Expectation
from conformance.terms.exchange import Exchange
from conformance.terms.outcome import Level, Outcome
from conformance.verdicts import verdict
from conformance.verdicts.verdict import Judgement
from conformance.wires.answer import Answer
from conformance.wires.registry import DEFAULT

BROKEN, NO_ANSWER = 1, 2
"""Exit statuses: a MUST rule is broken; a file holds no answer."""


class JudgeProblem(Exception):
    """What the answers are to be judged by cannot be used; the message names the option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What is known about the answers beside their bytes."""

    request: Mapping[str, Json] | None = None
    """`None` if it is not known."""
    expect: Expectation = NOTHING_KNOWN
    said: str | None = None
    """The text that the model said, if a case gives it."""
    format: Format | None = None
    complete: Any = None
    """The same, asked without `stream`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A file, judged."""

    file: str
    answer: Answer | None = None
    judgements: tuple[Judgement, ...] = ()
    """Of the rules that are broken."""
    unjudged: tuple[Judgement, ...] = ()
    """Of the rules that could not be applied, with the reason."""
    reason: str | None = None
    """Why no answer could be judged."""

    @property
    def outcome(self) -> Literal["clean", "findings", "error"]:
        """Give its outcome in one word."""
        if self.reason is not None:
            return "error"
        return "findings" if self.judgements else "clean"


def judge(file: str, data: bytes, basis: Basis) -> Recorded:
    """Judge the bytes of a file; any bytes at all give a `Recorded`."""
    try:
        exchange = answer_file.read(data, basis.request)
    except NoAnswer as problem:
        return Recorded(file=file, reason=str(problem))
    with _collector_off():
        return _judge(file, exchange, basis)


@contextmanager
def _collector_off() -> Iterator[None]:
    # An answer has no cycles, and looking for them in a large one takes half the time.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _judge(file: str, exchange: Exchange, basis: Basis) -> Recorded:
    answer = DEFAULT.read(exchange)
    unknown = exchange.request.keys() <= {"stream"}
    request = DEFAULT.supposed(answer) if unknown else exchange.request
    evidence = Evidence(
        answer=answer,
        request=request,
        asked=DEFAULT.asked(request),
        expect=basis.expect,
        said=basis.said,
        format=basis.format,
        complete=_asked_alike(basis.complete, exchange) if answer.stream is not None else None,
        client=DEFAULT.client(exchange) if exchange.status == 200 else None,
        parser=registry.parser_of(basis.format) if basis.format else None,
    )
    judgements = verdict.judge(evidence)
    return Recorded(
        file=file,
        answer=answer,
        judgements=tuple(one for one in judgements if one.outcome is Outcome.FAIL),
        unjudged=tuple(one for one in judgements if one.outcome is Outcome.INCONCLUSIVE),
    )


def _asked_alike(complete: Any, exchange: Exchange) -> Any:
    # The user who compares two answers says that the same was asked.
    if complete is None:
        return None
    request = {**exchange.request, "stream": False}
    return replace(complete, exchange=replace(complete.exchange, request=request))


def said_in(case: Case, format: Format | None) -> str | None:
    """Write what the model says in a case, if its format is known and can say it."""
    if format is None:
        return None
    try:
        return text_of(script_in(case, format.name))
    except NotApplicable:
        return None


def format_of(name: str) -> Format:
    """Find a format by its own name or by that of a parser; raises `JudgeProblem`."""
    chosen = registry.format_of(name)
    if chosen is None:
        hint = did_you_mean(name, PARSERS.keys() | FORMATS.keys())
        raise JudgeProblem(f"--parser: {name!r} is unknown; {hint}")
    return chosen


def request_of(data: bytes) -> Json:
    """Read the body of a request; raises `JudgeProblem`."""
    try:
        return answer_file.checked(jsonvalue.plain(jsonvalue.parse(data.decode("utf-8"))))
    except (UnicodeDecodeError, JsonProblem) as problem:
        raise JudgeProblem(f"the request is not JSON: {problem}") from None
    except RequestProblem as problem:
        raise JudgeProblem(str(problem)) from None


def complete_of(data: bytes) -> Answer:
    """Read the complete answer that streams are compared with; raises `JudgeProblem`."""
    try:
        exchange = answer_file.read(data)
    except NoAnswer as problem:
        raise JudgeProblem(f"no answer: {problem}") from None
    answer: Answer = DEFAULT.read(exchange)
    if exchange.status != 200 or answer.stream is not None or not answer.turns:
        raise JudgeProblem("no complete answer; allowed: one with choices, asked without stream")
    return answer


def request_in(case: Case) -> Json:
    """Write what a case asks, except for model, stream and script."""
    return DEFAULT.request(case)


def document(found: Sequence[Recorded]) -> dict[str, Any]:
    """Write the judged files; `schemas/judged.json` describes them."""
    answers = [
        {
            "file": one.file,
            "outcome": one.outcome,
            "reason": one.reason,
            "findings": [
                {
                    "rule": judgement.rule.id,
                    "level": str(judgement.rule.level),
                    "where": finding.where,
                    "expected": finding.expected,
                    "actual": finding.actual,
                }
                for judgement in one.judgements
                for finding in judgement.findings
            ],
            "unjudged": [
                {"rule": judgement.rule.id, "reason": judgement.reason}
                for judgement in one.unjudged
            ],
        }
        for one in found
    ]
    return {"schema": 1, "answers": answers}


def text(found: Sequence[Recorded]) -> str:
    """Write the judged files for a person: a block for each broken rule, and the counts."""
    blocks: list[str] = []
    for one in found:
        if one.reason is not None:
            blocks.append(terminal.unreadable(one.file, one.reason))
        blocks.extend(
            terminal.finding(one.file, one.answer, judgement) for judgement in one.judgements
        )
        blocks.extend(terminal.unjudged(one.file, judgement) for judgement in one.unjudged)
    outcomes = [one.outcome for one in found]
    broken = [judgement for one in found for judgement in one.judgements]
    must = sum(judgement.total for judgement in broken if judgement.rule.level is Level.MUST)
    total = sum(judgement.total for judgement in broken)
    counts = (
        f"{counted(len(found), 'file')}: {outcomes.count('clean')} clean, "
        f"{outcomes.count('findings')} with findings, "
        f"{outcomes.count('error')} without an answer; {counted(total, 'finding')}, {must} of MUST"
    )
    return "\n\n".join([*blocks, counts])


def status(found: Sequence[Recorded]) -> int:
    """Give the exit status: a file without an answer outweighs a broken rule."""
    if any(one.reason is not None for one in found):
        return NO_ANSWER
    levels = {judgement.rule.level for one in found for judgement in one.judgements}
    return BROKEN if Level.MUST in levels else 0


def accepts(case: Case, format: Format | None) -> None:
    """Raise `JudgeProblem` where a case makes no sense in a format."""
    if format is not None and format.name in case.omits:
        reason = case.omits[format.name]
        raise JudgeProblem(f"--case: {case.id} says nothing on {format.name}: {reason}")
