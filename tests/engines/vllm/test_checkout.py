"""A folder with vLLM's sources is served as it lies there, by an environment with what it needs."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conformance.engines import target
from conformance.engines.vllm import (
    Environment,
    LaunchProblem,
    builder,
    checkout,
    environment,
    provision,
    tree,
)
from conformance.engines.vllm.plugin import stage
from conformance.engines.vllm.server import _variables


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "vllm-tree"
    for name in ("vllm/__init__.py", *tree.LANDMARKS, "PKG-INFO"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "requirements/test").mkdir(parents=True)
    (folder / tree.REQUIREMENTS).write_text("regex\n")
    (folder / "requirements/test/cpu.txt").write_text("transformers==5.20.2\nelse==1\n")
    (folder / "PKG-INFO").write_text("Name: vllm\nVersion: 0.33.0\n")
    return folder


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Note what would be installed, and install nothing."""
    monkeypatch.setenv("CONFORMANCE_CACHE", str(tmp_path / "cache"))
    noted: list[Any] = []

    def make_venv(folder: Path, log: Path, **more: Any) -> Path:
        python = folder / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.touch()
        return python

    def install(python: Path, wanted: Sequence[str], tested: Any, *more: Any, **named: Any) -> None:
        noted.append((wanted, tested))

    monkeypatch.setattr(builder, "make_venv", make_venv)
    monkeypatch.setattr(builder, "check", lambda *given, **named: None)
    monkeypatch.setattr(tree, "install", install)
    monkeypatch.setattr(checkout, "ask", lambda python: ({"torch": "2.13.0"}, None))
    return noted


def test_a_tree_is_served_with_what_its_own_lists_say(sources: Path, installed: list[Any]) -> None:
    found = provision(str(sources), report=print)
    assert installed == [(["regex"], {"transformers": "5.20.2"})]
    assert found.version == found.packages["vllm"] == "0.33.0"
    assert (found.sources, found.examples, found.kernels) == (sources, sources / "examples", False)


def test_trees_with_the_same_needs_share_an_environment(
    sources: Path, installed: list[Any], tmp_path: Path
) -> None:
    first = provision(str(sources), report=print)
    (sources / "vllm/more.py").touch()
    (sources / "PKG-INFO").write_text("Version: 0.33.1\n")
    second = provision(str(sources), report=print)
    assert (second.folder, second.version, len(installed)) == (first.folder, "0.33.1", 1)
    (sources / tree.REQUIREMENTS).write_text("regex>=2\n")
    assert provision(str(sources), report=print).folder != first.folder


def test_a_release_with_the_same_needs_lends_its_environment(
    sources: Path, installed: list[Any], tmp_path: Path
) -> None:
    folder = tmp_path / "cache" / "vllm-0.33.0-without-kernels"
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    environment.write_marker(
        Environment(
            python=python,
            version="0.33.0",
            packages={},
            folder=folder,
            examples=folder / "examples",
            kernels=False,
            needs=tree.name_needs(["regex"], {"transformers": "5.20.2"}, []),
        )
    )
    assert provision(str(sources), report=print).folder == folder
    assert installed == []


def test_a_servers_python_reads_the_tree_and_writes_elsewhere(
    sources: Path, installed: list[Any], tmp_path: Path
) -> None:
    found = provision(str(sources), report=print)
    plugin = stage(found, tmp_path)
    variables = _variables(target.load("hermes"), found, plugin)
    assert variables["PYTHONPATH"] == f"{plugin}:{sources}"
    for name in ("VLLM_CACHE_ROOT", "PYTHONPYCACHEPREFIX"):
        assert Path(variables[name]).is_relative_to(found.folder)
    assert "Version: 0.33.0" in (plugin / "vllm-0.33.0.dist-info/METADATA").read_text()


@pytest.mark.parametrize("lacking", [*tree.LANDMARKS, tree.REQUIREMENTS])
def test_a_tree_that_cannot_be_served_is_refused_by_what_it_lacks(
    sources: Path, installed: list[Any], lacking: str
) -> None:
    (sources / lacking).unlink()
    with pytest.raises(LaunchProblem, match=rf"--vllm .*vllm-tree: there is no {lacking}, so"):
        provision(str(sources), report=print)


def test_lists_that_cannot_be_read_are_named(sources: Path, installed: list[Any]) -> None:
    (sources / tree.REQUIREMENTS).write_text("regex ==== 1\n")
    with pytest.raises(LaunchProblem, match=r"--vllm .*vllm-tree: .*\n? *regex"):
        provision(str(sources), report=print)


def test_sources_have_no_kernels(sources: Path) -> None:
    with pytest.raises(LaunchProblem, match="sources have no kernels; real models"):
        provision(str(sources), kernels=True, report=print)


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [
        ("PKG-INFO", "Metadata-Version: 2.4\nVersion: 0.32.0\n", "0.32.0"),
        ("PKG-INFO", "Version: 0.34.0rc1+cpu\n", "0.34.0rc1"),
        ("PKG-INFO", "Version: of nothing\n", "dev"),
        ("vllm/_version.py", "__version__ = version = '0.33.1.dev7+g12ab'\n", "0.33.1.dev7"),
        ("vllm/_version.py", "version = None\n", "dev"),
    ],
)
def test_a_version_is_what_the_sources_say(
    sources: Path, name: str, text: str, version: str
) -> None:
    (sources / "PKG-INFO").unlink()
    (sources / name).write_text(text)
    assert checkout.version_of(sources) == version


def test_a_clone_has_the_version_that_its_tags_say(sources: Path) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        subprocess.run(["git", *who, *words], cwd=sources, check=True, capture_output=True)

    (sources / "PKG-INFO").unlink()
    git("init")
    git("commit", "--allow-empty", "--message", "one")
    assert checkout.version_of(sources) == "dev"
    git("tag", "v0.33.0")
    git("tag", "nightly")
    assert checkout.version_of(sources) == "0.33.0"
    git("commit", "--allow-empty", "--message", "two")
    assert checkout.version_of(sources) == "0.33.1.dev1"
