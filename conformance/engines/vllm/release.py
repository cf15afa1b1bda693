"""vLLM releases: each has its own environment, built once and kept in the cache."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Report, clean_environment, finish, spawn
from conformance.engines.vllm import pip, tree, wheel
from conformance.engines.vllm.cache import check_space, lock
from conformance.engines.vllm.environment import (
    Environment,
    cache_folder,
    foreign,
    inspect,
    read_marker,
    write_marker,
)
from conformance.engines.vllm.pip import PipFailed

DEFAULT_VLLM = "0.32.0"


def provision(vllm: str, *, kernels: bool = True, report: Report) -> Environment:
    """Give an environment with a vLLM, and build it first if it is missing.

    `vllm` is a version, `0.32.0`; a Python executable; or the folder of a virtual environment.
    Packages after a version, `0.32.0,mistral_common==1.13.1`, replace those that the release was
    tested with. Without kernels, nothing can be computed: see `tree`. Raises LaunchProblem.
    """
    version, *beside = vllm.split(",")
    try:
        release = str(Version(version))
        chosen = [str(Requirement(one)) for one in beside]
    except InvalidVersion:
        return replace(_given(vllm), kernels=kernels)
    except InvalidRequirement as problem:
        raise LaunchProblem(f"--vllm {vllm}: {problem}; write VERSION,PACKAGE==VERSION") from None
    words = ["vllm", release, *(one.replace("==", "-") for one in chosen)]
    folder = cache_folder() / "-".join(words if kernels else [*words, "without-kernels"])
    ready = read_marker(folder)
    if ready is None:
        with lock(folder, report=report):
            ready = read_marker(folder) or _build(
                release, chosen, folder, kernels=kernels, report=report
            )
    return ready


def _given(vllm: str) -> Environment:
    path = Path(vllm)
    if path.expanduser().exists():
        return foreign(path)
    raise LaunchProblem(
        f"--vllm {vllm}: it is neither a version such as {DEFAULT_VLLM} nor a Python executable "
        "or virtual environment on this machine"
    )


def _build(
    version: str, chosen: list[str], folder: Path, *, kernels: bool, report: Report
) -> Environment:
    way = wheel if kernels else tree
    shutil.rmtree(folder, ignore_errors=True)
    check_space(folder.parent, way.NEEDED)
    log = folder.with_name(f"{folder.name}.log")
    log.unlink(missing_ok=True)
    size = f"{way.NEEDED / 1e9:.0f} GB"
    report(f"provisioning vLLM {version}: once, some minutes, {size} in {folder}; log: {log}")
    began = time.monotonic()
    try:
        python = _make_venv(folder, log, report=report)
        way.fill(python, version, folder, chosen, log=log, report=report)
        _check(python, log, report=report)
        environment = replace(inspect(python, folder), kernels=kernels)
    except BaseException as failure:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(failure, PipFailed):
            raise pip.explain(failure, f"vLLM {version}") from None
        raise
    write_marker(environment)
    report(f"provisioned vLLM {version} in {time.monotonic() - began:.0f} s")
    return environment


def _make_venv(folder: Path, log: Path, *, report: Report) -> Path:
    what = "making a virtual environment"
    report(what)
    process = spawn([sys.executable, "-m", "venv", folder], log, environment=clean_environment())
    if finish(process, report=report, what=what) != 0:
        raise LaunchProblem(
            f"{sys.executable} -m venv failed; some systems keep venv in a package of its own "
            f"(python3-venv)\n{process.tail()}\nlog: {log}"
        )
    return folder / "bin" / "python"


def _check(python: Path, log: Path, *, report: Report) -> None:
    what = "checking the environment"
    report(what)
    code = "import torch, transformers, mistral_common, vllm"
    process = spawn([python, "-c", code], log, environment=clean_environment())
    if finish(process, report=report, what=what) != 0:
        raise LaunchProblem(f"{what}: vLLM cannot be imported\n{process.tail()}\nlog: {log}")
