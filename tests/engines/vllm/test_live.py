"""The whole way, with a real vLLM: launched, scripted, tested by the suite as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from conformance.client import probe
from conformance.engines import target, vllm
from conformance.engines.vllm import Environment, Launched
from conformance.scripting import SCRIPT_FIELD, encode
from conformance.terms.said import Piece, Script
from conformance.wires.registry import DEFAULT

pytestmark = pytest.mark.vllm

ROOT = Path(__file__).parents[3]
SAID = 'é🎉 {"a": 1}\n\t<tool_call> as text'
SCRIPT: Script = (Piece("text", SAID), Piece("marker", "<tool_call>"), Piece("text", "x"))


@pytest.fixture(scope="module")
def environment() -> Environment:
    return vllm.provision(vllm.NEWEST_BUILD, kernels=True, report=print)


@pytest.fixture(scope="module")
def server(
    environment: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Launched]:
    folder = tmp_path_factory.mktemp("live")
    launched = vllm.start(target.load("hermes"), environment, folder=folder, report=print)
    yield launched
    launched.stop()


def ask(server: Launched, **fields: Any) -> httpx2.Response:
    body = {
        "model": server.model,
        "messages": [{"role": "user", "content": "Hello"}],
        "temperature": 0,
        "max_tokens": 200,
        **fields,
    }
    return httpx2.post(f"{server.url}/chat/completions", json=body, timeout=120, trust_env=False)


def scripted(script: Script, cut: str) -> dict[str, Any]:
    return {"vllm_xargs": {SCRIPT_FIELD: encode(script, cut)}}


@pytest.mark.parametrize("cut", ["tokens", "characters", "pieces:7"])
def test_the_model_says_a_script_to_the_token(server: Launched, cut: str) -> None:
    choice = ask(server, return_token_ids=True, **scripted(SCRIPT, cut)).json()["choices"][0]

    root = server.url.removesuffix("/v1")
    tokens = {"tokens": choice["token_ids"]}
    said = httpx2.post(f"{root}/detokenize", json=tokens, trust_env=False).json()["prompt"]
    assert said == f"{SAID}<tool_call>x<|im_end|>"
    assert choice["finish_reason"] == "stop"


def test_every_character_can_be_a_token_of_its_own(server: Launched) -> None:
    script: Script = (Piece("text", "hello there"),)
    answer = ask(server, return_token_ids=True, **scripted(script, "characters")).json()

    assert len(answer["choices"][0]["token_ids"]) == len("hello there") + 1


def test_a_script_with_an_unknown_control_token_is_refused(server: Launched) -> None:
    answer = ask(server, **scripted((Piece("control", "[NO_SUCH]"),), "tokens"))

    assert answer.status_code == 400
    assert "[NO_SUCH]" in answer.json()["error"]["message"]


def test_a_request_without_a_script_is_served_as_ever(server: Launched) -> None:
    first, second = (ask(server, max_tokens=8, seed=1).json()["choices"][0] for _ in range(2))

    assert first["message"] == second["message"]
    assert first["finish_reason"] == "length"


def test_both_processors_do_what_their_runners_want(environment: Environment) -> None:
    checks = ROOT / "tests" / "replay_in_vllm.py"
    done = subprocess.run(
        [environment.python, checks],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_probe_finds_out_what_the_server_is(server: Launched) -> None:
    found = probe.examine(server.url, greeting=DEFAULT.greeting, parser="hermes")

    assert found.implementation == "vllm"
    assert found.version == vllm.NEWEST_BUILD
    assert found.emission == "scripted"
    assert found.format == "hermes"
    assert found.takes_interval


def test_the_suite_judges_the_newest_release_as_a_newcomer_runs_it(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    words = ["--launch", "hermes", "--results", str(results)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    found = json.loads(results.read_text("utf-8"))
    print(done.stdout[-6000:])
    modes = {item["mode"] for item in found["results"]}
    assert {"complete", "stream", "stream-characters"} <= modes
    assert len(modes) >= 4
    assert found["suite"]["cases"] >= 20
    assert found["run"]["complete"]
    assert found["totals"]["error"] == 0
    assert found["target"]["version"] == vllm.DEFAULT_VLLM
    surprising = [i for i in found["results"] if i["outcome"] in ("fail", "stale")]
    assert surprising == []
    assert any(item["outcome"] == "known" for item in found["results"])
