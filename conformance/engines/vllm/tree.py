"""A vLLM from its source distribution: its Python alone, and nothing compiled.

Where a release has none, its wheel gives the Python. Without kernels it computes nothing: an
executor of ours says what scripts say.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Report
from conformance.engines.vllm import official, pip, plugin, source, torch_build
from conformance.engines.vllm.pip import PipFailed

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
    packages, examples = packages_of(folder), folder / "examples"
    with TemporaryDirectory(prefix="conformance-") as name:
        place = Path(name)
        try:
            archive = source.download(python, version, place, log=log, report=report)
            wanted = unpack(archive, packages)
        except PipFailed as failure:
            if (before := failure.before) is None:
                raise
            wheel = official.download(python, version, place, log=log, report=report)
            report(f"vLLM {version} has no sources: {before} gives templates and tested versions")
            archive = source.download(python, before, place, log=log, report=report)
            wanted = unpack_wheel(wheel, packages, common=requirements_of(archive))
        tested = source.keep(archive, examples)
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
    with tarfile.open(archive) as tar:
        for member in tar:
            path = PurePosixPath(member.name.partition("/")[2])
            if member.isfile() and _is_kept(path):
                data = tar.extractfile(member)
                assert data is not None
                read.add(_write(packages, path, data.read()))
    _check(archive, read)
    return requirements_of(archive)


def unpack_wheel(wheel: Path, packages: Path, *, common: list[str]) -> list[str]:
    """Unpack the package from an official wheel, and give what it needs.

    A wheel asks for what computes as well. Of that, only packages in `common` are needed, which are
    those of a release beside it.
    """
    read: set[str] = set()
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            path = PurePosixPath(name)
            if not name.endswith("/") and _is_kept(path):
                read.add(_write(packages, path, archive.read(name)))
    _check(wheel, read)
    names = {canonicalize_name(Requirement(one).name) for one in common}
    found = official.requirements_of(wheel)
    return [str(one) for one in found if canonicalize_name(one.name) in names]


def requirements_of(archive: Path) -> list[str]:
    """Read what the package in a source distribution needs; raises LaunchProblem."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and member.name.partition("/")[2] == REQUIREMENTS:
                data = tar.extractfile(member)
                assert data is not None
                return needs(data.read().decode())
    raise _unknown(archive, REQUIREMENTS)


def _is_kept(path: PurePosixPath) -> bool:
    return path.parts[:1] == ("vllm",) and ".." not in path.parts and path.suffix not in LEFT_OUT


def _write(packages: Path, path: PurePosixPath, data: bytes) -> str:
    place = packages / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return str(path)


def _check(archive: Path, read: set[str]) -> None:
    if missing := [name for name in LANDMARKS if name not in read]:
        raise _unknown(archive, missing[0])


def _unknown(archive: Path, missing: str) -> LaunchProblem:
    return LaunchProblem(
        f"{archive.name} has no {missing}, so it cannot be served without kernels; "
        "--kernels=real may serve it"
    )


def needs(text: str) -> list[str]:
    """Read the requirements of a vLLM that serve text."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    found = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return [str(one) for one in found if canonicalize_name(one.name) not in UNUSED]


def name_needs(wanted: list[str], tested: Mapping[str, str], chosen: list[str]) -> str:
    """Name what an environment holds beside vLLM, so that others with the same needs find it."""
    said = json.dumps([torch_build.SHARED, wanted, sorted(tested.items()), chosen])
    return hashlib.sha256(said.encode()).hexdigest()[:12]
