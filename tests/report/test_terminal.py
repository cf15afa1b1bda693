from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from conformance.report.terminal import (
    failure,
    header,
    headline,
    known_table,
    rules_table,
    totals_line,
    trouble,
)
from conformance.rules import RULES
from conformance.terms.case import Case, Mode
from conformance.terms.outcome import Finding, Level, Outcome
from conformance.terms.said import Text
from conformance.terms.server import Server
from conformance.verdicts.item import Item, Judged
from conformance.verdicts.known_issues import Issue, Known
from conformance.verdicts.verdict import Judgement, decide, judge
from conformance.wires.registry import DEFAULT
from tests.evidence import SAMPLES, sample

SERVER = Server(
    url="http://localhost:8000/v1",
    model="m",
    implementation="vllm",
    version="0.32.0",
    parser="hermes",
    format="hermes",
)
ITEM = Item(
    case=Case(
        id="single/one-call",
        about="One call.",
        path=Path("/somewhere/cases/single.yaml"),
        line=31,
        messages=({"role": "user", "content": "Hi"},),
        says=(Text(text="Hi"),),
    ),
    mode=Mode(name="stream", stream=True),
)
LINK = "https://example.com/1"
REPEAT = "pytest 'cases/single.yaml::one-call[stream]' --server-url http://localhost:8000/v1"


def issue(id: str, rule: str) -> Issue:
    return Issue(id=id, about="The name comes twice.", cases=("*",), rules=(rule,))


def judged(file: str, *issues: Issue) -> Judged:
    found = sample(SAMPLES / file)
    known = Known(issues=issues)
    verdict = decide(judge(found), known=known, case=ITEM.case, mode=ITEM.mode)
    return Judged(item=ITEM, verdict=verdict, answer=found.answer)


def test_the_header_says_which_server_is_tested_and_how() -> None:
    assert header(SERVER) == [
        "conformance: vllm-0.32.0-hermes at http://localhost:8000/v1, model m, format hermes",
        "emission: sampled: the model answers as it likes; the truth is not known",
    ]
    full = replace(
        SERVER,
        emission="scripted",
        template="a.jinja sha256:00",
        packages={"torch": "2.9", "b": "1"},
    )
    assert header(full)[1:] == [
        "emission: scripted: the server says exactly what each case wants",
        "template: a.jinja sha256:00",
        "packages: torch 2.9, b 1",
    ]


def test_a_failure_is_reported_with_place_wire_reason_and_command() -> None:
    shown = failure(judged("chunk.name.once/wrong.sse"), REPEAT, ["vllm.yaml"])
    first, *rows = shown.splitlines()
    assert first == "chunk.name.once  MUST  expected no name after the first, got 'get_weather'"
    names = [row[2:12].strip() for row in rows]
    assert [name for name in names if name] == ["case", "where", "wire", "why", "known", "repeat"]
    assert rows[0] == "  case      single/one-call [stream]  single.yaml:31"
    assert rows[1] == "  where     chunk 2 choices[0].delta.tool_calls[0].function.name"
    assert rows[2].startswith('  wire      +0.100s  data: {… "choices": [{"index": 0, "delta":')
    assert rows[-2] == "  known     no entry in vllm.yaml matches"
    assert rows[-1] == f"  repeat    {REPEAT}"
    assert all(len(row) <= 80 for row in rows[:-1])


def test_without_known_issues_a_failure_says_so() -> None:
    shown = failure(judged("chunk.name.once/wrong.sse"), REPEAT, [])
    assert "  known     no known issues are listed for this server" in shown.splitlines()


def test_the_envelope_is_shown_where_it_is_the_fault() -> None:
    shown = failure(judged("chunk.id.constant/wrong.sse"), REPEAT, [])
    assert '  wire      +0.100s  data: {"id": "chatcmpl-2"' in shown


def test_a_finding_about_no_chunk_shows_no_wire() -> None:
    shown = failure(judged("said.calls/wrong.json"), REPEAT, [])
    assert (
        shown.splitlines()[0] == "said.calls  MUST  expected get_weather, get_time, got get_weather"
    )
    assert "  wire" not in shown


def test_more_findings_of_a_rule_are_listed_and_then_counted() -> None:
    found = judged("chunk.name.once/wrong.sse")
    (failed,) = found.verdict.of(Outcome.FAIL)
    same, other = (
        Finding(where=f"chunk {number}", expected=failed.findings[0].expected, actual=actual)
        for number, actual in ((3, failed.findings[0].actual), (4, "'f'"))
    )
    more = replace(failed, findings=(failed.findings[0], same, other, same), total=25)
    rows = failure(
        replace(found, verdict=replace(found.verdict, judgements=(more,))), REPEAT, []
    ).splitlines()
    assert [row for row in rows if row.startswith(("  also", "  more"))] == [
        "  also      chunk 3",
        "  also      chunk 4: expected no name after the first, got 'f'",
        "  more      22 findings of this rule",
    ]


