"""Whole pytest runs, as a user starts them: what they print, what they write, how they exit."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpcore2  # noqa: F401 -- httpx2 imports it late, and each run inside would get a copy
import pytest
from starlette.responses import Response, StreamingResponse

import conformance
from conformance.base.jsonvalue import Json
from conformance.commands import main
from conformance.engines import target
from conformance.reference import FAULTS, Reference
from conformance.reference.fault import Fault
from tests.pytest_run import (
    CASES,
    COMPLETED,
    FAILED,
    INTERRUPTED,
    NOTHING_TESTED,
    PACKAGE,
    REFERENCE,
    USAGE_ERROR,
    Run,
)
from tests.servers import closed_port

pytest_plugins = ["pytester"]

KEY = "sk-very-secret-0123456789"
KNOWN = """
schema: 1
implementation: reference
issues:
  - id: sent-twice
    about: The name of a call is sent in every delta.
    versions: ">=0"
    cases: ["mine/zig"]
    modes: ["stream*"]
    rules: [chunk.name.once]
    added: "2026-11-22"
"""


def errors(found: pytest.RunResult) -> list[str]:
    return [line for line in found.errlines if line.startswith("ERROR: ")]


def timeless(results: Json) -> Json:
    del results["run"]["started"], results["run"]["seconds"]
    for item in results["results"]:
        del item["seconds"]
    return results


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


def test_two_workers_come_to_the_same_results(run: Run) -> None:
    assert run(*REFERENCE, "--fault", "name-twice").ret == FAILED
    alone = timeless(run.results)
    found = run(*REFERENCE, "--fault", "name-twice", "-n", "2")
    assert found.ret == FAILED
    assert timeless(run.results) == alone
    found.stdout.fnmatch_lines(["chunk.name.once  MUST  expected *", "FAILED mine.yaml::*"])


def test_two_workers_that_stop_early_have_not_done_all(run: Run) -> None:
    run(*REFERENCE, "--fault", "name-twice", "-n", "2", "-x")
    assert run.results["run"]["selected"] == 10
    assert run.results["run"]["complete"] is False


def test_without_a_target_the_ways_to_name_one_are_told(run: Run) -> None:
    found = run()
    assert found.ret == USAGE_ERROR
    for way in ("--server-url", "--launch", "--reference", "CONFORMANCE_SERVER_URL"):
        found.stderr.fnmatch_lines([f"*{way}*"])
    assert not (run.folder / "results.json").exists()


def test_a_folder_without_cases_needs_no_target(run: Run) -> None:
    run.write("test_own.py", "def test_own(): pass")
    found = run.pytester.runpytest_inprocess("-p", "conformance.plugin", "test_own.py")
    assert found.ret == COMPLETED


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--server-url", "", "--parser", "hermes"], "--server-url is empty; allowed: http://"),
        (["--server-url", "localhost:1", "--parser", "hermes"], "'localhost:1' is no URL"),
        (["--server-url", "http://me:word@h/v1", "--parser", "hermes"], "--server-url: *password"),
        (["--server-url", "http://localhost:1/v1"], "--parser: say which tool-call parser"),
        (["--server-url", "http://localhost:1/v1", "--launch", "hermes"], "give one of them"),
        ([*REFERENCE, "--launch", "hermes"], "--launch and --reference: give one of them"),
        (["--reference", "--parser", "hermez"], "--parser: 'hermez' is unknown; did you mean"),
        ([*REFERENCE, "--format", "hermez"], "--format: 'hermez' is unknown; did you mean"),
        ([*REFERENCE, "--patience", "-1"], "--patience: -1.0; allowed: seconds from 0"),
        ([*REFERENCE, "--header", "X-Key: x"], "--header is for --server-url only"),
        ([*REFERENCE, "--ca-file", "ca.pem"], "--ca-file is for --server-url only"),
        (
            ["--server-url", "http://h/v1", "--parser", "hermes", "--header", "X-Key"],
            "--header X-Key: give its value in CONFORMANCE_HEADER_X_KEY",
        ),
        (
            ["--server-url", "https://h/v1", "--parser", "hermes", "--ca-file", "none.pem"],
            "--ca-file none.pem: no certificates can be read: No such file",
        ),
        ([*REFERENCE, "--concurrency", "0"], "--concurrency: 0; allowed: 1 and more"),
        ([*REFERENCE, "--known", "none.yaml", "mine.yaml"], "--known: *none.yaml"),
        (["--launch", "hermez"], "--launch: target hermez: there is no such target"),
        (["--launch", ""], "--launch: "),
        (["--launch", "hermes", "--parser", "hermes"], "--parser: a target has its own"),
        (["--fault", "name-twice", "--launch", "hermes"], "--fault is for --reference only"),
    ],
)
def test_a_wrong_option_is_one_clear_message(run: Run, options: list[str], told: str) -> None:
    found = run(*options)
    assert found.ret == USAGE_ERROR
    assert len(errors(found)) == 1
    found.stderr.fnmatch_lines([f"ERROR: *{told}*"])
    assert "Traceback" not in found.stderr.str() + found.stdout.str()


def test_an_unknown_fault_is_refused_with_those_that_there_are(run: Run) -> None:
    found = run(*REFERENCE, "--fault", "name-twicee")
    assert found.ret == USAGE_ERROR
    found.stderr.fnmatch_lines(["*--fault*name-twicee*"])


def test_a_wrong_port_is_one_clear_message(run: Run) -> None:
    url = closed_port()
    found = run("--server-url", url, "--parser", "hermes")
    assert found.ret == USAGE_ERROR
    (error,) = errors(found)
    assert error.startswith(f"ERROR: no answer from {url}/models: ")


def test_the_environment_can_name_the_server(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Reference("hermes") as running:
        monkeypatch.setenv("CONFORMANCE_SERVER_URL", running.url)
        monkeypatch.setenv("CONFORMANCE_PARSER", "hermes")
        assert run("-k", "zag").ret == COMPLETED
    assert run.results["target"]["id"] == "unknown-hermes"


def test_a_malformed_case_file_is_an_error_with_its_line(run: Run) -> None:
    run.write("bad.yaml", CASES.replace("says: It", "sayz: It"))
    found = run(*REFERENCE, "bad.yaml", "mine.yaml")
    assert found.ret == INTERRUPTED
    found.stdout.fnmatch_lines(["*bad.yaml:*sayz*"])
    assert "Traceback" not in found.stdout.str()


@pytest.mark.parametrize("text", ["cases: [\n", "cases: 1\n", "", "schema: 1\n"])
def test_a_named_file_that_is_no_case_file_is_never_a_green_run(run: Run, text: str) -> None:
    run.write("bad.yaml", text)
    assert run(*REFERENCE, "bad.yaml").ret in (INTERRUPTED, USAGE_ERROR)


def test_a_run_that_decides_nothing_is_no_pass(run: Run) -> None:
    run.write("mine.yaml", CASES.replace("    says:", "    sampled: false\n    says:"))
    found = run(*REFERENCE, "--emission", "sampled")
    assert found.ret == NOTHING_TESTED
    assert run.totals == {"n/a": 4}
    found.stdout.fnmatch_lines(["SKIPPED * mine.yaml:*: not applicable: only a scripted model *"])


def test_a_sampled_server_is_judged_by_what_it_chose_to_say(run: Run) -> None:
    with Reference("hermes", scripted=False) as running:
        found = run("--server-url", running.url, "--parser", "hermes")
    assert found.ret == COMPLETED
    assert run.totals == {"pass": 2, "inconclusive": 2}
    found.stdout.fnmatch_lines(
        [
            "emission: sampled: *; what it said is read from its tokens",
            "failed or not decided, by whose fault it is: 2 model",
            "SKIPPED * mine.yaml:*: inconclusive: the model called *about ?'look'?*",
        ]
    )


def test_a_sampled_server_that_shows_no_tokens_leaves_open_whose_fault_it_is(run: Run) -> None:
    found = run(*REFERENCE, "--emission=sampled", "--variant=no-token-ids")
    assert found.ret == COMPLETED
    found.stdout.fnmatch_lines(
        [
            "emission: sampled: *; the truth is not known",
            "failed or not decided, by whose fault it is: 2 unclear",
        ]
    )
    assert {item["fault"] for item in run.results["results"]} == {None, "unclear"}


def test_cases_that_only_a_script_can_produce_are_counted_as_left_out(run: Run) -> None:
    run.write("mine.yaml", CASES.replace("    says: It", "    sampled: false\n    says: It"))
    found = run(*REFERENCE, "--emission=sampled")
    found.stdout.fnmatch_lines(["left out: 1 case, because only a script makes a model say that"])


DITHERING = (*REFERENCE, "--emission=sampled", "--variant=dithers", "--repeat=4")


def test_a_sampled_run_keeps_every_attempt_and_tells_how_often_the_model_called(run: Run) -> None:
    found = run(*DITHERING)
    assert found.ret == COMPLETED
    results = run.results
    assert results["run"]["repeats"] == 4
    assert results["target"]["tokens"] is True
    called = [one["called"] for item in results["results"] for one in item["attempts"]]
    assert called.count(None) == sum(len(i["attempts"]) for i in results["results"][:2])
    made, wanted = called.count(True), called.count(True) + called.count(False)
    found.stdout.fnmatch_lines([f"wanted calls made: {made} of {wanted}, *; * answers to 4 items"])


@pytest.mark.parametrize(("rate", "status"), [("0", COMPLETED), ("1", FAILED)])
def test_a_model_that_calls_too_seldom_fails_a_run_only_if_that_is_asked_for(
    run: Run, rate: str, status: int
) -> None:
    found = run(*DITHERING, "--require-calls", rate)
    assert found.ret == status
    told = [line for line in found.outlines if line.startswith("--require-calls=")]
    assert len(told) == (1 if status == FAILED else 0)
    assert run.totals.get("fail", 0) == 0
    assert run.results["run"]["require_calls"] == float(rate)


def test_where_no_call_is_wanted_none_can_be_required(run: Run) -> None:
    found = run(*DITHERING, "--require-calls=0", "-k", "zag")
    assert found.ret in (FAILED, NOTHING_TESTED)
    found.stdout.fnmatch_lines(["--require-calls=0: FAILED, no call was wanted in any item"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--repeat=2",), "--repeat: this server is scripted, and says what it is told each time"),
        (("--require-calls=1",), "--require-calls: this server is scripted"),
        (("--repeat=0",), "--repeat: 0; allowed: 1 and more"),
        (("--max-tokens=99",), "--max-tokens: this server is scripted"),
        (("--max-tokens=0",), "--max-tokens: 0; allowed: 1 and more"),
        (("--require-calls=80",), "--require-calls: 80; allowed: 0 to 1, such as 0.8"),
    ],
)
def test_scripted_answers_are_not_asked_for_twice(
    run: Run, options: tuple[str, ...], told: str
) -> None:
    found = run(*REFERENCE, *options)
    assert found.ret == USAGE_ERROR
    assert any(told in line for line in errors(found))


def test_a_sampled_baseline_is_weighed_by_rates(run: Run) -> None:
    # One at a time, so that no luck decides which request gets which answer.
    calm = (*DITHERING, "--concurrency=1")
    faulty = (*calm, "--fault", "finish-stop")
    assert run(*faulty).ret == FAILED
    (run.folder / "results.json").rename(run.folder / "before.json")
    found = run(*faulty, "--baseline=before.json")
    found.stdout.fnmatch_lines(
        [
            "since the baseline, reference*",
            "wanted calls: * then, * now: *",
            "finish.tool_calls broken: * then, *",
            "* rates of broken rules differ beyond chance (95 %), over 4 items",
        ]
    )
    assert run(*calm, "--baseline=before.json").ret == COMPLETED


def test_a_sampled_server_that_calls_nothing_is_no_pass(run: Run) -> None:
    with Reference("hermes", scripted=False) as running:
        found = run("--server-url", running.url, "--parser", "hermes", "-k", "zig")
    assert found.ret == NOTHING_TESTED


def test_a_fault_is_told_in_the_first_line_of_the_failure(run: Run) -> None:
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


def test_every_telling_exchange_is_kept(run: Run) -> None:
    run(*REFERENCE, "--fault", "name-twice")
    failed = [item for item in run.results["results"] if item["outcome"] == "fail"]
    for item in failed:
        wire = json.loads((run.folder / item["wire"]).read_text("utf-8"))
        assert wire["request"]["stream"] is True
        assert wire["answer"].count('"name": "look"') > 1
    passed = [item for item in run.results["results"] if item["outcome"] == "pass"]
    assert {item["wire"] for item in passed} == {None}


def test_an_answer_that_breaks_off_is_an_error_and_no_failure(run: Run) -> None:
    found = run(*REFERENCE, "--fault", "closes-early")
    assert found.ret == FAILED
    assert run.totals == {"pass": 2, "error": 8}
    found.stdout.fnmatch_lines(
        ["no whole answer: RemoteProtocolError: *", "ERROR mine.yaml::zig?stream? - no whole *"]
    )
    assert "Traceback" not in found.stdout.str()


@pytest.mark.parametrize("fault", ["stalls", "never-ends"])
def test_a_server_that_never_ends_holds_nobody_up(run: Run, fault: str) -> None:
    limit = ("--answer-timeout", "1")
    found = run(*REFERENCE, "--fault", fault, *limit, "-k", "zag", "--junitxml", "junit.xml")
    assert found.ret == FAILED
    assert run.totals == {"pass": 1, "error": 4}
    found.stdout.fnmatch_lines(["no whole answer: no end after 1 s"])


def test_a_server_that_dies_is_an_error_and_no_failure(run: Run) -> None:
    answered = itertools.count()
    running: list[Reference] = []

    async def never(events: list[bytes]) -> AsyncIterator[bytes]:
        yield events[0]
        await asyncio.Event().wait()

    def die(response: Response) -> Response:
        if next(answered) < 3:
            return response
        threading.Thread(target=running[0].stop).start()
        return StreamingResponse(never([b": the last words"]), media_type="text/event-stream")

    fault = Fault(name="dies", about="Dies.", owner="error", response=die)
    with Reference("hermes", fault=fault) as reference:
        running.append(reference)
        words = ("--server-url", reference.url, "--parser", "hermes", "--concurrency", "1")
        found = run(*words, "--patience", "1")
    assert found.ret == FAILED
    assert run.totals == {"pass": 3, "error": 7}
    found.stdout.fnmatch_lines(["*the server is asked no more*(--patience 1)*"])
    assert run.results["run"]["complete"]


def test_a_known_fault_is_excused_and_counted(run: Run) -> None:
    run.write("known.yml", KNOWN)
    found = run(*REFERENCE, "--fault", "name-twice", "--known", "known.yml")
    assert found.ret == COMPLETED
    assert run.totals == {"pass": 6, "known": 4}
    assert run.results["run"]["known"] == ["known.yml"]
    found.stdout.fnmatch_lines(
        ["*4 items  sent-twice", "*XFAIL mine.yaml::zig?stream? - sent-twice"]
    )


def test_nothing_is_excused_if_nothing_shall_be_known(run: Run) -> None:
    run.write("known.yml", KNOWN)
    options = ("--fault", "name-twice", "--known", "known.yml", "--no-known")
    assert run(*REFERENCE, *options).ret == FAILED


def test_a_known_fault_that_is_gone_fails_the_run(run: Run) -> None:
    run.write("known.yml", KNOWN)
    found = run(*REFERENCE, "--known", "known.yml")
    assert found.ret == FAILED
    assert run.totals == {"pass": 6, "stale": 4}
    found.stdout.fnmatch_lines(
        [
            "chunk.name.once  MUST  passes, but is known to fail",
            "  known     sent-twice: The name *",
        ]
    )


def keep_as_baseline(run: Run) -> None:
    (run.folder / "results.json").rename(run.folder / "base.json")


def test_what_was_broken_in_the_baseline_fails_no_run(run: Run) -> None:
    run(*REFERENCE, "--fault", "name-twice")
    keep_as_baseline(run)
    found = run(*REFERENCE, "--fault", "name-twice", "--baseline=base.json")
    assert found.ret == COMPLETED
    assert run.totals == {"pass": 6, "known": 4}
    assert run.results["run"]["baseline"] == "base.json"
    assert {one["known"] for item in run.results["results"] for one in item["findings"]} == {
        "baseline"
    }
    found.stdout.fnmatch_lines(
        [
            "*4 items  baseline",
            "*broken in base.json too",
            "since the baseline, reference-*-hermes:",
            "0 regressed, 0 fixed, 0 added, 0 gone, 0 by chance, * unchanged (4 still broken)",
        ]
    )


def test_what_regressed_since_the_baseline_fails_the_run(run: Run) -> None:
    run(*REFERENCE, "--fault", "name-twice")
    keep_as_baseline(run)
    found = run(*REFERENCE, "--fault", "no-done", "--baseline=base.json")
    assert found.ret == FAILED
    assert run.totals == {"pass": 2, "fail": 8}
    found.stdout.fnmatch_lines(
        ["since the baseline*", "regressed", "  sse.done  MUST  8 items", "fixed", "  chunk.name*"]
    )


def test_what_was_fixed_since_the_baseline_is_told_and_fails_nothing(run: Run) -> None:
    run(*REFERENCE, "--fault", "name-twice")
    keep_as_baseline(run)
    found = run(*REFERENCE, "--baseline=base.json")
    assert found.ret == COMPLETED
    assert run.totals == {"pass": 10}
    found.stdout.fnmatch_lines(["fixed", "  chunk.name.once  MUST  4 items", "0 regressed, 4 f*"])


def test_a_listed_issue_goes_before_the_baseline(run: Run) -> None:
    run.write("known.yml", KNOWN)
    run(*REFERENCE)
    keep_as_baseline(run)
    weighed = ("--known", "known.yml", "--baseline=base.json")
    found = run(*REFERENCE, "--fault", "name-twice", *weighed)
    assert found.ret == COMPLETED
    assert run.totals == {"pass": 6, "known": 4}
    found.stdout.fnmatch_lines(
        ["regressed, and listed as known", "  chunk.name.once  MUST  4 items  known: sent-twice"]
    )


def test_cases_that_only_one_run_has_are_named_and_the_left_out_are_not(run: Run) -> None:
    run(*REFERENCE)
    keep_as_baseline(run)
    run.write("mine.yaml", CASES.replace("id: zag", "id: zog"))
    found = run(*REFERENCE, "--baseline=base.json")
    assert found.ret == COMPLETED
    found.stdout.fnmatch_lines(["cases added", "* mine/zog", "cases gone", "* mine/zag"])
    found = run(*REFERENCE, "--baseline=base.json", "-k", "zig", "-n", "2")
    assert run.results["run"]["deselected"] == 5
    found.stdout.no_fnmatch_line("cases gone")


@pytest.mark.parametrize(
    ("first", "then", "told"),
    [
        (REFERENCE, ("--reference", "--parser", "mistral"), "this run: the parser 'mistral', and"),
        ((*REFERENCE, "-k", "zig"), REFERENCE, "a partial run, which left out 5 items; run it"),
        ((*REFERENCE, "mine.yaml::zag[complete]"), REFERENCE, "a partial run, which left out 9"),
        ((*REFERENCE, "--fault", "no-done", "-x"), REFERENCE, "an incomplete run; let it run to"),
        ((*REFERENCE, "--emission", "sampled"), REFERENCE, "run both with the same --emission"),
    ],
)
def test_a_baseline_that_tells_nothing_of_this_run_is_refused(
    run: Run, first: tuple[str, ...], then: tuple[str, ...], told: str
) -> None:
    run(*first)
    keep_as_baseline(run)
    found = run(*then, "--baseline=base.json")
    assert found.ret == USAGE_ERROR
    (error,) = errors(found)
    assert error.startswith("ERROR: --baseline: ")
    assert told in error


def test_a_baseline_that_is_none_is_one_clear_message(run: Run) -> None:
    run.write("base.json", "{}")
    found = run(*REFERENCE, "--baseline=base.json")
    assert found.ret == USAGE_ERROR
    assert errors(found)[0].startswith(
        "ERROR: --baseline: base.json: not the results of a run: at $: "
    )


def test_results_name_the_command_without_the_address(run: Run) -> None:
    with Reference("hermes") as running:
        run("--server-url", running.url, "--parser", "hermes")
        assert running.url not in (run.folder / "results.json").read_text("utf-8")
    assert run.results["run"]["repeat"] == '--server-url "$URL" --parser hermes'
    assert run.results["results"][0]["test"] == "mine.yaml::zag[complete]"


def test_a_malformed_file_of_known_issues_is_one_clear_message(run: Run) -> None:
    run.write("known.yml", KNOWN.replace("rules:", "rulez:"))
    found = run(*REFERENCE, "--known", "known.yml")
    assert found.ret == USAGE_ERROR
    found.stderr.fnmatch_lines(["ERROR: --known: *known.yml:10: *rulez*"])


def test_an_interrupted_run_leaves_what_it_had(run: Run) -> None:
    class Impatient:
        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.when == "call" and "stream-characters" in report.nodeid:
                raise KeyboardInterrupt

    settings = ("-c", str(PACKAGE / "pytest.toml"), "--rootdir", str(run.folder))
    words = (*settings, "-p", "conformance.plugin", "--results", "results.json", "mine.yaml")
    found = run.pytester.inline_run(
        *words, *REFERENCE, plugins=[Impatient()], no_reraise_ctrlc=True
    )
    assert found.ret == INTERRUPTED
    assert run.results["run"]["complete"] is False
    assert 2 <= len(run.results["results"]) < run.results["run"]["selected"] == 10


def test_a_run_that_stops_at_the_first_failure_is_not_complete(run: Run) -> None:
    run(*REFERENCE, "--fault", "name-twice", "-x")
    assert run.results["run"]["complete"] is False


def test_a_selection_is_complete_for_what_was_selected(run: Run) -> None:
    run(*REFERENCE, "mine.yaml::zag[complete]")
    assert run.results["run"]["selected"] == 1
    assert run.results["run"]["complete"] is True


def test_the_command_that_repeats_an_item_runs_it_alone(run: Run) -> None:
    found = run(*REFERENCE, "--fault", "name-twice", "-k", "zig and stream-characters")
    (line,) = [line for line in found.outlines if line.startswith("  repeat    pytest ")]
    words = line.split('"')[1:]
    again = run(words[0], *words[1].split())
    assert again.ret == FAILED
    assert run.totals == {"fail": 1}


def test_a_weaker_rule_fails_only_if_the_bar_is_raised(run: Run) -> None:
    fault = ("--fault", "wrong-content-type")
    assert run(*REFERENCE, *fault).ret == COMPLETED
    assert {item["outcome"] for item in run.results["results"]} == {"pass"}
    found = run(*REFERENCE, *fault, "--level", "should")
    assert found.ret == FAILED
    found.stdout.fnmatch_lines(["sse.content-type  SHOULD  expected text/event-stream, got *"])


def test_collecting_writes_no_results(run: Run) -> None:
    found = run(*REFERENCE, "--collect-only", "-q")
    assert found.ret == COMPLETED
    found.stdout.fnmatch_lines(["mine.yaml::zig?complete?"])
    assert not (run.folder / "results.json").exists()


def test_xdist_is_not_needed(run: Run) -> None:
    assert run(*REFERENCE, "-p", "no:xdist", "-k", "zag and complete").ret == COMPLETED


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


def test_a_target_of_an_unknown_format_is_refused_before_anything_starts(run: Run) -> None:
    hermes = (target.FOLDER / "hermes.yaml").read_text("utf-8")
    run.write("own.yaml", hermes.replace("format: hermes", "format: klingon"))
    found = run("--launch=own.yaml")
    assert found.ret == USAGE_ERROR
    found.stderr.fnmatch_lines(["*own.yaml:*: format 'klingon' is unknown; allowed: hermes, *"])


FAULTY = (*REFERENCE, "--fault", "name-twice")


def accept(folder: Path, *words: str) -> int:
    return main.main(["accept", str(folder / "results.json"), *words])


def test_a_maintainer_accepts_failures_explains_them_and_is_green(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    known, cases = str(run.folder / "known.yml"), str(run.folder / "mine.yaml")
    assert run(*FAULTY).ret == FAILED
    capsys.readouterr()
    assert accept(run.folder, "-o", known, "--cases", cases) == COMPLETED
    check = ["check", known, cases]
    assert capsys.readouterr().err == (
        f"1 TODO in {known}; fill in each, then: python -m conformance {' '.join(check)}\n"
    )

    assert main.main(check) == FAILED
    problem, count = capsys.readouterr().out.splitlines()
    assert problem.startswith(f"{known}:6: hermes-chunk-name-once: about has a TODO; ")
    assert count == "2 files, 1 problem"

    lines = Path(known).read_text("utf-8").splitlines()
    lines[5] = "  about: The server sends a call's name in every delta."
    run.write("known.yml", "\n".join(lines))
    assert main.main(check) == COMPLETED
    assert capsys.readouterr().out == "2 files, no problems\n"

    assert run(*FAULTY, "--known", "known.yml").ret == COMPLETED
    assert run.totals == {"pass": 6, "known": 4}
    assert accept(run.folder, "--cases", cases) == COMPLETED
    assert capsys.readouterr().err.endswith("no failure is left to explain\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["mine.yaml::zig"], "a partial run, which left out 5 items; "),
        (["-k", "zig"], "a partial run, which left out 5 items; "),
        (["-k", "zig", "-n", "2"], "a partial run, which left out 5 items; "),
        (["-x"], "an incomplete run; "),
        ([], "made with other cases or rules than these; "),
    ],
)
def test_failures_of_a_run_that_is_not_the_whole_are_not_accepted(
    run: Run, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert run(*FAULTY, *words).ret == FAILED
    run.write("other.yaml", CASES)
    capsys.readouterr()
    cases = str(run.folder / ("mine.yaml" if words else "other.yaml"))
    into = run.folder / "known.yml"
    assert accept(run.folder, "-o", str(into), "--cases", cases) == USAGE_ERROR
    assert f"results.json: {told}" in capsys.readouterr().err
    assert not into.exists()


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_entries_that_list_nothing_that_was_collected_are_named(
    run: Run, workers: tuple[str, ...]
) -> None:
    _, _, entry = KNOWN.partition("issues:")
    more = entry.replace("mine/zig", "mine/zog").replace("sent-twice", "sent-never")
    run.write("known.yml", KNOWN + more.lstrip("\n"))
    found = run(*FAULTY, *workers, "--known", "known.yml")
    assert found.ret == COMPLETED
    told = "known issues that list none of these cases and rules: 1 (sent-never)"
    found.stdout.fnmatch_lines([told])


def test_entries_of_a_range_are_left_out_for_an_unknown_version_and_the_header_says_so(
    run: Run,
) -> None:
    run.write("known.yml", KNOWN.replace("implementation: reference", "implementation: unknown"))
    with Reference("hermes", fault=FAULTS["name-twice"]) as reference:
        words = ("--server-url", reference.url, "--parser", "hermes", "--known", "known.yml")
        found = run(*words)
    assert found.ret == FAILED
    assert run.totals["fail"] == 4
    told = "known issues: 1 entry does not apply: the version None is unknown"
    found.stdout.fnmatch_lines([told])


def test_what_is_known_is_cited_with_its_link(run: Run) -> None:
    link = "https://example.com/1"
    run.write("known.yml", KNOWN.replace("    versions:", f"    issue: {link}\n    versions:"))
    found = run(*FAULTY, "--known", "known.yml")
    found.stdout.fnmatch_lines([f"* {link}", f"XFAIL * - sent-twice ({link})"])
    about = "The name of a call is sent in every delta."
    listed = {"about": about, "issue": link, "source": None}
    assert run.results["issues"] == {"sent-twice": listed}
