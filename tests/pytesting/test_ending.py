"""What a run has found is never lost: where results go, and ends that come early."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conformance.base import jsonfile
from conformance.results import place
from conformance.results.place import PlaceProblem
from tests.pytest_run import COMPLETED, FAILED, FAULTY, PACKAGE, REFERENCE, USAGE_ERROR, Run, errors

pytest_plugins = ["pytester"]

NO_TAPES = """
import pytest
from conformance.base import jsonfile
from conformance.client import recording

class Full:
    def __getattr__(self, name):
        return getattr(jsonfile, name)

    def write(self, path, found):
        if path.parent.name == recording.EXCHANGES:
            raise OSError(28, "No space left on device")
        jsonfile.write(path, found)

@pytest.fixture(autouse=True, scope="session")
def full():
    before, recording.jsonfile = recording.jsonfile, Full()
    yield
    recording.jsonfile = before
"""
NO_ROOM = OSError(28, "No space left on device")


def refused(run: Run, *words: str) -> str:
    found = run(*REFERENCE, *words)
    assert found.ret == USAGE_ERROR
    (message,) = errors(found)
    return message.removeprefix("ERROR: --results: ")


def test_a_folder_in_the_place_of_results_is_refused_before_the_run(run: Run) -> None:
    (run.folder / "out").mkdir()
    assert refused(run, "--results", "out") == "out: is a folder; name a file, such as results.json"


def test_a_device_is_never_replaced_by_results(run: Run) -> None:
    assert refused(run, "--results", "/dev/null").startswith("/dev/null: is no regular file; ")
    assert Path("/dev/null").is_char_device()


def test_a_place_below_a_file_is_refused_before_the_run(run: Run) -> None:
    run.write("taken", "")
    message = refused(run, "--results", "taken/results.json")
    assert message.startswith("taken/results.json: cannot be written: ")
    assert message.endswith("; name another file, or make room there")


def test_a_disk_without_room_is_refused_before_the_run(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*told: Any) -> int:
        raise NO_ROOM

    monkeypatch.setattr(Path, "write_bytes", full)
    assert refused(run).startswith("results.json: cannot be written: No space left on device; ")
    assert not list(run.folder.glob(".probe*"))


def test_exchanges_that_cannot_be_kept_are_known_before_the_run(run: Run) -> None:
    run.write("wire", "")
    assert refused(run).startswith("results.json: cannot be written: ")


def test_two_runs_never_write_one_file(run: Run) -> None:
    release = place.hold(run.folder / "results.json")
    assert refused(run) == (
        "results.json: another run is writing it; wait for that run, or name another file"
    )
    release()
    assert run(*REFERENCE, "-k", "zag and complete").ret == COMPLETED
    place.hold(run.folder / "results.json")()


def test_a_run_that_was_killed_leaves_its_place_free(tmp_path: Path) -> None:
    code = "import sys, pathlib, time\nfrom conformance.results import place\n"
    code += (
        "held = place.hold(pathlib.Path(sys.argv[1]))\nprint('held', flush=True)\ntime.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "results.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PACKAGE.parent) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"held\n"
            with pytest.raises(PlaceProblem, match="another run is writing it"):
                place.hold(tmp_path / "results.json")
        finally:
            child.kill()
    place.hold(tmp_path / "results.json")()


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let no JSON file be written whose name begins with one in the list."""
    names: list[str] = []
    write = jsonfile.write

    def fail(path: Path, found: Any) -> None:
        if any(path.name.startswith(name) for name in names):
            raise NO_ROOM
        write(path, found)

    monkeypatch.setattr(jsonfile, "write", fail)
    return names


def test_findings_are_printed_where_results_cannot_be_written(run: Run, full: list[str]) -> None:
    full.append("results")
    found = run(*FAULTY)
    assert found.ret == FAILED
    found.stdout.fnmatch_lines(
        [
            "chunk.name.once  MUST  expected *",
            "10 items: 6 pass, 4 fail, 0 in error",
            "results.json: cannot be written: No space left on device",
        ]
    )
    assert "INTERNALERROR" not in found.stdout.str()
    assert "\nresults: " not in found.stdout.str()


def test_a_run_without_findings_is_not_green_where_results_cannot_be_written(
    run: Run, full: list[str]
) -> None:
    full.append("results")
    found = run(*REFERENCE)
    assert found.ret == FAILED
    found.stdout.fnmatch_lines(["10 items: 10 pass, 0 fail, 0 in error"])


def test_results_are_written_before_the_exchanges(run: Run, full: list[str]) -> None:
    run(*FAULTY)
    (failed,) = {item["wire"] for item in run.results["results"] if item["mode"] == "stream"} - {
        None
    }
    full.append("mine.")
    found = run(*FAULTY)
    assert found.ret == FAILED
    assert run.totals == {"pass": 6, "fail": 4}
    assert not (run.folder / failed).exists(), "an earlier run's exchange would pass for this one's"
    found.stdout.fnmatch_lines(
        [
            "4 exchanges with findings could not be kept: No space left on device",
            "results: results.json",
        ]
    )


def test_a_place_of_tapes_is_tried_before_a_server_is_reached(run: Run) -> None:
    run.write("taken", "")
    words = ("--server-url", "http://127.0.0.1:9/v1", "--parser", "hermes", "--record", "taken/t")
    found = run(*words)
    assert found.ret == USAGE_ERROR
    told = "taken/t: cannot be written: Not a directory; name another folder, or make room there"
    assert errors(found) == [f"ERROR: --record: {told}"]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_an_exchange_that_cannot_be_recorded_is_judged_and_the_run_is_not_green(
    run: Run, workers: tuple[str, ...]
) -> None:
    run.write("conftest.py", NO_TAPES)
    found = run(*REFERENCE, "--record", "tapes", *workers)
    assert found.ret == FAILED
    assert run.totals == {"pass": 10}
    found.stdout.fnmatch_lines(
        ["tapes: 10 exchanges could not be recorded: No space left on device", "results: *"]
    )


def test_results_outlive_the_files_of_their_cases(run: Run) -> None:
    class Remover:
        def pytest_runtest_logreport(self, report: Any) -> None:
            (run.folder / "mine.yaml").unlink(missing_ok=True)

    found = run(*FAULTY, plugins=[Remover()])
    assert found.ret == FAILED
    assert run.totals == {"pass": 6, "fail": 4}
