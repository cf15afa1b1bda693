from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from conformance.base import schema
from conformance.base.jsonfile import write
from conformance.results.writer import (
    describe,
    digest,
    document,
    name_evidence,
    totals,
    write_evidence,
)
from conformance.rules import RULES
from conformance.terms.case import Case, Mode
from conformance.terms.outcome import Outcome
from conformance.terms.said import Text
from conformance.terms.server import Server
from conformance.verdicts.item import Item, Judged
from conformance.verdicts.known_issues import Issue, Known
from conformance.verdicts.verdict import Verdict, decide, judge
from conformance.wires.registry import DEFAULT
from tests.evidence import SAMPLES, sample

SCHEMA = json.loads((schema.FOLDER / "results.json").read_text("utf-8"))
SERVER = Server(
    url="http://localhost/v1",
    model="m",
    implementation="vllm",
    version="0.32.0",
    parser="hermes",
    format="hermes",
    template="tool_chat_template_hermes.jinja sha256:00",
    packages={"transformers": "5.0.0", "mistral_common": "1.11.6"},
    emission="scripted",
)
CASE = Case(
    id="single/one",
    about="One call.",
    path=Path("single.yaml"),
    line=3,
    messages=({"role": "user", "content": "Hi"},),
    says=(Text(text="Hi"),),
)
RUN: dict[str, Any] = {
    "started": "2026-11-22T08:30:00Z",
    "seconds": 1.5,
    "via": "launch",
    "level": "must",
    "selected": 3,
    "complete": True,
    "known": ["vllm.yaml"],
}


def judged(file: str, case: str = "single/one", mode: str = "stream") -> Judged:
    found = sample(SAMPLES / file)
    item = Item(case=replace(CASE, id=case), mode=Mode(name=mode, stream=mode != "complete"))
    verdict = decide(judge(found), known=Known(), case=item.case, mode=item.mode)
    return Judged(item=item, verdict=verdict, answer=found.answer)


def items() -> list[dict[str, Any]]:
    error = Verdict(outcome=Outcome.ERROR, reason="ConnectError")
    na = Verdict(outcome=Outcome.NA, reason="says nothing")
    failed = judged("said.arguments/wrong.sse", "single/two")
    return [
        describe(failed),
        describe(judged("said.arguments/right.sse", "single/one")),
        describe(judged("said.arguments/right.json", "single/one", "complete")),
        describe(replace(failed, item=judged("msg.json/right.json").item, verdict=error)),
        describe(Judged(item=failed.item, verdict=na)),
    ]


def written(found: Any) -> Any:
    """What a reader of the file gets."""
    return json.loads(json.dumps(found))


