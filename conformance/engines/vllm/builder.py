"""Builds Python environments in the cache: each once, and whole or not at all."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from conformance.engines.cache import check_space, lock
from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Report, clean_environment, finish, spawn
from conformance.engines.vllm import pip
from conformance.engines.vllm.environment import Environment, read_marker, write_marker
from conformance.engines.vllm.pip import PipFailed

Fill = Callable[[Path, Path], Environment]
"""Install into the environment of a bare Python, and describe it; the other path is the log's.

Raises PipFailed and LaunchProblem.
"""


def provide(folder: Path, fill: Fill, *, what: str, needed: float, report: Report) -> Environment:
    """Give the environment in a folder of the cache, and build it first if it is missing.

    `needed` is the free bytes that building takes. Raises LaunchProblem.
    """
    ready = read_marker(folder)
    if ready is None:
        with lock(folder, report=report):
            ready = read_marker(folder)
            if ready is None:
                check_space(folder.parent, needed)
                size = f"{needed / 1e9:.0f} GB"
                log = folder.with_name(f"{folder.name}.log")
                report(f"provisioning {what}: once, some minutes, {size} in {folder}; log: {log}")
                ready = _build(folder, fill, log, what=what, report=report)
    return ready


def _build(folder: Path, fill: Fill, log: Path, *, what: str, report: Report) -> Environment:
    shutil.rmtree(folder, ignore_errors=True)
    log.unlink(missing_ok=True)
    began = time.monotonic()
    try:
        python = make_venv(folder, log, report=report)
        environment = fill(python, log)
    except BaseException as failure:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(failure, PipFailed):
            raise pip.explain(failure, what) from None
        raise
    write_marker(environment)
    report(f"provisioned {what} in {time.monotonic() - began:.0f} s")
    return environment


def make_venv(folder: Path, log: Path, *, report: Report) -> Path:
    """Make a virtual environment, and give its Python; raises LaunchProblem."""
    what = "making a virtual environment"
    report(what)
    process = spawn([sys.executable, "-m", "venv", folder], log, environment=clean_environment())
    if finish(process, report=report, what=what) != 0:
        raise LaunchProblem(
            f"{sys.executable} -m venv failed; some systems keep venv in a package of its own "
            f"(python3-venv)\n{process.tail()}\nlog: {log}"
        )
    return folder / "bin" / "python"


def check(python: Path, modules: Sequence[str], log: Path, *, report: Report) -> None:
    """Make sure that modules can be imported, the last one of all; raises LaunchProblem."""
    what = "checking the environment"
    report(what)
    code = f"import {', '.join(modules)}"
    process = spawn([python, "-c", code], log, environment=clean_environment())
    if finish(process, report=report, what=what) != 0:
        names = "vLLM" if modules[-1] == "vllm" else "what vLLM needs"
        raise LaunchProblem(f"{what}: {names} cannot be imported\n{process.tail()}\nlog: {log}")
