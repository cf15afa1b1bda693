"""The evidence for an item's findings: request, script, answer, and commands that repeat it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from conformance.base import sse
from conformance.base.jsonvalue import Json
from conformance.base.printable import counted, cut
from conformance.base.sse import Read
from conformance.report import sampled
from conformance.report.view import CaseRow, Column, has_details
from conformance.results import reader
from conformance.results.reader import Found, IssueRecord, ItemResult, Results
from conformance.scripting import SCRIPT_FIELD
from conformance.terms.outcome import Outcome
from conformance.wires.registry import DEFAULT

MAX_PAGE_CHARACTERS = 8_000_000
"""For more evidence than this, a page only names the files beside the results."""

MAX_TEXT_CHARACTERS = 4_000
MAX_EVENT_CHARACTERS = 700
MAX_BODY_CHARACTERS = 6_000
MAX_COMMAND_CHARACTERS = 20_000
"""More of a message, an event, a complete answer or a command is not shown."""

EVENTS_AROUND = 2
"""Events shown before and after a marked one, and at either end."""

_CHUNK = re.compile(r"chunk \d+")
_NOT_OPTIONS = ("model", "messages", "tools", "vllm_xargs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An event of an answer, or a note about events that are left out."""

    name: str
    text: str = ""
    marked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A finding, with what expected and actual have in common at their beginning."""

    finding: Found
    same: str
    expected: str
    actual: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAnswer:
    """An item's answer; modes with the same findings share one."""

    modes: tuple[str, ...]
    outcome: Outcome
    reason: str | None
    findings: tuple[Shown, ...]
    status: str
    lines: tuple[Line, ...]
    command: str | None
    curl: str | None
    missing: str | None
    """Why no exchange is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEvidence:
    """The evidence for a case in a run."""

    anchor: str
    case: str
    column: Column
    text: str
    messages: tuple[tuple[str, str], ...]
    tools: str
    options: str
    said: tuple[tuple[str, str], ...] | None
    """Kind and text of each piece of the script."""
    answers: tuple[ShownAnswer, ...]


def gather(
    columns: Sequence[Column], cases: Sequence[CaseRow], *, room: int = MAX_PAGE_CHARACTERS
) -> list[CaseEvidence]:
    """Read the exchanges beside the results; failures come first if there is not room for all."""
    wanted = [
        (column, row)
        for column in columns
        for row in cases
        if row.cells[column.number].link is not None
    ]
    weight = [Outcome.FAIL, Outcome.ERROR, Outcome.STALE, Outcome.KNOWN, Outcome.POLICY]
    by_weight = sorted(
        wanted,
        key=lambda pair: next(
            (n for n, one in enumerate(weight) if pair[1].cells[pair[0].number].outcome is one), 9
        ),
    )
    items = [
        _by_case([item for item in column.results.items if has_details(item)]) for column in columns
    ]
    found: dict[tuple[int, int], CaseEvidence] = {}
    for column, row in by_weight:
        one = _evidence(column, row, items[column.number][row.id], room=room > 0)
        room -= _size(one)
        found[row.number, column.number] = one
    return [found[key] for key in sorted(found)]


def issue_anchors(runs: Sequence[Column]) -> dict[tuple[str, IssueRecord], str]:
    """Give each known issue and policy that a finding names an anchor on the page.

    Two runs may have read different words under one name, so each pair has its own anchor.
    """
    named = {
        (finding.known, issue)
        for column in runs
        for item in column.results.items
        for finding in item.findings
        if finding.known and (issue := column.results.issues.get(finding.known))
    }
    ordered = sorted(named, key=lambda pair: (pair[0], pair[1].about))
    return {pair: f"known-{number}" for number, pair in enumerate(ordered, 1)}


def _evidence(
    column: Column, row: CaseRow, items: Sequence[ItemResult], *, room: bool
) -> CaseEvidence:
    cell = row.cells[column.number]
    kept = [reader.wire(column.results, same[0]) if room else None for same in _alike(items)]
    request: Mapping[str, Json] = next((_request(wire) for wire in kept if _request(wire)), {})
    return CaseEvidence(
        anchor=cell.link or "",
        case=row.id,
        column=column,
        text=cell.text,
        messages=tuple(_messages(request)),
        tools=cut(_json(request["tools"]), MAX_TEXT_CHARACTERS) if request.get("tools") else "",
        options=_options(request),
        said=_said(request),
        answers=tuple(
            _answer(column, same, wire, room=room)
            for same, wire in zip(_alike(items), kept, strict=True)
        ),
    )


def _answer(column: Column, items: Sequence[ItemResult], wire: Json, *, room: bool) -> ShownAnswer:
    item = items[0]
    request = _request(wire)
    reason = "this page would be too large with it" if not room else "it was not kept"
    missing = None if request else reason
    if missing and item.wire:
        missing = f"{missing}; see {item.wire} beside {column.results.path.name}"
    curl = DEFAULT.curl(request, '"$URL"') if request else ""
    return ShownAnswer(
        modes=tuple(one.mode for one in items),
        outcome=item.outcome,
        reason=sampled.reason(item),
        findings=tuple(_shown(finding) for finding in item.findings),
        status=_status(wire) if request else "",
        lines=tuple(_lines(wire, item.findings)) if request else (),
        command=command(column.results, item),
        curl=curl if 0 < len(curl) <= MAX_COMMAND_CHARACTERS else None,
        missing=missing,
    )


def _alike(items: Sequence[ItemResult]) -> list[list[ItemResult]]:
    """Group the modes of a case that have the same findings."""
    found: dict[tuple[object, ...], list[ItemResult]] = {}
    for item in items:
        findings = tuple(
            (one.rule, one.outcome, _CHUNK.sub("", one.where), one.expected, one.actual)
            for one in item.findings
        )
        found.setdefault((item.outcome, item.reason, findings), []).append(item)
    return list(found.values())


def _by_case(items: Sequence[ItemResult]) -> Mapping[str, list[ItemResult]]:
    found: dict[str, list[ItemResult]] = {}
    for item in items:
        found.setdefault(item.case, []).append(item)
    return found


def _request(wire: Json) -> Mapping[str, Json]:
    """Give the body of the request; empty if none was kept."""
    found = wire.get("request") if isinstance(wire, dict) else None
    return found if isinstance(found, dict) else {}


def _messages(request: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    messages = request.get("messages")
    for message in messages if isinstance(messages, list) else []:
        if not isinstance(message, dict):
            yield "?", cut(_json(message), MAX_TEXT_CHARACTERS)
            continue
        rest = {key: value for key, value in message.items() if key != "role"}
        content = message.get("content")
        alone = rest.keys() == {"content"} and isinstance(content, str)
        yield (
            str(message.get("role")),
            cut(str(content) if alone else _json(rest), MAX_TEXT_CHARACTERS),
        )


def _options(request: Mapping[str, Json]) -> str:
    rest = {key: value for key, value in request.items() if key not in _NOT_OPTIONS}
    return cut(json.dumps(rest), MAX_TEXT_CHARACTERS) if rest else ""


def _said(request: Mapping[str, Json]) -> tuple[tuple[str, str], ...] | None:
    """Read the script from a request; `None` if it has none."""
    try:
        pieces = json.loads(request["vllm_xargs"][SCRIPT_FIELD])["pieces"]
        return tuple((str(kind), cut(str(text), MAX_TEXT_CHARACTERS)) for kind, text in pieces)
    except (LookupError, TypeError, ValueError, RecursionError):
        return None


def _status(wire: Mapping[str, Json]) -> str:
    error = f", {wire['error']}" if wire.get("error") else ""
    return cut(f"HTTP {wire.get('status')}{error}", MAX_EVENT_CHARACTERS)


def _lines(wire: Mapping[str, Json], findings: Sequence[Found]) -> Iterator[Line]:
    answer = wire.get("answer")
    body = answer if isinstance(answer, str) else ""
    request = wire["request"]
    if not request.get("stream"):
        yield Line(name="body", text=cut(body, MAX_BODY_CHARACTERS))
        return
    events = sse.read([Read(0.0, body.encode("utf-8", "surrogatepass"))]).events
    marked = {finding.chunk for finding in findings if finding.chunk is not None}
    near = {at for one in marked for at in range(one - EVENTS_AROUND, one + EVENTS_AROUND + 1)}
    ends = {*range(EVENTS_AROUND), *range(len(events) - EVENTS_AROUND, len(events))}
    left_out = 0
    for event in events:
        if event.number not in near | ends:
            left_out += 1
            continue
        if left_out:
            yield Line(name=f"{counted(left_out, 'chunk')} left out")
            left_out = 0
        text = event.raw.decode("utf-8", "replace").strip()
        yield Line(
            name=f"chunk {event.number}",
            text=cut(text, MAX_EVENT_CHARACTERS),
            marked=event.number in marked,
        )
    if not events and body:
        yield Line(name="body", text=cut(body, MAX_BODY_CHARACTERS))


def _shown(finding: Found) -> Shown:
    same = 0
    for left, right in zip(finding.expected, finding.actual, strict=False):
        if left != right:
            break
        same += 1
    # One common character, such as a quote, is not worth marking.
    same = same if same > 1 else 0
    return Shown(
        finding=finding,
        same=cut(finding.expected[:same], MAX_TEXT_CHARACTERS),
        expected=cut(finding.expected[same:], MAX_TEXT_CHARACTERS),
        actual=cut(finding.actual[same:], MAX_TEXT_CHARACTERS),
    )


def command(results: Results, item: ItemResult) -> str | None:
    """Write the command that runs an item again, if the results name it."""
    repeat = results.run.repeat
    if item.test is None or repeat is None:
        return None
    return cut(f"pytest {shlex.quote(item.test)} {repeat}", MAX_COMMAND_CHARACTERS)


def _json(value: Json) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)


def _size(evidence: CaseEvidence) -> int:
    """Estimate how many characters the evidence takes on the page."""
    asked = sum(len(text) for _, text in evidence.messages) + len(evidence.tools)
    said = sum(len(text) for _, text in evidence.said or ())
    answers = sum(
        400
        + sum(len(line.text) + 60 for line in answer.lines)
        + sum(
            len(one.same) * 2 + len(one.expected) + len(one.actual) + 300 for one in answer.findings
        )
        + len(answer.curl or "")
        for answer in evidence.answers
    )
    return 800 + asked + said + answers
