"""What a person reads in the terminal: a failure, the rules, the known issues."""

from __future__ import annotations

import json
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conformance.model import Finding, Outcome, Server
from conformance.rules import RULES
from conformance.session import Judged
from conformance.verdict import Judgement

WIDTH = 100
SHOWN_FINDINGS = 3
Item = Mapping[str, Any]


def header(server: Server) -> list[str]:
    """Say which server is tested, and how."""
    emission = {
        "scripted": "scripted: the server says exactly what each case wants",
        "sampled": "sampled: the model answers as it likes; the truth is not known",
    }
    lines = [
        f"conformance: {server.id} at {server.url}, model {server.model}, format {server.format}",
        f"emission: {emission[server.emission]}",
    ]
    if server.template:
        lines.append(f"template: {server.template}")
    if server.packages:
        listed = ", ".join(f"{name} {version}" for name, version in server.packages.items())
        lines.append(f"packages: {listed}")
    return lines


def failure(judged: Judged, repeat: str, known_files: Sequence[str]) -> str:
    """Write an item's failures, the most telling first; each first line suffices alone."""
    blocks = [
        _block(judged, judgement, repeat, known_files)
        for judgement in judged.verdict.of(Outcome.FAIL, Outcome.STALE)
    ]
    beside = judged.verdict.of(Outcome.KNOWN)
    if beside:
        listed = ", ".join(f"{found.rule.id} ({_issue_id(found)})" for found in beside)
        blocks.append(f"also known here: {listed}")
    return "\n\n".join(blocks)


def headline(judgement: Judgement) -> str:
    """Say in one line what is wrong."""
    level = judgement.rule.level.upper()
    if judgement.outcome is Outcome.STALE:
        return f"{judgement.rule.id}  {level}  passes, but is known to fail"
    first = judgement.findings[0]
    return f"{judgement.rule.id}  {level}  expected {first.expected}, got {first.actual}"


def _block(judged: Judged, judgement: Judgement, repeat: str, known_files: Sequence[str]) -> str:
    case = judged.item.case
    rows = [("case", f"{case.id} [{judged.item.mode.name}]  {case.path.name}:{case.line}")]
    if judgement.outcome is Outcome.STALE:
        issue = judgement.issue
        assert issue is not None
        rows.append(("known", f"{issue.id}: {issue.about}"))
        rows.append(("do", "remove this case or mode from the issue, or close its versions"))
    else:
        for finding in judgement.findings[:SHOWN_FINDINGS]:
            rows.extend(_finding_rows(judged, finding, judgement))
        if judgement.total > SHOWN_FINDINGS:
            rows.append(("more", f"{judgement.total - SHOWN_FINDINGS} findings of this rule"))
        rows.append(("why", judgement.rule.why))
        listed = ", ".join(known_files) or "no file of known issues"
        rows.append(("known", f"no entry in {listed} matches"))
    rows.append(("repeat", repeat))
    lines = [headline(judgement)]
    for name, text in rows:
        lines.extend(_row(name, text, wrap=name not in ("wire", "repeat")))
    return "\n".join(lines)


def _finding_rows(
    judged: Judged, finding: Finding, judgement: Judgement
) -> Iterator[tuple[str, str]]:
    yield "where", finding.where
    if finding is not judgement.findings[0]:
        yield "", f"expected {finding.expected}, got {finding.actual}"
    wire = judged.answer.wire(finding.chunk) if judged.answer else None
    if wire is not None:
        yield "wire", _cut(wire, 400)


def _row(name: str, text: str, wrap: bool) -> list[str]:
    indent = " " * 12
    if not wrap:
        return [f"  {name:<10}{text}"]
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"  {name:<10}",
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def rules_table(items: Sequence[Item]) -> list[str]:
    """Count, by rule, what it came to in the items to which it applies."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        for rule, outcome in item["rules"].items():
            counts[rule][outcome] += 1
    columns = ["pass", "fail", "known", "stale", "inconclusive"]
    lines = [f"{'rule':<30}{'level':<8}" + "".join(f"{_short(name):>8}" for name in columns)]
    clean = applied = 0
    for rule in RULES.values():
        count = counts[rule.id]
        if not sum(count[name] for name in columns):
            continue
        applied += 1
        if count["pass"] == sum(count[name] for name in columns):
            clean += 1
            continue
        cells = "".join(f"{count[name] or '-':>8}" for name in columns)
        lines.append(f"{rule.id:<30}{rule.level:<8}{cells}")
    idle = len(RULES) - applied
    lines.append(f"{clean} more rules passed in every item to which they apply")
    if idle:
        lines.append(f"{idle} rules applied to no item")
    return lines


def known_table(items: Sequence[Item], about: Mapping[str, str]) -> list[str]:
    """Name the known issues that were met, with the number of items."""
    met: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for item in items:
        for finding in item["findings"]:
            if finding["outcome"] == "known":
                met[finding["known"]].add((item["case"], item["mode"]))
    lines = []
    for issue, places in sorted(met.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        lines.append(f"{len(places):>5} items  {issue}")
        lines.extend(
            textwrap.wrap(
                about.get(issue, ""), 78, initial_indent=" " * 13, subsequent_indent=" " * 13
            )
        )
    return lines


def totals_line(totals: Mapping[str, int]) -> str:
    """Say what the items came to, in one line."""
    words = {"n/a": "not applicable", "known": "known to fail", "error": "in error"}
    told = [
        f"{count} {words.get(name, name)}"
        for name, count in totals.items()
        if count or name in ("pass", "fail", "error")
    ]
    return f"{sum(totals.values())} items: {', '.join(told)}"


def curl(request: Any, url: str) -> str:
    """Write a request as a command for a shell."""
    body = json.dumps(request).replace("'", "'\\''")
    return f"curl -sN {url}/chat/completions -H 'content-type: application/json' -d '{body}'"


def _issue_id(judgement: Judgement) -> str:
    return judgement.issue.id if judgement.issue else ""


def _short(column: str) -> str:
    return "unsure" if column == "inconclusive" else column


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
