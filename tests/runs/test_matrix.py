from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from conformance.base import files
from conformance.commands import main
from conformance.engines import registry, target
from conformance.engines.vllm import LaunchProblem
from conformance.runs import matrix
from conformance.runs.matrix import Combination, Ended, MatrixProblem

pytestmark = pytest.mark.slow

ENGINE = registry.ENGINES["vllm"]

# A run that does as its plan says: counts its items, writes its results, ends with a status.
RUN = """
import json, sys, time
from pathlib import Path
plan, results = json.loads(sys.argv[1]), Path(sys.argv[2])
with (results.parent / "begun").open("a") as begun:
    begun.write("x")
print("collected 10 items\\n\\ncases/one.yaml ..", end="", flush=True)
time.sleep(plan.get("first", 0))
print("   [ 2/10]", flush=True)
try:
    time.sleep(plan.get("sleep", 0))
except KeyboardInterrupt:
    results.write_text(json.dumps({"totals": {"pass": 1}, "run": {"complete": False}}))
    sys.exit(2)
if "error" in plan:
    print("ERROR: " + plan["error"], file=sys.stderr)
else:
    results.write_text(json.dumps({"totals": {"pass": 9, "fail": 1}, "run": {"complete": True}}))
sys.exit(plan.get("status", 0))
"""


