"""The front end in Rust: one program of the official wheel, fetched once and started by vLLM."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.engines import target
from conformance.engines.vllm import ENGINE, Environment, LaunchProblem, front_end, pip, server
from conformance.engines.vllm.pip import PipFailed
from tests.engines.vllm.live_run import judge

FOUND = "vllm/vllm-rs"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("CONFORMANCE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(front_end.OWN, raising=False)
    return Environment(
        python=tmp_path / "python",
        version="0.33.0",
        packages={"vllm": "0.33.0"},
        folder=tmp_path / "cache" / "vllm-0.33.0-without-kernels",
        examples=tmp_path / "examples",
        kernels=False,
    )


def index(monkeypatch: pytest.MonkeyPatch, *names: str, failure: str = "") -> list[list[str]]:
    """Stand in for pip and an index that has a wheel with these members; note what is asked."""
    asked: list[list[str]] = []

    def run(python: Path, arguments: Sequence[str | Path], *, log: Path, **more: Any) -> None:
        asked.append([str(word) for word in arguments])
        if failure:
            raise PipFailed(failure, log)
        folder = asked[-1][asked[-1].index("--dest") + 1]
        with zipfile.ZipFile(Path(folder) / "vllm-0.33.0-cp38-abi3-linux.whl", "w") as wheel:
            for name in names:
                wheel.writestr(name, f"the program {name}")

    monkeypatch.setattr(pip, "run", run)
    return asked


def test_the_program_alone_is_kept_of_the_wheel(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = index(monkeypatch, FOUND, "vllm/_C.abi3.so")
    program = front_end.find(environment, report=print)
    assert program.read_text() == f"the program {FOUND}"
    assert program.stat().st_mode & 0o111
    assert [path.name for path in program.parent.iterdir()] == ["vllm-rs"]
    assert front_end.find(environment, report=print) == program
    assert [words[:2] for words in asked] == [["download", "vllm==0.33.0"]]


def test_a_release_without_one_is_refused(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    index(monkeypatch, "vllm/__init__.py")
    with pytest.raises(LaunchProblem, match=r"vllm-0.33.0.*whl has no vllm/vllm-rs: no front end"):
        front_end.find(environment, report=print)
    index(monkeypatch, failure="No space left on device")
    with pytest.raises(LaunchProblem, match=r"vLLM 0.33.0: no space left on the device"):
        front_end.find(environment, report=print)


def test_a_folder_with_sources_wants_a_program_of_its_own(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = replace(environment, sources=tmp_path / "vllm")
    with pytest.raises(LaunchProblem, match=r"--front-end rust: .* set VLLM_RUST_FRONTEND"):
        front_end.find(sources, report=print)
    monkeypatch.setenv(front_end.OWN, str(tmp_path / "built"))
    with pytest.raises(LaunchProblem, match=r"VLLM_RUST_FRONTEND_PATH=.*built: there is no such"):
        front_end.find(sources, report=print)
    (tmp_path / "built").touch()
    assert front_end.find(sources, report=print) == tmp_path / "built"


def test_vllm_itself_starts_the_program(environment: Environment, tmp_path: Path) -> None:
    recipe, program = target.load("hermes"), tmp_path / "vllm-rs"
    usual = server._command(recipe, environment, Path("model"), None, "hermes")
    other = server._command(recipe, environment, Path("model"), None, "hermes", program)
    assert "vllm.entrypoints.openai.api_server" in usual
    assert other[2:5] == ["vllm.entrypoints.cli.main", "serve", Path("model")]
    variables = server._variables(recipe, environment, tmp_path, program)
    assert variables["VLLM_USE_RUST_FRONTEND"] == "1"
    assert variables[front_end.OWN] == str(program)
    assert front_end.OWN not in server._variables(recipe, environment, tmp_path)


def test_it_is_not_for_a_vllm_with_kernels(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conformance.engines.vllm.engine.provision", lambda *_, **__: environment)
    with pytest.raises(LaunchProblem, match="--front-end rust is for --kernels none only"):
        ENGINE.start(
            target.load("hermes"),
            release="0.32.0",
            settings={"--kernels": "real", "--front-end": "rust"},
            folder=tmp_path,
            report=print,
        )


@pytest.mark.vllm
def test_both_front_ends_are_judged_on_the_same_cases(tmp_path: Path) -> None:
    found = judge(tmp_path / "rust", "--front-end=rust", "-k", "single or keys")
    assert found["target"]["implementation"] == "vllm-rust"
    assert {name: found["totals"][name] for name in ("fail", "stale", "error")} == {
        "fail": 0,
        "stale": 0,
        "error": 0,
    }
    assert found["totals"]["known"] > 10
