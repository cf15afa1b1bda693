"""What a run prints and writes, and when it is green."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

import conformance
from conformance.reference import FAULTS, Reference
from tests.pytest_run import CASES, COMPLETED, FAILED, NOTHING_TESTED, REFERENCE, Run

pytest_plugins = ["pytester"]


def test_a_run_against_a_right_server_passes_and_says_what_it_tested(run: Run) -> None:
    found = run(*REFERENCE)
    assert found.ret == COMPLETED
    assert run.totals == {"pass": 10}
    assert run.results["run"]["complete"]
    assert run.results["run"]["selected"] == 10
    assert run.results["target"]["id"] == f"reference-{conformance.__version__}-hermes"
    found.stdout.fnmatch_lines(
        [
            "conformance: reference-*-hermes at http://127.0.0.1:*/v1, model reference, *",
            "emission: scripted: *",
            "2 cases, each complete, stream, stream-characters, stream-interval-5, *",
            "mine.yaml ..........*",
            "* rules passed wherever they applied; * applied nowhere",
            "10 items: 10 pass, 0 fail, 0 in error",
            "results: results.json",
        ]
    )


def test_the_first_line_of_a_failure_says_what_is_wrong(run: Run) -> None:
    found = run(*REFERENCE, "--fault", "name-twice", "--junitxml", "junit.xml")
    assert found.ret == FAILED
    assert run.totals == {"pass": 6, "fail": 4}
    first = "chunk.name.once  MUST  expected no name after the first, got 'look'"
    found.stdout.fnmatch_lines(
        [
            "*_ zig?stream? _*",
            first,
            "  case      mine/zig [[]stream[]]  mine.yaml:5",
            "  where     chunk * choices[[]0[]].delta.tool_calls[[]0[]].function.name",
            '  wire      +*s  data: {… "choices": *',
            "  why       *",
            "  known     no known issues are listed for this server",
            '  repeat    pytest "mine.yaml::zig?stream?" --reference --parser hermes --fault=*',
            "chunk.name.once               must * 4 *",
            "FAILED mine.yaml::zig?stream? - chunk.name.once  MUST *",
        ]
    )
    assert first.replace("'", "&#x27;") in (run.folder / "junit.xml").read_text().replace(
        "'", "&#x27;"
    )
    assert max(map(len, found.stdout.str().splitlines()[10:30])) <= 120


def test_junit_xml_has_rule_ids_and_flat_properties(run: Run) -> None:
    run(*REFERENCE, "--fault", "name-twice", "-k", "zig and not characters", "--junitxml=j.xml")
    suite = ElementTree.parse(run.folder / "j.xml").getroot()
    told = {
        case.get("name"): [(one.get("name"), one.get("value")) for one in case.iter("property")]
        for case in suite.iter("testcase")
    }
    assert told["zig[stream]"] == [
        ("conformance.case", "mine/zig"),
        ("conformance.mode", "stream"),
        ("conformance.outcome", "fail"),
        ("conformance.fail", "chunk.name.once"),
    ]
    assert told["zig[complete]"][-1] == ("conformance.outcome", "pass")
    messages = [one.get("message") or "" for one in suite.iter("failure")]
    assert len(messages) == 3
    assert all(message.startswith("chunk.name.once  MUST  expected ") for message in messages)


def test_every_exchange_with_findings_is_kept(run: Run) -> None:
    run(*REFERENCE, "--fault", "name-twice")
    failed = [item for item in run.results["results"] if item["outcome"] == "fail"]
    for item in failed:
        wire = json.loads((run.folder / item["wire"]).read_text("utf-8"))
        assert wire["request"]["stream"] is True
        assert wire["answer"].count('"name": "look"') > 1
    passed = [item for item in run.results["results"] if item["outcome"] == "pass"]
    assert {item["wire"] for item in passed} == {None}


def test_a_weaker_rule_fails_only_if_the_bar_is_raised(run: Run) -> None:
    fault = ("--fault", "wrong-content-type")
    assert run(*REFERENCE, *fault).ret == COMPLETED
    assert {item["outcome"] for item in run.results["results"]} == {"pass"}
    found = run(*REFERENCE, *fault, "--level", "should")
    assert found.ret == FAILED
    found.stdout.fnmatch_lines(["sse.content-type  SHOULD  expected text/event-stream, got *"])


def test_a_run_that_decides_nothing_does_not_pass(run: Run) -> None:
    run.write("mine.yaml", CASES.replace("    says:", "    sampled: false\n    says:"))
    found = run(*REFERENCE, "--emission", "sampled")
    assert found.ret == NOTHING_TESTED
    assert run.totals == {"n/a": 4}
    found.stdout.fnmatch_lines(["SKIPPED * mine.yaml:*: not applicable: only a script *"])


def test_results_name_the_command_without_the_address(run: Run) -> None:
    with Reference("hermes") as running:
        run("--server-url", running.url, "--parser", "hermes")
        assert running.url not in (run.folder / "results.json").read_text("utf-8")
    assert run.results["run"]["repeat"] == '--server-url "$URL" --parser hermes'
    assert run.results["results"][0]["test"] == "mine.yaml::zag[complete]"


KEY = "sk-very-secret-0123456789"


def test_the_key_is_in_nothing_that_is_written(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFORMANCE_API_KEY", KEY)
    for name in ("name-twice", "refuses", "status-500", "closes-early"):
        with Reference("hermes", fault=FAULTS[name]) as running:
            found = run("--server-url", running.url, "--parser", "hermes", "-k", "zig", "-vv")
        assert found.ret == FAILED
        assert KEY not in found.stdout.str() + found.stderr.str()
    written = [path for path in run.folder.rglob("*") if path.is_file()]
    assert any(path.parent.name == "wire" for path in written)
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []
