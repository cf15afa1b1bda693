"""vLLM's second front end, in Rust: one program of the official wheel, and nothing else of it."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from conformance.engines.cache import cache_folder, check_space, lock
from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Report
from conformance.engines.vllm import official, pip
from conformance.engines.vllm.environment import Environment
from conformance.engines.vllm.pip import PipFailed

PYTHON = "python"
"""The usual front end."""
RUST = "rust"
SIGN = "rust_frontend_version"
"""What only this front end says of itself in `/version`."""
PROGRAM = "vllm-rs"
OWN = "VLLM_RUST_FRONTEND_PATH"
"""The variable in which vLLM takes a program of the user's."""
NEEDED = 1e9
"""Free bytes that fetching the program needs; most of them are given back."""


def find(environment: Environment, *, report: Report) -> Path:
    """Give the program for a vLLM, and fetch it first if it is missing; raises LaunchProblem."""
    if own := os.environ.get(OWN):
        if not Path(own).is_file():
            raise LaunchProblem(f"{OWN}={own}: there is no such file")
        return Path(own).absolute()
    if environment.sources is not None:
        raise LaunchProblem(
            f"--front-end {RUST}: {environment.sources} has its sources only; build them "
            f"({environment.sources / 'rust'}), and set {OWN} to the program"
        )
    program = cache_folder() / f"vllm-{environment.version}-front-end" / PROGRAM
    if not program.exists():
        with lock(program.parent, report=report):
            if not program.exists():
                _fetch(environment, program, report=report)
    return program


def _fetch(environment: Environment, program: Path, *, report: Report) -> None:
    check_space(program.parent, NEEDED)
    log = program.parent.with_name(f"{program.parent.name}.log")
    log.unlink(missing_ok=True)
    with TemporaryDirectory(prefix="conformance-") as name:
        try:
            wheel = official.download(
                environment.python, environment.version, Path(name), log=log, report=report
            )
        except PipFailed as failure:
            raise pip.explain(failure, f"vLLM {environment.version}") from None
        _take(wheel, program)


def _take(wheel: Path, program: Path) -> None:
    """Take the program out of a wheel, whole or not at all."""
    program.parent.mkdir(parents=True, exist_ok=True)
    fresh = program.with_suffix(".new")
    with zipfile.ZipFile(wheel) as archive:
        if f"vllm/{PROGRAM}" not in archive.namelist():
            raise LaunchProblem(f"{wheel.name} has no vllm/{PROGRAM}: no front end in {RUST}")
        with archive.open(f"vllm/{PROGRAM}") as packed, fresh.open("wb") as file:
            shutil.copyfileobj(packed, file)
    fresh.chmod(0o755)
    fresh.rename(program)
