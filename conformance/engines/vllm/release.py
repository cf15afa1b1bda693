"""vLLM releases: each has its own environment, built once and kept in the cache."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from conformance.engines.cache import cache_folder
from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Report
from conformance.engines.vllm import builder, checkout, tree, wheel
from conformance.engines.vllm.environment import Environment, foreign, inspect

DEFAULT_VLLM = "0.33.0"
"""The newest release that the suite was run on."""
NEWEST_BUILD = "0.32.0"
"""The newest one that somebody has built for CPUs; a real model needs its kernels."""
_MODULES = ("torch", "transformers", "mistral_common", "vllm")


def provision(vllm: str, *, kernels: bool = False, report: Report) -> Environment:
    """Give an environment with a vLLM, and build it first if it is missing.

    `vllm` is a version, `0.32.0`; a folder with vLLM's sources; a Python executable; or the folder
    of a virtual environment. Packages after a version, `0.32.0,mistral_common==1.13.1`, replace
    those that the release was tested with. Without kernels, nothing can be computed: see `tree`.
    Raises LaunchProblem.
    """
    version, *beside = vllm.split(",")
    try:
        release = str(Version(version))
        chosen = [str(Requirement(one)) for one in beside]
    except InvalidVersion:
        return _given(vllm, kernels=kernels, report=report)
    except InvalidRequirement as problem:
        raise LaunchProblem(f"--vllm {vllm}: {problem}; write VERSION,PACKAGE==VERSION") from None
    words = ["vllm", release, *(one.replace("==", "-") for one in chosen)]
    folder = cache_folder() / "-".join(words if kernels else [*words, "without-kernels"])

    way = wheel if kernels else tree

    def fill(python: Path, log: Path) -> Environment:
        needs = way.fill(python, release, folder, chosen, log=log, report=report)
        builder.check(python, _MODULES, log, report=report)
        return replace(inspect(python, folder), kernels=kernels, needs=needs)

    return builder.provide(folder, fill, what=f"vLLM {release}", needed=way.NEEDED, report=report)


def _given(vllm: str, *, kernels: bool, report: Report) -> Environment:
    path = Path(vllm).expanduser()
    if checkout.is_one(path):
        if kernels:
            raise LaunchProblem(
                f"--vllm {vllm}: sources have no kernels; real models and --kernels=real need them"
            )
        return checkout.provision(path.absolute(), report=report)
    if path.exists():
        return replace(foreign(path), kernels=kernels)
    raise LaunchProblem(
        f"--vllm {vllm}: it is neither a version such as {DEFAULT_VLLM} nor a folder with vLLM's "
        "sources, a Python executable or a virtual environment on this machine"
    )