class Lab:
    """Runs that only pretend, each after its plan."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plans: dict[str, dict[str, object]] = {}
        self.reports: list[str] = []

    def command(
        self, combination: Combination, results: Path, arguments: Sequence[str]
    ) -> list[str]:
        plan = json.dumps(self.plans.get(combination.name, {}))
        return [sys.executable, "-c", RUN, plan, str(results)]

    def run(
        self, *combinations: Combination, servers: int = 2, arguments: Sequence[str] = ()
    ) -> list[Ended]:
        return matrix.run(
            combinations, arguments, folder=self.folder, servers=servers, report=self.reports.append
        )

    def begun(self, combination: Combination) -> int:
        return len((self.folder / combination.name / "begun").read_text())


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    found = Lab(tmp_path)
    monkeypatch.setattr(matrix, "command", found.command)
    monkeypatch.setattr(
        ENGINE, "provision", lambda release, *, settings, report: report(f"have {release}")
    )
    return found


def combined(*names: str, vllm: Sequence[str] = ("0.32.0",)) -> list[Combination]:
    return matrix.combine([target.load(name) for name in names], {"vllm": vllm}, [])


def test_every_target_meets_every_vllm_with_every_template_once() -> None:
    targets = [target.load(name) for name in ("hermes", "mistral", "hermes")]
    found = matrix.combine(targets, {"vllm": ["0.31.0", "0.32.0"]}, ["a.jinja"])
    assert [one.name for one in found] == [
        "hermes_0.31.0_a",
        "hermes_0.32.0_a",
        "mistral_0.31.0_a",
        "mistral_0.32.0_a",
    ]
    assert found[0].options == ("--launch=hermes", "--vllm=0.31.0", "--template=a.jinja")


def test_two_combinations_of_one_name_are_refused() -> None:
    with pytest.raises(MatrixProblem, match=r"would share the folder hermes_0.32.0_a"):
        matrix.combine([target.load("hermes")], {"vllm": ["0.32.0"]}, ["x/a.jinja", "y/a.jinja"])


def test_a_place_that_cannot_be_written_is_refused_before_any_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    for place, seen in ((taken, "File exists"), (taken / "out", "Not a directory")):
        assert main.main(["matrix", "hermes", "--output", str(place)]) == 4
        (last,) = capsys.readouterr().err.splitlines()[-1:]
        told = f"--output: {place}: cannot be written: {seen}"
        assert last.endswith(f"{told}; name another folder, or make room there")


def test_each_combination_runs_and_has_its_own_results(lab: Lab) -> None:
    hermes, mistral = combined("hermes", "mistral")
    lab.plans[mistral.name] = {"status": 1}
    ended = lab.run(hermes, mistral)
    assert [one.combination.name for one in ended] == ["hermes_0.32.0", "mistral_0.32.0"]
    assert [one.status for one in ended] == [0, 1]
    assert [one.results for one in ended] == [
        lab.folder / "hermes_0.32.0" / "results.json",
        lab.folder / "mistral_0.32.0" / "results.json",
    ]
    assert matrix.summary(ended[0]).startswith("9 pass, 1 fail; ")


def test_no_more_servers_run_at_once_than_are_allowed(lab: Lab) -> None:
    found = combined("hermes", "mistral", "mistral-v11")
    for one in found:
        lab.plans[one.name] = {"sleep": 0.3}
    lab.run(*found, servers=1)
    order = [line.partition(":")[0] for line in lab.reports if "_" in line]
    assert order == [name for one in found for name in (one.name, one.name)]


def test_what_was_done_is_not_done_again(lab: Lab) -> None:
    hermes, mistral = combined("hermes", "mistral")
    lab.run(hermes)
    ended = lab.run(hermes, mistral)
    assert [one.status for one in ended] == [0, 0]
    assert (lab.begun(hermes), lab.begun(mistral)) == (1, 1)
    assert any(line.startswith("hermes_0.32.0: done before; 9 pass") for line in lab.reports)


def test_a_release_that_is_a_path_is_asked_again(lab: Lab, tmp_path: Path) -> None:
    (tree,) = combined("hermes", vllm=[str(tmp_path)])
    lab.run(tree)
    lab.run(tree)
    assert lab.begun(tree) == 2


def test_what_was_done_otherwise_is_done_again(lab: Lab) -> None:
    (hermes,) = combined("hermes")
    lab.run(hermes)
    lab.run(hermes, arguments=["-k", "parallel"])
    assert lab.begun(hermes) == 2


def test_a_changed_case_is_asked_again(tmp_path: Path) -> None:
    (hermes,) = combined("hermes")
    own = tmp_path / "own.yaml"
    own.write_text("a")
    before = matrix.stamp(hermes, [str(own)])
    own.write_text("b")
    assert matrix.stamp(hermes, [str(own)]) != before


def test_a_run_that_would_not_start_is_reported_and_the_others_go_on(lab: Lab) -> None:
    hermes, mistral = combined("hermes", "mistral")
    lab.plans[hermes.name] = {"status": 4, "error": "starting vLLM: it ended\nlog: x"}
    ended = lab.run(hermes, mistral)
    assert [(one.status, one.reason) for one in ended] == [
        (4, "starting vLLM: it ended\nlog: x"),
        (0, None),
    ]
    assert matrix.summary(ended[0]) == "starting vLLM: it ended"
    lab.plans.clear()
    assert [one.status for one in lab.run(hermes, mistral)] == [0, 0]
    assert (lab.begun(hermes), lab.begun(mistral)) == (2, 1)


def test_a_vllm_that_cannot_be_had_costs_only_its_own_runs(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def provision(release: str, *, settings: object, report: object) -> None:
        asked.append(release)
        if release == "9.9.9":
            raise LaunchProblem("there is no vLLM 9.9.9")

    monkeypatch.setattr(ENGINE, "provision", provision)
    ended = lab.run(*combined("hermes", "mistral", vllm=["9.9.9", "0.32.0"]))
    assert [(one.status, one.reason) for one in ended] == [
        (4, "there is no vLLM 9.9.9"),
        (0, None),
        (4, "there is no vLLM 9.9.9"),
        (0, None),
    ]
    assert asked == ["9.9.9", "0.32.0"]


def test_after_an_interrupt_runs_keep_what_they_have_and_the_next_matrix_goes_on(lab: Lab) -> None:
    hermes, mistral = combined("hermes", "mistral")
    lab.plans[mistral.name] = {"sleep": 60}
    begun = lab.folder / mistral.name / "begun"

    def interrupt() -> None:
        while not (begun.exists() and (lab.folder / hermes.name / "ended.json").exists()):
            time.sleep(0.02)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    # A shell starts what shall run in the background with interrupts ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        ended = lab.run(hermes, mistral)
    finally:
        signal.signal(signal.SIGINT, before)
    assert [one.status for one in ended] == [0, 2]
    assert ended[1].results is not None
    assert matrix.status(ended) == 2
    lab.plans.clear()
    assert [one.status for one in lab.run(hermes, mistral)] == [0, 0]
    assert (lab.begun(hermes), lab.begun(mistral)) == (1, 2)


def test_a_long_run_says_how_far_it_is(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "PROGRESS_SECONDS", 0.3)
    hermes, mistral = combined("hermes", "mistral")
    lab.plans[mistral.name] = {"first": 1.5, "sleep": 1.5}
    lab.run(hermes, mistral, servers=1)
    for far in ("0 of 10 items", "2 of 10 items"):  # never "starting the server" when it is up
        assert any(
            line.startswith(f"mistral_0.32.0: {far}, ") and "left in all" in line
            for line in lab.reports
        )


@pytest.mark.parametrize(
    ("statuses", "whole"),
    [
        ([0, 0], 0),
        ([0, 1], 1),
        ([4, 1], 1),
        ([4, 0], 4),
        ([5, 4], 4),
        ([5, 0], 5),
        ([3, 1], 3),
        ([2, 3], 2),
        ([], 5),
    ],
)
def test_the_gravest_status_is_that_of_the_matrix(statuses: list[int], whole: int) -> None:
    (hermes,) = combined("hermes")
    ended = [Ended(combination=hermes, status=status, seconds=1) for status in statuses]
    assert matrix.status(ended) == whole


@pytest.mark.parametrize(
    ("cores", "gigabytes", "servers"),
    [(1, 1, 1), (2, 64, 1), (4, 64, 2), (64, 64, 64 * 10**9 // matrix.SERVER_BYTES), (64, 0, 1)],
)
def test_as_many_servers_run_as_cores_and_memory_allow_and_never_none(
    cores: int, gigabytes: int, servers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kilobytes = gigabytes * 10**9 // 1024
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
    monkeypatch.setattr(files, "text", lambda *_: f"MemAvailable: {kilobytes} kB\n")
    assert matrix.servers_here() == servers


@pytest.mark.parametrize(
    ("printed", "counted"),
    [
        ("starting the server\n", None),
        ("collected 1 item\n", (0, 1)),
        ("collected 10 items\n", (0, 10)),
        ("collected 12 items / 2 deselected / 10 selected\n", (0, 10)),
        ("collected 10 items\n\ncases/one.yaml ..   [ 2/10]\n", (2, 10)),
    ],
)
def test_the_progress_of_a_run_is_read_from_what_pytest_prints(
    printed: str, counted: tuple[int, int] | None
) -> None:
    assert matrix.progress(printed) == counted
