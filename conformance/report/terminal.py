"""What a person reads in the terminal: a failure, the rules, the known issues."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from conformance.base import jsonvalue, printable
from conformance.base.printable import counted
from conformance.client.retry import Waits
from conformance.formats.registry import server_id
from conformance.rules import RULES
from conformance.runs.emissions import emission_of
from conformance.terms.outcome import Outcome
from conformance.terms.server import Server
from conformance.verdicts.item import Item, Judged
from conformance.verdicts.known_issues import Issue
from conformance.verdicts.verdict import Judgement
from conformance.wires.answer import Answer

WIDTH = 80
MAX_FINDINGS = 3
MAX_ISSUES = 3
MAX_NAME_CHARACTERS = 200
MAX_WIRE_CHARACTERS = 320
MAX_SAID_CHARACTERS = 240
Result = Mapping[str, Any]
"""One entry of `results`."""


def header(server: Server) -> list[str]:
    """Say which server is tested, and how."""
    lines = [
        f"conformance: {printable.line(server_id(server), MAX_NAME_CHARACTERS)} "
        f"at {server.url}, model {printable.line(server.model, MAX_NAME_CHARACTERS)}, "
        f"format {server.format}",
        f"emission: {server.emission}: {emission_of(server).about(server)}",
    ]
    if server.template:
        lines.append(f"template: {server.template}")
    if server.packages:
        listed = ", ".join(f"{name} {version}" for name, version in server.packages.items())
        lines.append(f"packages: {listed}")
    return lines


def failure(judged: Judged, repeat: str, known_files: Sequence[str]) -> str:
    """Write an item's failures; the first line of each can stand alone."""
    blocks = [
        _block(judged, judgement, repeat, known_files)
        for judgement in judged.verdict.of(Outcome.FAIL, Outcome.STALE)
    ]
    beside = judged.verdict.of(Outcome.KNOWN, Outcome.POLICY)
    if beside:
        listed = ", ".join(f"{found.rule.id} ({_excuse(found)})" for found in beside)
        blocks.append(f"also known here: {listed}")
    return "\n\n".join(blocks)


def trouble(item: Item, reason: str, repeat: str) -> str:
    """Say why there is no whole answer to judge."""
    case = item.case
    lines = [printable.line(f"no whole answer: {reason}")]
    lines.extend(_row("case", f"{case.id} [{item.mode.name}]  {case.path.name}:{case.line}"))
    lines.extend(_row("repeat", repeat))
    return "\n".join(lines)


def finding(file: str, answer: Answer | None, judgement: Judgement) -> str:
    """Write a rule's findings in a recorded answer; its events have no times."""
    lines = [headline(judgement), *_row("file", file)]
    for name, text in _finding_rows(answer, judgement):
        lines.extend(_row(name, text.partition("  ")[2] if name == "wire" else text))
    lines.extend(_row("why", judgement.rule.why))
    return "\n".join(lines)


def unreadable(file: str, reason: str) -> str:
    """Say why a file holds no answer."""
    return "\n".join([printable.line(f"no answer: {reason}"), *_row("file", file)])


def unjudged(file: str, judgement: Judgement) -> str:
    """Say why a rule could not be applied to a recorded answer."""
    rule = judgement.rule
    line = f"{rule.id}  {rule.level.upper()}  not judged: {judgement.reason}"
    return "\n".join([printable.line(line), *_row("file", file)])


def headline(judgement: Judgement) -> str:
    """Say in one line what is wrong."""
    level = judgement.rule.level.upper()
    if judgement.outcome is Outcome.STALE:
        issue = judgement.issue
        listed = "is listed as a policy" if issue and issue.policy else "is known to fail"
        return f"{judgement.rule.id}  {level}  passes, but {listed}"
    first = judgement.findings[0]
    return printable.line(
        f"{judgement.rule.id}  {level}  expected {first.expected}, got {first.actual}"
    )


def _block(judged: Judged, judgement: Judgement, repeat: str, known_files: Sequence[str]) -> str:
    case = judged.item.case
    rows = [("case", f"{case.id} [{judged.item.mode.name}]  {case.path.name}:{case.line}")]
    if judgement.outcome is Outcome.STALE:
        issue = judgement.issue
        assert issue is not None
        kind, name = ("policy", "policy") if issue.policy else ("known", "issue")
        rows.append((kind, f"{issue.id}: {_joined(issue.about)}"))
        if issue.link:
            rows.append(("see", issue.link))
        rows.append(("do", f"remove this case or mode from the {name}, or close its versions"))
    else:
        rows.extend(_finding_rows(judged.answer, judgement))
        if judged.said is not None:
            rows.append(
                ("said", f"the model said {jsonvalue.show(judged.said, MAX_SAID_CHARACTERS)}")
            )
        if judged.fault is not None:
            rows.append(("fault", f"the {judged.fault}'s"))
        rows.append(("why", judgement.rule.why))
        listed = f"no entry in {', '.join(known_files)} matches" if known_files else ""
        rows.append(("known", listed or "no known issues are listed for this server"))
    rows.append(("repeat", repeat))
    lines = [headline(judgement)]
    for name, text in rows:
        lines.extend(_row(name, text))
    return "\n".join(lines)


