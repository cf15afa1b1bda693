"""llama.cpp's server: the one inside of a wheel, or a program of the user's."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.version import InvalidVersion, Version

from conformance.engines import pip
from conformance.engines.cache import cache_folder, check_space, lock
from conformance.engines.llamacpp import serve
from conformance.engines.pip import PipFailed
from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Report

WHEEL = "xllamacpp"
"""A binding of llama.cpp with its server inside, built for CPUs: nothing is compiled here."""
DEFAULT = "2026.10.11549"
DIGESTS = {DEFAULT: "c54e7d13520ecc989c63dc99d55de3065e2f343a91f43f053d16b5e62077c261"}
"""Releases of the wheel to the digest of that for x86-64."""
NEEDED = 0.5e9
"""Free bytes that installing one takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What serves a model."""

    command: tuple[str | Path, ...]
    folder: Path | None
    """Goes on Python's path."""
    build: str | None
    """The number of llama.cpp's build, if it is known before the server says it."""
    wheel: str | None

    @property
    def is_wheel(self) -> bool:
        """Whether it is a script of ours, with arguments of its own."""
        return self.wheel is not None


def provision(release: str, *, report: Report) -> Program:
    """Give a server: a release of the wheel, installed if it is missing, or a `llama-server`.

    Raises LaunchProblem.
    """
    try:
        version = str(Version(release))
    except InvalidVersion:
        return _given(release)
    folder = cache_folder() / f"llamacpp-{version}"
    if not (folder / WHEEL).exists():
        with lock(folder, report=report):
            if not (folder / WHEEL).exists():
                _install(version, folder, report=report)
    return Program(
        command=(sys.executable, Path(serve.__file__)),
        folder=folder,
        build=version.rpartition(".")[2],
        wheel=version,
    )


def _given(release: str) -> Program:
    path = Path(release).expanduser()
    if not path.is_file():
        raise LaunchProblem(
            f"--llamacpp {release}: it is neither a version of the wheel {WHEEL} such as {DEFAULT} "
            "nor a llama-server program on this machine"
        )
    return Program(command=(path.absolute(),), folder=None, build=None, wheel=None)


def _install(version: str, folder: Path, *, report: Report) -> None:
    what = f"llama.cpp's server, {WHEEL} {version}"
    report(f"installing {what}: once, a wheel of 34 MB, in {folder}")
    check_space(folder.parent, NEEDED)
    log = folder.with_name(f"{folder.name}.log")
    log.unlink(missing_ok=True)
    digest = f" --hash=sha256:{DIGESTS[version]}" if version in DIGESTS else ""
    with TemporaryDirectory(prefix="conformance-") as name:
        wanted = Path(name) / "requirements.txt"
        wanted.write_text(f"{WHEEL}=={version}{digest}\n", encoding="utf-8")
        fresh = folder.with_name(f"{folder.name}.new")
        arguments: list[str | Path] = ["install", "--no-deps", "--only-binary", WHEEL]
        arguments += ["--upgrade", "--target", fresh, "--requirement", wanted]
        try:
            pip.run(Path(sys.executable), arguments, log=log, report=report, what=what)
        except PipFailed as failure:
            raise LaunchProblem(
                f"{what}: pip failed; give --llamacpp a llama-server program instead\n"
                f"{pip.tail(failure.output)}\nlog: {log}"
            ) from None
    fresh.rename(folder)
