"""A vLLM from a folder with its sources: a checkout, an unpacked pull request, a nightly tree.

What it needs is installed in an environment that all with the same needs share. Its own code
is read where it lies, and nothing is written there.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

from packaging.requirements import InvalidRequirement
from packaging.version import InvalidVersion, Version

from conformance.base import files
from conformance.engines.cache import cache_folder
from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Report, clean_environment
from conformance.engines.vllm import builder, source, tree
from conformance.engines.vllm.environment import (
    Environment,
    ask,
    with_needs,
)

UNKNOWN = "dev"
"""The version of a tree that does not say it; vLLM calls itself so there."""
MAX_BYTES = 10_000_000
"""Of a file that is read here."""
_MODULES = ("torch", "transformers", "mistral_common")
_DESCRIBED = re.compile(r"v(.+)-(\d+)-g[0-9a-f]+")


def is_one(path: Path) -> bool:
    """Whether a folder holds Python sources of a vLLM that are not installed."""
    return (path / "vllm" / "__init__.py").is_file()


def provision(path: Path, *, report: Report) -> Environment:
    """Give an environment for the sources in a folder, and build it first if it is missing.

    Raises LaunchProblem.
    """
    try:
        wanted, tested = _needs(path)
        version = version_of(path)
    except (files.Unread, InvalidRequirement) as problem:
        raise LaunchProblem(f"--vllm {path}: {problem}") from None
    needs = tree.name_needs(wanted, tested, [])
    folder = cache_folder() / f"vllm-needs-{needs}"

    def fill(python: Path, log: Path) -> Environment:
        tree.install(python, wanted, tested, [], folder=folder, log=log, report=report)
        builder.check(python, _MODULES, log, report=report)
        return Environment(
            python=python,
            version=UNKNOWN,
            packages=ask(python)[0],
            folder=folder,
            examples=folder / "examples",
            kernels=False,
            needs=needs,
        )

    what = f"what vLLM in {path} needs"
    shared = with_needs(needs) or builder.provide(
        folder, fill, what=what, needed=tree.NEEDED, report=report
    )
    return replace(
        shared,
        version=version,
        packages={**shared.packages, "vllm": version},
        examples=path / "examples",
        sources=path,
    )


def _needs(path: Path) -> tuple[list[str], dict[str, str]]:
    """Read what the sources in a folder need, and with which versions they were tested."""
    for name in (*tree.LANDMARKS, tree.REQUIREMENTS):
        if not (path / name).is_file():
            raise LaunchProblem(
                f"--vllm {path}: there is no {name}, so it is no vLLM that can be served here"
            )
    locks = [name for name in source.LOCKS if (path / name).is_file()]
    return (
        tree.needs(files.text(path / tree.REQUIREMENTS, MAX_BYTES)),
        source.tested({name: files.text(path / name, MAX_BYTES) for name in locks}),
    )


def version_of(path: Path) -> str:
    """Say which version the sources in a folder are, as nearly as they say it; else `dev`."""
    for name, pattern in (
        ("PKG-INFO", r"^Version: (\S+)$"),
        ("vllm/_version.py", r"version = ['\"]([^'\"]+)['\"]"),
    ):
        if (path / name).is_file():
            found = re.search(pattern, files.text(path / name, MAX_BYTES), re.MULTILINE)
            if found and (known := _released(found[1])):
                return known
    return _described(path) or UNKNOWN


def _described(path: Path) -> str | None:
    """Ask git for the last release, and name what came after it as vLLM's own builds do."""
    if not (path / ".git").exists():
        return None
    command = ["git", "-C", str(path), "describe", "--tags", "--long", "--match", "v[0-9]*"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=30, env=clean_environment()
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = _DESCRIBED.fullmatch(answer.stdout.strip())
    release = found and _released(found[1])
    if not found or not release or found[2] == "0":
        return release or None
    *first, last = Version(release).release
    return f"{'.'.join(map(str, (*first, last + 1)))}.dev{found[2]}"


def _released(text: str) -> str | None:
    try:
        return Version(text).public
    except InvalidVersion:
        return None
