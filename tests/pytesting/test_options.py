"""Options: how a server is named, what is refused, and defaults that depend on what is tested."""

from __future__ import annotations

import pytest

from conformance.engines import target
from conformance.pytesting import option_reader
from conformance.reference import Reference
from tests.pytest_run import COMPLETED, REFERENCE, USAGE_ERROR, Run, errors
from tests.servers import closed_port

pytest_plugins = ["pytester"]


@pytest.mark.parametrize(
    ("words", "concurrency", "room"),
    [
        (["--launch", "hermes"], 32, 1024),
        (["--launch", "smollm2"], 16, 256),
        (["--launch", "smollm2", "--concurrency", "7", "--max-tokens", "8"], 7, 8),
        (["--reference", "--parser", "hermes"], 32, 1024),
    ],
)
def test_a_real_model_on_a_cpu_is_asked_a_few_things_at_once_for_short_answers(
    pytester: pytest.Pytester, words: list[str], concurrency: int, room: int
) -> None:
    found = option_reader.read(pytester.parseconfig("-p", "conformance.plugin", *words))
    assert found is not None
    assert (found.concurrency, found.room) == (concurrency, room)
    assert ("--max-tokens=8" in found.repeat) == (room == 8)


def test_without_a_target_the_message_lists_the_ways_to_name_one(run: Run) -> None:
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
        (["--server-url", "localhost:1", "--parser", "hermes"], "'localhost:1' is not a URL"),
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
            "--ca-file none.pem: cannot be read: No such file",
        ),
        ([*REFERENCE, "--concurrency", "0"], "--concurrency: 0; allowed: 1 and more"),
        ([*REFERENCE, "--known", "none.yaml", "mine.yaml"], "--known: *none.yaml"),
        (["--launch", "hermez"], "--launch: target hermez: there is neither such a target"),
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


def test_an_unknown_fault_is_refused(run: Run) -> None:
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


def test_a_target_of_an_unknown_format_is_refused_before_anything_starts(run: Run) -> None:
    hermes = (target.FOLDER / "hermes.yaml").read_text("utf-8")
    run.write("own.yaml", hermes.replace("format: hermes", "format: klingon"))
    found = run("--launch=own.yaml")
    assert found.ret == USAGE_ERROR
    found.stderr.fnmatch_lines(["*own.yaml:*: format 'klingon' is unknown; allowed: hermes, *"])
