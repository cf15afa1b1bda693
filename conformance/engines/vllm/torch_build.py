"""torch for a vLLM: into an environment, or once for all environments that need no more of it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from conformance.engines.cache import cache_folder, check_space, lock
from conformance.engines.process import Report
from conformance.engines.vllm import pip
from conformance.engines.vllm.pip import PipFailed

TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
SHARED = "torch==2.13.0+cpu"
"""What releases are served with where nothing is computed: any recent torch will do."""
NEEDED = 2e9
"""Free bytes that a torch for the CPU needs."""
NEEDED_PLAIN = 10e9
"""Free bytes for a plain torch, which includes its libraries for GPUs."""


def shared(python: Path, *, log: Path, report: Report) -> Path:
    """Give the folder of the torch that environments share, and install it first if it is missing.

    Raises PipFailed and LaunchProblem.
    """
    version = "".join(map(str, sys.version_info[:2]))
    folder = cache_folder() / f"{SHARED.replace('==', '-')}-cp{version}"
    with lock(folder, report=report):
        if not folder.is_dir():
            check_space(folder.parent, NEEDED)
            fresh = folder.with_name(f"{folder.name}.new")
            shutil.rmtree(fresh, ignore_errors=True)
            install(python, SHARED, log=log, report=report, target=fresh)
            fresh.rename(folder)
    return folder


def install(
    python: Path, torch: str, *, log: Path, report: Report, target: Path | None = None
) -> str:
    """Install the exact build from pip's indexes or PyTorch's; if neither has it, the plain one.

    Give what was installed. It goes to the folder `target`, or where that Python has its packages.
    Raises PipFailed.
    """
    where_to: list[str | Path] = ["--target", target] if target else []
    sources = [("", ["--no-deps"])]
    if "+cpu" in torch:
        sources.append((" from PyTorch", ["--no-deps", "--extra-index-url", TORCH_INDEX]))
    for where, options in sources:
        what = f"installing {torch}{where}"
        report(what)
        try:
            arguments: list[str | Path] = ["install", torch, "--retries", "1", *options, *where_to]
            pip.run(python, arguments, log=log, report=report, what=what)
            return torch
        except PipFailed as failure:
            if failure.missing != "torch":
                raise
    plain = torch.replace("+cpu", "")
    what = f"installing {plain}: no build for the CPU alone was found, so this one is large"
    report(what)
    check_space(target or python.parents[1], NEEDED_PLAIN)
    pip.run(python, ["install", plain, *where_to], log=log, report=report, what=what)
    return plain