def check(found: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(found, SCHEMA, cls=jsonschema.Draft202012Validator)


def test_a_document_is_as_its_schema_says(tmp_path: Path) -> None:
    found = items()
    assert write_evidence(tmp_path, name_evidence(found)) == {}
    check(written(document(SERVER, found, files=[], run=RUN)))


def test_a_document_of_a_server_that_says_nothing_of_itself_is_as_its_schema_says() -> None:
    server = replace(SERVER, version=None, template=None, packages={}, emission="sampled")
    check(written(document(server, [], files=[], run={**RUN, "complete": False})))


def test_the_schema_refuses_what_is_not_in_it() -> None:
    found = written(document(SERVER, items(), files=[], run=RUN))
    found["results"][0]["outcome"] = "failed"
    with pytest.raises(jsonschema.ValidationError, match="'failed' is not one of"):
        check(found)


def test_results_are_sorted_by_case_and_mode_and_counted() -> None:
    found = document(SERVER, items(), files=[], run=RUN)
    assert [(item["case"], item["mode"], item["outcome"]) for item in found["results"]] == [
        ("single/one", "complete", "pass"),
        ("single/one", "stream", "pass"),
        ("single/one", "stream", "error"),
        ("single/two", "stream", "fail"),
        ("single/two", "stream", "n/a"),
    ]
    assert found["totals"] == {
        "pass": 2,
        "fail": 1,
        "known": 0,
        "policy": 0,
        "stale": 0,
        "inconclusive": 0,
        "n/a": 1,
        "error": 1,
    }
    assert (found["suite"]["cases"], found["suite"]["rules"]) == (2, len(RULES))
    assert list(found["target"]["packages"]) == ["mistral_common", "transformers"]


def test_a_failure_has_its_findings_and_its_exchange() -> None:
    found = describe(judged("said.arguments/wrong.sse"))
    assert found["findings"] == [
        {
            "rule": "said.arguments",
            "level": "must",
            "outcome": "fail",
            "where": "choice 0 call 0 arguments $.city",
            "expected": '"Paris"',
            "actual": '"Pars"',
            "chunk": 3,
            "known": None,
        }
    ]
    assert found["rules"]["said.arguments"] == "fail"
    assert found["exchange"]["answer"].startswith('data: {"id": "chatcmpl-1"')
    assert found["exchange"]["request"]["stream"] is True


def test_a_pass_that_may_fail_by_chance_says_so() -> None:
    issue = Issue(
        id="i", about="a", modes=(), flaky_modes=("stream",), cases=("*",), rules=("args.json",)
    )
    item = Item(case=CASE, mode=Mode(name="stream", stream=True))
    verdict = decide(
        judge(sample(SAMPLES / "said.arguments/right.sse")),
        known=Known(issues=(issue,)),
        case=item.case,
        mode=item.mode,
    )
    found = describe(Judged(item=item, verdict=verdict))
    assert (found["chance"], found["outcome"]) == (["args.json"], "pass")
    assert written(found)["chance"] == ["args.json"]


def test_a_pass_keeps_no_exchange() -> None:
    found = describe(judged("said.arguments/right.sse"))
    assert (found["outcome"], found["findings"], found["exchange"]) == ("pass", [], None)


def test_an_item_without_an_answer_is_described() -> None:
    verdict = Verdict(outcome=Outcome.NA, reason="says nothing")
    found = describe(Judged(item=judged("msg.json/right.json").item, verdict=verdict))
    assert (found["seconds"], found["rules"], found["exchange"]) == (0.0, {}, None)


def test_the_exchanges_are_written_beside_the_results(tmp_path: Path) -> None:
    found = items()
    assert write_evidence(tmp_path, name_evidence(found)) == {}
    assert [item["wire"] for item in found] == [
        "wire/single.two.stream.json",
        None,
        None,
        "wire/single.one.stream.json",
        None,
    ]
    kept = json.loads((tmp_path / "wire" / "single.two.stream.json").read_text("utf-8"))
    assert kept == written(found[0]["exchange"])
    assert "exchange" not in document(SERVER, found, files=[], run=RUN)["results"][0]


def test_every_outcome_is_counted() -> None:
    found = totals([{"outcome": str(outcome)} for outcome in Outcome])
    assert found == {str(outcome): 1 for outcome in Outcome}


def test_the_digest_changes_with_what_is_asked(tmp_path: Path) -> None:
    one, two = tmp_path / "a.yaml", tmp_path / "b.yaml"
    one.write_text("a", "utf-8")
    two.write_text("b", "utf-8")
    assert digest([one, two]) == digest([two, one, one])
    both = digest([one, two])
    assert both != digest([one])
    two.write_text("c", "utf-8")
    assert both != digest([one, two])


def test_what_is_written_is_whole_and_ascii(tmp_path: Path) -> None:
    path = tmp_path / "a" / "results.json"
    found = {"text": "\ud800 ☃ \x1b \u2028", "list": [1, 1.5, None]}
    write(path, found)
    assert path.read_bytes().isascii()
    assert json.loads(path.read_text("utf-8")) == found
    assert [file.name for file in path.parent.iterdir()] == ["results.json"]


class Endless:
    """Something that no JSON holds."""


def interrupted() -> Iterator[tuple[str, Any]]:
    yield "first", "x" * 100_000
    raise KeyboardInterrupt


class Interrupting(dict[str, Any]):
    """Is broken off after its first entry was written."""

    def items(self) -> Any:
        return interrupted()


@pytest.mark.parametrize(
    ("found", "problem"),
    [({"a": "x" * 100_000, "b": Endless()}, TypeError), (Interrupting(a=1), KeyboardInterrupt)],
    ids=["no JSON", "interrupted"],
)
def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, found: Any, problem: type[BaseException]
) -> None:
    path = tmp_path / "results.json"
    write(path, {"old": True})
    with pytest.raises(problem):
        write(path, found)
    assert json.loads(path.read_text("utf-8")) == {"old": True}
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]


def test_a_lone_surrogate_in_a_request_survives(tmp_path: Path) -> None:
    failed = judged("said.arguments/wrong.sse")
    assert failed.answer is not None
    exchange = replace(failed.answer.exchange, request={"messages": "\ud800"})
    item = describe(replace(failed, answer=DEFAULT.read(exchange)))
    assert write_evidence(tmp_path, name_evidence([item])) == {}
    assert json.loads((tmp_path / item["wire"]).read_bytes())["request"]["messages"] == "\ud800"
