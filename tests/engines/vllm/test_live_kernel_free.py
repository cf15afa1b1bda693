"""A vLLM without kernels is judged as one with kernels: nothing but the model was replaced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from conformance.base.jsonvalue import Json
from conformance.client.probe import examine
from conformance.engines import target
from conformance.engines.vllm import DEFAULT_VLLM, NEWEST_BUILD, provision, start
from conformance.scripting import SCRIPT_FIELD
from conformance.wires.registry import DEFAULT as WIRE
from tests.engines.vllm.live_run import judge

pytestmark = pytest.mark.vllm

STEADY = ("complete", "stream-interval-1000", "prompt")
"""Modes in which a vLLM with kernels says the same however busy the machine is."""
AREAS = "single or parallel or cuts or choice or limits or broken or logprobs or template"


def judged(kernels: str, folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Run a part of the cases, and give the items by case and mode."""
    words = (f"--vllm={NEWEST_BUILD}", f"--kernels={kernels}", "-k", AREAS)
    found = judge(folder / kernels, *words)
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


def deltas(url: str, model: str, how: Json) -> list[str]:
    """Stream twelve letters, each a token, and give the text of each delta."""
    script = {"v": 1, "pieces": [["text", "abcdefghijkl"]], "cut": "characters", **how}
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "temperature": 0,
        "vllm_xargs": {SCRIPT_FIELD: json.dumps(script)},
    }
    answer = httpx2.post(f"{url}/chat/completions", json=body, timeout=60, trust_env=False)
    events = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    found = [choice["delta"] for one in events for choice in json.loads(one)["choices"]]
    return [delta["content"] for delta in found if delta.get("content")]


def test_a_script_says_how_many_tokens_a_delta_has(tmp_path: Path) -> None:
    environment = provision(NEWEST_BUILD, report=print)
    launched = start(target.load("hermes"), environment, folder=tmp_path, report=print)
    try:
        for steps, expected in (
            ([1], list("abcdefghijkl")),
            ([1, 5], ["a", "bcdef", "ghijk", "l"]),
            ([3, 1, 100], ["abc", "d", "efghijkl"]),
        ):
            assert deltas(launched.url, launched.model, {"steps": steps}) == expected
    finally:
        launched.stop()


def test_a_server_that_speculates_says_what_was_guessed_rightly_at_once(tmp_path: Path) -> None:
    environment = provision(DEFAULT_VLLM, report=print)
    hermes = target.load("hermes")
    launched = start(hermes, environment, folder=tmp_path, report=print, speculates=True)
    try:
        found = examine(launched.url, parser="hermes", greeting=WIRE.greeting)
        assert found.takes_drafts
        assert deltas(launched.url, launched.model, {}) == list("abcdefghijkl")
        guessed = ["a", "bcde", "fgh", "ijkl"]  # the token at place 7 is guessed wrongly
        assert deltas(launched.url, launched.model, {"drafts": 3}) == guessed
        assert deltas(launched.url, launched.model, {"drafts": 1})[:3] == ["a", "bc", "de"]
    finally:
        launched.stop()
