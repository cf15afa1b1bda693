"""A vLLM without kernels is judged as one with kernels: nothing but the model was replaced."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conformance.engines.vllm import NEWEST_BUILD

pytestmark = pytest.mark.vllm

STEADY = ("complete", "stream-interval-1000", "prompt")
"""Modes in which a vLLM with kernels says the same however busy the machine is."""
AREAS = "single or parallel or cuts or choice or limits or broken or logprobs or template"


def judged(kernels: str, folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Run a part of the cases, and give the items by case and mode."""
    results = folder / kernels / "results.json"
    words = ["--launch=hermes", f"--vllm={NEWEST_BUILD}", f"--kernels={kernels}"]
    words += [f"--results={results}", "-k", AREAS]
    done = subprocess.run(
        [sys.executable, "-m", "conformance", "run", "-q", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout[-3000:], done.stderr[-3000:])
    found = json.loads(results.read_text("utf-8"))
    assert found["totals"]["error"] == 0
    return {(item["case"], item["mode"]): item for item in found["results"]}


def test_the_same_rules_hold_with_kernels_and_without(tmp_path: Path) -> None:
    bare, real = judged("none", tmp_path), judged("real", tmp_path)
    assert bare.keys() == real.keys()
    steady = [key for key in real if key[1] in STEADY]
    assert len(steady) > 200
    differ = {
        key: (rule, real[key]["rules"].get(rule), outcome)
        for key in steady
        for rule, outcome in bare[key]["rules"].items()
        if real[key]["rules"].get(rule) != outcome
    }
    assert differ == {}
    assert [key for key, item in bare.items() if item["outcome"] in ("fail", "stale")] == []