def _finding_rows(answer: Answer | None, judgement: Judgement) -> Iterator[tuple[str, str]]:
    first, *others = judgement.findings
    yield "where", first.where
    wire = answer.wire(first.chunk) if answer else None
    if wire is not None:
        yield "wire", _without_envelope(wire, first.where)
    for other in others[: MAX_FINDINGS - 1]:
        same = (other.expected, other.actual) == (first.expected, first.actual)
        difference = "" if same else f": expected {other.expected}, got {other.actual}"
        yield "also", f"{other.where}{difference}"
    if judgement.total > MAX_FINDINGS:
        yield "more", f"{counted(judgement.total - MAX_FINDINGS, 'finding')} of this rule"


def _without_envelope(wire: str, where: str) -> str:
    """Leave out the envelope of a chunk if the finding is about a choice."""
    time, _, event = wire.partition("  ")
    at = event.find('"choices"')
    if "choice" in where and at > 0:
        event = f"data: {{… {event[at:]}"
    return f"{time}  {_cut(event, MAX_WIRE_CHARACTERS)}"


def _row(name: str, text: str) -> list[str]:
    """Write a named row of any text; a command to copy stays on one line."""
    text = printable.line(text)
    if name == "repeat":
        return [f"  {name:<10}{text}"]
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"  {name:<10}",
        subsequent_indent=" " * 12,
        break_long_words=name == "wire",
        break_on_hyphens=False,
    )


def rules_table(items: Sequence[Result]) -> list[str]:
    """Count each rule's outcomes, in the items to which it applies."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        for rule, outcome in item["rules"].items():
            counts[rule][outcome] += 1
    columns = ["pass", "fail", "known", "policy", "stale", "inconclusive"]
    rows: list[str] = []
    clean = idle = 0
    for rule in RULES.values():
        count = counts[rule.id]
        applied = sum(count[name] for name in columns)
        if not applied:
            idle += 1
        elif count["pass"] == applied:
            clean += 1
        else:
            cells = "".join(f"{count[name] or '-':>7}" for name in columns)
            rows.append(f"{rule.id:<30}{rule.level:<8}{cells}")
    if rows:
        rows.insert(
            0, f"{'rule':<30}{'level':<8}" + "".join(f"{_short(one):>7}" for one in columns)
        )
    other = "other " if rows else ""
    holds = f"{other}rule passed wherever it applied", f"{other}rules passed wherever they applied"
    passed = counted(clean, *holds)
    return [*rows, f"{passed}; {idle} applied nowhere" if idle else passed]


def cite(issue: Issue) -> str:
    """Name an issue, and where to read more."""
    return f"{issue.id} ({issue.link})" if issue.link else issue.id


def known_table(items: Sequence[Result], issues: Iterable[Issue]) -> list[str]:
    """Name the issues that were met, with how many items they excuse, and how many by chance."""
    met: dict[str, set[tuple[str, str]]] = defaultdict(set)
    by_chance: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for item in items:
        for finding in item["findings"]:
            if finding["known"]:
                met[finding["known"]].add((item["case"], item["mode"]))
                if finding["rule"] in item["chance"]:
                    by_chance[finding["known"]].add((item["case"], item["mode"]))
    lines = []
    for issue in sorted(issues, key=lambda issue: (-len(met[issue.id]), issue.id)):
        places = met[issue.id]
        if not places:
            continue
        chance = len(by_chance[issue.id])
        lines.append(
            f"{len(places):>5} {'item ' if len(places) == 1 else 'items'}  {issue.id}"
            f"{f', {chance} of them by chance' if chance else ''}"
        )
        indent = " " * 13
        lines.extend(
            textwrap.wrap(_joined(issue.about), 78, initial_indent=indent, subsequent_indent=indent)
        )
        if issue.link:
            lines.append(f"{indent}{printable.line(issue.link)}")
    return lines


def unmatched(issues: Sequence[str]) -> str:
    """Name the known issues and policies that list none of the collected cases and rules."""
    names = printable.line(", ".join(issues[:MAX_ISSUES]), MAX_NAME_CHARACTERS)
    more = ", …" if len(issues) > MAX_ISSUES else ""
    what = "known issues or policies that list none of these cases and rules"
    return f"{what}: {len(issues)} ({names}{more})"


def totals_line(totals: Mapping[str, int]) -> str:
    """Count the outcomes of all items, in one line."""
    words = {
        "n/a": "not applicable",
        "known": "known to fail",
        "policy": "failing by policy",
        "error": "in error",
    }
    listed = [
        f"{count} {words.get(name, name)}"
        for name, count in totals.items()
        if count or name in ("pass", "fail", "error")
    ]
    return f"{counted(sum(totals.values()), 'item')}: {', '.join(listed)}"


def waits_line(waits: Waits) -> str:
    """Say how often and how long the run waited for the server."""
    times = "once" if waits.times == 1 else f"{waits.times} times"
    return f"waited {times} for the server, {waits.seconds:.1f} s in all (busy or gone)"


def _excuse(judgement: Judgement) -> str:
    if judgement.issue is None:
        return "baseline"
    return f"policy {judgement.issue.id}" if judgement.issue.policy else judgement.issue.id


def _joined(text: str) -> str:
    """Put the words of a file's text on one line."""
    return printable.line(" ".join(text.split()))


def _short(column: str) -> str:
    return "unsure" if column == "inconclusive" else column


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
