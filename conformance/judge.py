"""Recorded answers, judged with no server: bytes in, findings out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from conformance import assemble, jsonvalue, sdk, sse, verdict
from conformance.assemble import Answer
from conformance.formats import FORMATS, PARSERS
from conformance.formats.format import Format, Inexpressible, text_of
from conformance.jsonvalue import JsonProblem
from conformance.model import Case, Exchange, Expectation, Json, Level, Outcome, Read
from conformance.report import terminal
from conformance.results import WIRE_LIMIT
from conformance.rules import Evidence
from conformance.rules.rule import NOTHING_KNOWN
from conformance.strictyaml import did_you_mean
from conformance.verdict import Judgement

LIMIT = 32_000_000
"""Bytes of a file; a larger one is refused."""

BROKEN, NO_ANSWER = 1, 2
"""Exit statuses: a MUST rule is broken; a file holds no answer."""

_HEAD = re.compile(rb"HTTP/[0-9.]+ ([0-9]{3})[^\r\n]*\r?\n((?:[^\r\n]+\r?\n)*)\r?\n")
_HEADER = re.compile(rb"([!-9;-~]+):[ \t]*(.*)")
_DATA = re.compile(rb"(?:\A|[\r\n])data:")
_FIELD = re.compile(rb"(?:data|event|id|retry)?:")
_KEPT = {"request", "status", "headers", "error", "answer"}
_REQUEST = Draft202012Validator(
    {
        "type": "object",
        "properties": {
            "n": {"type": ["integer", "null"], "minimum": 1, "maximum": 1000},
            "tool_choice": {"type": ["string", "object", "null"]},
            "tools": {
                "type": ["array", "null"],
                "items": {
                    "type": "object",
                    "required": ["function"],
                    "properties": {
                        "function": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {"name": {"type": "string"}},
                        }
                    },
                },
            },
        },
    }
)


class JudgeProblem(Exception):
    """What the answers are to be judged by cannot be used; the message names the option."""


class NoAnswer(Exception):
    """Bytes hold no answer; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What is known about the answers beside their bytes."""

    request: Mapping[str, Json] | None = None
    """`None` if it is not known."""
    expect: Expectation = NOTHING_KNOWN
    said: str | None = None
    """The text that the model said, where a case tells it."""
    format: Format | None = None
    complete: Answer | None = None
    """The same, asked without `stream`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A file, judged."""

    file: str
    answer: Answer | None = None
    judgements: tuple[Judgement, ...] = ()
    """Of the rules that are broken."""
    reason: str | None = None
    """Why there is no answer to judge."""

    @property
    def outcome(self) -> Literal["clean", "findings", "error"]:
        """Say in a word what became of it."""
        if self.reason is not None:
            return "error"
        return "findings" if self.judgements else "clean"


def judge(file: str, data: bytes, basis: Basis) -> Recorded:
    """Judge the bytes of a file; any bytes at all give a `Recorded`."""
    try:
        exchange = read(data, basis.request)
    except NoAnswer as problem:
        return Recorded(file=file, reason=str(problem))
    answer = assemble.read(exchange)
    evidence = Evidence(
        answer=answer,
        request=_assumed(answer) if exchange.request.keys() <= {"stream"} else exchange.request,
        expect=basis.expect,
        said=basis.said,
        format=basis.format,
        complete=_asked_alike(basis.complete, exchange) if answer.stream is not None else None,
        client=sdk.read(exchange) if exchange.status == 200 else None,
        parser=_parser_of(basis.format),
    )
    broken = [found for found in verdict.judge(evidence) if found.outcome is Outcome.FAIL]
    return Recorded(file=file, answer=answer, judgements=tuple(broken))


def read(data: bytes, request: Mapping[str, Json] | None = None) -> Exchange:
    """Make an exchange of a body, of a body with HTTP headers, or of a `wire` file of a run.

    The request of a `wire` file is its own. Raises `NoAnswer`.
    """
    if len(data) > LIMIT:
        raise NoAnswer(f"more than {LIMIT} bytes")
    if not data.strip():
        raise NoAnswer("the file is empty")
    status, headers, body = _split(data)
    if status is None and (kept := _kept(body)) is not None:
        return _exchange_of(kept)
    if status is not None and status >= 500:
        raise NoAnswer(f"the server answered {status}: {_start(body)}")
    media = _content_type(headers)
    stream = _is_stream(body, media) if status in (None, 200) else False
    if status is None:
        # A bare body says nothing of its headers, so they are not what is judged.
        headers = (("content-type", "text/event-stream" if stream else "application/json"),)
    return Exchange(
        request={**(request or {}), "stream": stream},
        status=status or 200,
        headers=headers,
        reads=(Read(0.0, body),),
    )


def _asked_alike(complete: Answer | None, exchange: Exchange) -> Answer | None:
    # Whoever compares two answers says that the same was asked.
    if complete is None:
        return None
    request = {**exchange.request, "stream": False}
    return replace(complete, exchange=replace(complete.exchange, request=request))


def _assumed(answer: Answer) -> Json:
    """Suppose what the API supposes where it is not told, and what the answer itself shows.

    That is as many choices as there are, and usage where a last chunk has nothing else.
    """
    supposed: dict[str, Json] = {"tool_choice": "auto", "n": len(answer.choices) or 1}
    last = answer.chunks[-1] if answer.chunks else None
    if last is not None and last.value.get("usage") is not None and not last.choices:
        supposed["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}
    return supposed


def said_in(case: Case, format: Format | None) -> str | None:
    """Write what the model says in a case, where its format is known and can say it."""
    if format is None:
        return None
    if case.says is None:
        return text_of(case.raw[format.name]) if format.name in case.raw else None
    try:
        return text_of(format.write(case.says))
    except Inexpressible:
        return None


def _split(data: bytes) -> tuple[int | None, tuple[tuple[str, str], ...], bytes]:
    """Part HTTP headers from the body; of several answers in a row the last one counts."""
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    while data.startswith(b"HTTP/"):
        found = _HEAD.match(data)
        if found is None:
            raise NoAnswer("HTTP headers without a blank line after them")
        status = int(found[1])
        headers = tuple(_header(line) for line in found[2].splitlines())
        data = data[found.end() :]
    return status, headers, data


def _header(line: bytes) -> tuple[str, str]:
    found = _HEADER.fullmatch(line)
    if found is None:
        raise NoAnswer(f"no HTTP header: {line[:60]!r}")
    value = found[2].decode("ascii", "backslashreplace").strip()
    # A terminal would obey what a server can put there.
    return found[1].decode(), "".join(c if c.isprintable() else ascii(c)[1:-1] for c in value)


def _content_type(headers: Sequence[tuple[str, str]]) -> str:
    named = [value for name, value in headers if name.lower() == "content-type"]
    return named[-1].partition(";")[0].strip().lower() if named else ""


def _is_stream(body: bytes, media: str) -> bool:
    """Tell a stream from a complete answer by what it holds, and failing that by its headers."""
    start = body.removeprefix(sse.BOM).lstrip()
    if not start:
        raise NoAnswer("the body is empty")
    if start.startswith(b"<"):
        raise NoAnswer(f"HTML or XML: {_start(start)}")
    if _DATA.search(body):
        return True
    if b"\0" in body:
        raise NoAnswer("NUL bytes: binary, or text that was saved as UTF-16")
    if start.startswith((b"{", b"[")):
        return False
    if _FIELD.match(start) or media == "text/event-stream":
        return True
    if media == "application/json":
        return False
    raise NoAnswer(f"neither server-sent events nor JSON: {_start(start)}")


def _kept(body: bytes) -> Mapping[str, Json] | None:
    """Read the file that a run writes beside its results, if this is one."""
    if not body.lstrip().startswith(b"{") or b'"answer"' not in body:
        return None
    try:
        found = jsonvalue.plain(jsonvalue.parse(body.decode("utf-8")))
    except (UnicodeDecodeError, JsonProblem):
        return None
    return found if isinstance(found, dict) and found.keys() >= _KEPT else None


def _exchange_of(kept: Mapping[str, Json]) -> Exchange:
    if kept["error"] is not None:
        raise NoAnswer(f"the run had no whole answer: {jsonvalue.show(kept['error'], 300)}")
    headers, answer = kept["headers"], kept["answer"]
    well_formed = (
        type(kept["status"]) is int
        and isinstance(answer, str)
        and isinstance(headers, list)
        and all(
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, str) for one in pair)
            for pair in headers
        )
    )
    if not well_formed:
        raise NoAnswer("a run's file whose status, headers or answer is not what a run writes")
    if len(answer) >= WIRE_LIMIT:
        raise NoAnswer(f"a run keeps {WIRE_LIMIT} characters of an answer, and this one had more")
    try:
        request = _checked(kept["request"])
    except JudgeProblem as problem:
        raise NoAnswer(f"a run's file: {problem}") from None
    return Exchange(
        request=request,
        status=kept["status"],
        headers=tuple((name, value) for name, value in headers),
        reads=(Read(0.0, answer.encode("utf-8", "surrogatepass")),),
    )


def _start(body: bytes) -> str:
    return jsonvalue.show(body[:200].decode("utf-8", "replace"))


def format_of(name: str) -> Format:
    """Find a format by its own name or by that of a parser; raises `JudgeProblem`."""
    chosen = FORMATS.get(PARSERS.get(name, name))
    if chosen is None:
        hint = did_you_mean(name, PARSERS.keys() | FORMATS.keys())
        raise JudgeProblem(f"--parser: {name!r} is unknown; {hint}")
    return chosen


def _parser_of(format: Format | None) -> str | None:
    """Name the parser that a format is read by."""
    name = format.name if format else ""
    return next((parser for parser in PARSERS if name.startswith(parser)), None)


def request_of(data: bytes) -> Json:
    """Read the body of a request; raises `JudgeProblem`."""
    try:
        return _checked(jsonvalue.plain(jsonvalue.parse(data.decode("utf-8"))))
    except (UnicodeDecodeError, JsonProblem) as problem:
        raise JudgeProblem(f"the request is not JSON: {problem}") from None


def _checked(request: Json) -> Json:
    error = best_match(_REQUEST.iter_errors(request))
    if error is not None:
        place = jsonvalue.path(error.absolute_path)
        raise JudgeProblem(f"the request at {place}: {jsonvalue.show(error.message, 200)}")
    if isinstance(request.get("n"), float):  # JSON Schema takes 2.0 for an integer
        raise JudgeProblem("the request at $.n: a number with a fraction; allowed: an integer")
    return request


def complete_of(data: bytes) -> Answer:
    """Read the complete answer that streams are compared with; raises `JudgeProblem`."""
    try:
        exchange = read(data)
    except NoAnswer as problem:
        raise JudgeProblem(f"no answer: {problem}") from None
    answer = assemble.read(exchange)
    if exchange.status != 200 or answer.stream is not None or not answer.choices:
        raise JudgeProblem("no complete answer; allowed: one with choices, asked without stream")
    return answer


def request_in(case: Case) -> Json:
    """Write what a case asks, but for model, stream and script."""
    tools = {"tools": list(case.tools)} if case.tools else {}
    return {"messages": list(case.messages), **tools, **case.options, **case.body}


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
    outcomes = [one.outcome for one in found]
    broken = [judgement for one in found for judgement in one.judgements]
    must = sum(judgement.total for judgement in broken if judgement.rule.level is Level.MUST)
    total = sum(judgement.total for judgement in broken)
    counts = (
        f"{len(found)} files: {outcomes.count('clean')} clean, {outcomes.count('findings')} with "
        f"findings, {outcomes.count('error')} without an answer; {total} findings, {must} of MUST"
    )
    return "\n\n".join([*blocks, counts])


def status(found: Sequence[Recorded]) -> int:
    """Give the exit status: a file without an answer outweighs a broken rule."""
    if any(one.reason is not None for one in found):
        return NO_ANSWER
    levels = {judgement.rule.level for one in found for judgement in one.judgements}
    return BROKEN if Level.MUST in levels else 0


def accepts(case: Case, format: Format | None) -> None:
    """Raise `JudgeProblem` where a case says nothing in a format."""
    if format is not None and format.name in case.omits:
        reason = case.omits[format.name]
        raise JudgeProblem(f"--case: {case.id} says nothing on {format.name}: {reason}")
