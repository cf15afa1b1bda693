"""A real model with a will of its own, in a real vLLM without the plugin, judged as sampled."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.base.jsonvalue import Json
from tools.same_results import differences

pytestmark = pytest.mark.vllm

ROOT = Path(__file__).parents[3]


def run(folder: Path, *words: str) -> Json:
    """Run the suite on a handful of conversations; gives the results."""
    results = folder / "results.json"
    command = [sys.executable, "-m", "conformance", "run", str(folder / "smollm2.yaml"), *words]
    command.append(f"--results={results}")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout[-6000:], done.stderr[-2000:])
    return json.loads(results.read_text("utf-8"))


def test_a_real_model_calls_and_is_judged_and_again_from_its_tapes(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).with_name("smollm2.yml"), tmp_path / "smollm2.yaml")
    live = run(tmp_path, "--launch", "smollm2", f"--record={tmp_path / 'tapes'}")

    assert (live["target"]["model"], live["target"]["emission"]) == ("smollm2", "sampled")
    assert live["run"]["complete"]
    assert (live["totals"]["error"], live["totals"]["fail"]) == (0, 0)
    called = [item for item in live["results"] if item["rules"].get("args.json") == "pass"]
    assert len(called) >= 2
    again = run(tmp_path, f"--tapes={tmp_path / 'tapes'}")
    assert list(differences(live, again)) == []
