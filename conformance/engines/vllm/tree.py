"""A vLLM from its source distribution: its Python alone, and nothing compiled.

It has no kernels, so it computes nothing: an executor of ours says what scripts say.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Report
from conformance.engines.vllm import pip, plugin, source, torch_build

NEEDED = 1e9
"""Free bytes that building an environment needs, beside those of torch."""
REQUIREMENTS = "requirements/common.txt"
"""What each vLLM needs, whatever it computes with."""
LANDMARKS = ("vllm/version.py", "vllm/platforms/interface.py", "vllm/v1/executor/abstract.py")
"""Files without which this is no vLLM that is known here."""
LEFT_OUT = (".cu", ".cuh", ".cpp", ".h", ".so")
"""Endings of what would be compiled, or was."""
UNUSED = {"triton": "3.99", "opencv-python-headless": "4.99"}
"""What serving text never imports, 1.2 GB, and versions that satisfy who asks for them."""


def fill(
    python: Path, version: str, folder: Path, chosen: list[str], *, log: Path, report: Report
) -> str:
    """Make an environment of a bare Python, and name its needs; raises PipFailed, LaunchProblem."""
    packages = packages_of(folder)
    with TemporaryDirectory(prefix="conformance-") as name:
        archive = source.download(python, version, Path(name), log=log, report=report)
        tested = source.keep(archive, folder / "examples")
        wanted = unpack(archive, packages)
    install(python, wanted, tested, chosen, folder=folder, log=log, report=report)
    plugin.write_metadata(packages, "vllm", source.release_of(version))
    return name_needs(wanted, tested, chosen)


def install(
    python: Path,
    wanted: list[str],
    tested: Mapping[str, str],
    chosen: list[str],
    *,
    folder: Path,
    log: Path,
    report: Report,
) -> None:
    """Install what a vLLM's Python needs into the environment in a folder.

    Raises PipFailed and LaunchProblem.
    """
    torch = torch_build.shared(python, log=log, report=report)
    packages = packages_of(folder)
    # A path file, so that pip sees that torch is there.
    (packages / "shared_torch.pth").write_text(f"{torch}\n", encoding="utf-8")
    # pip must believe for a while that these are there too: others ask for them.
    feigned = [plugin.write_metadata(packages, *each) for each in UNUSED.items()]
    with TemporaryDirectory(prefix="conformance-") as name:
        pip.install(python, wanted, tested, chosen, folder=Path(name), log=log, report=report)
    for one in feigned:
        shutil.rmtree(one)


def packages_of(folder: Path) -> Path:
    """Give the folder of an environment's packages."""
    (packages,) = folder.glob("lib/python*/site-packages")
    return packages


def unpack(archive: Path, packages: Path) -> list[str]:
    """Unpack the package from a source distribution, and give what it needs."""
    read: set[str] = set()
    wanted = ""
    with tarfile.open(archive) as tar:
        for member in tar:
            path = PurePosixPath(member.name.partition("/")[2])
            data = tar.extractfile(member)
            if data is None or ".." in path.parts:
                continue
            read.add(str(path))
            if str(path) == REQUIREMENTS:
                wanted = data.read().decode()
            elif path.parts[0] == "vllm" and path.suffix not in LEFT_OUT:
                place = packages / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data.read())
    if missing := [name for name in (*LANDMARKS, REQUIREMENTS) if name not in read]:
        raise LaunchProblem(
            f"{archive.name} has no {missing[0]}, so it cannot be served without kernels; "
            "--kernels=real may serve it"
        )
    return needs(wanted)


def needs(text: str) -> list[str]:
    """Read the requirements of a vLLM that serve text."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    found = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return [str(one) for one in found if canonicalize_name(one.name) not in UNUSED]


def name_needs(wanted: list[str], tested: Mapping[str, str], chosen: list[str]) -> str:
    """Name what an environment holds beside vLLM, so that others with the same needs find it."""
    said = json.dumps([torch_build.SHARED, wanted, sorted(tested.items()), chosen])
    return hashlib.sha256(said.encode()).hexdigest()[:12]