def test_each_failure_has_a_block_and_what_is_known_is_named_beside() -> None:
    found = judged("msg.required/wrong.json", issue("envelope", "said.calls"))
    known = replace(found.verdict.judgements[0], outcome=Outcome.KNOWN, issue=issue("old", "x"))
    verdict = replace(found.verdict, judgements=(known, *found.verdict.judgements[1:]))
    blocks = failure(replace(found, verdict=verdict), REPEAT, []).split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == [
        "msg.required  MUST  expected a value of type str, got 'absent'",
        "said.calls  MUST  passes, but is known to fail",
        f"also known here: {known.rule.id} (old)",
    ]


def test_a_stale_issue_is_named_with_what_to_do() -> None:
    found = judged("chunk.name.once/right.sse", issue("name-twice", "chunk.name.once"))
    assert failure(found, REPEAT, ["vllm.yaml"]).splitlines() == [
        "chunk.name.once  MUST  passes, but is known to fail",
        "  case      single/one-call [stream]  single.yaml:31",
        "  known     name-twice: The name comes twice.",
        "  do        remove this case or mode from the issue, or close its versions",
        f"  repeat    {REPEAT}",
    ]


def test_trouble_is_reported_with_its_reason() -> None:
    assert trouble(ITEM, "waited 60 s for more bytes", REPEAT).splitlines() == [
        "no whole answer: waited 60 s for more bytes",
        "  case      single/one-call [stream]  single.yaml:31",
        f"  repeat    {REPEAT}",
    ]


def test_a_headline_has_the_level() -> None:
    rule = replace(RULES["args.json"], level=Level.SHOULD)
    finding = Finding(where="here", expected="one JSON value", actual="two")
    found = Judgement(rule=rule, outcome=Outcome.FAIL, findings=(finding,), total=1)
    assert headline(found) == "args.json  SHOULD  expected one JSON value, got two"


def rules(**outcomes: str) -> dict[str, Any]:
    return {"rules": {id.replace("_", "."): outcome for id, outcome in outcomes.items()}}


def test_rules_are_counted_and_those_without_trouble_summed_up() -> None:
    items = [
        rules(args_json="pass", args_object="fail", said_calls="n/a"),
        rules(args_json="pass", args_object="known", said_calls="n/a"),
        rules(args_json="pass", args_object="pass", id_unique="inconclusive"),
        rules(args_json="n/a", args_object="stale"),
        rules(args_object="policy"),
    ]
    assert rules_table(items) == [
        "rule                          level      pass   fail  known policy  stale unsure",
        "args.object                   must          1      1      1      1      1      -",
        "id.unique                     must          -      -      -      -      -      1",
        f"1 other rule passed wherever it applied; {len(RULES) - 3} applied nowhere",
    ]


def test_a_table_without_trouble_is_a_line() -> None:
    every = {"rules": dict.fromkeys(RULES, "pass")}
    assert rules_table([every]) == [f"{len(RULES)} rules passed wherever they applied"]


def finding(issue: str | None, outcome: str = "known") -> dict[str, Any]:
    return {"outcome": outcome, "known": issue, "rule": "args.json"}


def met(case: str, mode: str, *findings: dict[str, Any], by_chance: bool = False) -> dict[str, Any]:
    chance = ["args.json"] if by_chance else []
    return {"case": case, "mode": mode, "findings": list(findings), "chance": chance}


def test_known_issues_are_named_with_the_number_of_items() -> None:
    often = replace(issue("often", "args.json"), source=LINK)
    issues = [issue("rare", "args.json"), issue("idle", "args.json"), often]
    items = [
        met("a", "stream", finding("rare"), finding("often")),
        met("a", "stream", finding("often"), finding(None, "fail")),
        met("a", "complete", finding("often"), by_chance=True),
        met("b", "stream"),
    ]
    assert known_table(items, issues) == [
        "    2 items  often, 1 of them by chance",
        "             The name comes twice.",
        "             https://example.com/1",
        "    1 item   rare",
        "             The name comes twice.",
    ]
    assert known_table([], issues) == []


def test_the_totals_are_a_sentence() -> None:
    counts = {"pass": 5, "fail": 0, "known": 2, "stale": 0, "inconclusive": 1, "n/a": 3, "error": 0}
    assert totals_line(counts) == (
        "11 items: 5 pass, 0 fail, 2 known to fail, 1 inconclusive, 3 not applicable, 0 in error"
    )


def test_a_request_is_a_command_that_a_shell_reads_back() -> None:
    request = {"messages": [{"content": 'it\'s "so" \\ \ud800 $HOME `x`\n'}]}
    words = shlex.split(DEFAULT.curl(request, "http://localhost/v1"))
    assert words[:3] == ["curl", "-sN", "http://localhost/v1/chat/completions"]
    assert json.loads(words[-1]) == request
