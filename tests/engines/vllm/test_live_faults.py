"""An engine that dies, stalls or is slow: what it did not answer is in error, nobody is accused."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conformance.engines import target
from conformance.replay.fault import KEY

pytestmark = pytest.mark.vllm

CASES = "single or parallel"


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that has ended."""

    status: int
    seconds: float
    said: str
    results: dict[str, Any]

    @property
    def outcomes(self) -> dict[str, int]:
        """Count the items of each outcome that occurs."""
        return {name: count for name, count in self.results["totals"].items() if count}


def ran(folder: Path, fault: str, after: int, *words: str) -> Ran:
    """Run hermes on an engine with a fault, as a user would."""
    asked = json.dumps({KEY: {"name": fault, "after": after}})
    mine = folder / "hermes-faulty.yaml"
    hermes = target.load("hermes").path.read_text("utf-8")
    mine.write_text(f"{hermes}arguments: ['--additional-config', '{asked}']\n", "utf-8")
    results = folder / "results.json"
    own = [f"--launch={mine}", f"--results={results}", "-q"]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "conformance", "run", *own, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    print(done.stdout[-3000:], done.stderr[-3000:])
    seconds = time.monotonic() - began
    return Ran(done.returncode, seconds, done.stdout, json.loads(results.read_text("utf-8")))


def test_an_engine_that_dies_leaves_errors_and_no_findings(tmp_path: Path) -> None:
    found = ran(tmp_path, "dies", 2000, "-k", CASES, "--patience", "3")
    assert found.status == 1
    assert found.outcomes["error"] > 20
    assert found.outcomes["pass"] > 0
    assert found.outcomes.keys() <= {"pass", "known", "n/a", "error"}
    assert found.results["run"]["complete"]


def test_an_engine_that_stalls_holds_nobody_up(tmp_path: Path) -> None:
    words = ("-k", CASES, "--answer-timeout", "4", "--concurrency", "4")
    found = ran(tmp_path, "stalls", 2000, *words)
    assert found.status == 1
    assert found.outcomes["error"] > 20
    assert found.outcomes["pass"] > 0
    assert found.outcomes.keys() <= {"pass", "known", "n/a", "error"}
    assert "the server is asked no more, for none of the last 10 answers came in time" in found.said
    assert found.seconds < 200


def test_an_engine_that_is_slow_is_judged_as_any_other(tmp_path: Path) -> None:
    found = ran(tmp_path, "is-slow", 0, "-k", "one-call")
    assert found.status == 0
    assert found.outcomes["pass"] >= 5
    assert found.outcomes.keys() <= {"pass", "known"}
