"""Runs pip with the user's own configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from packaging.version import Version

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
CONFLICT = re.compile(r"Cannot install (\S+) because these package versions have conflicting")
"""What pip says of requirements that exclude each other, and the package that they are for."""
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
        found = _FOUND.search(self.output) or CONFLICT.search(self.output)
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


def tail(output: str, lines: int = 12) -> str:
    """Pick the errors from pip's output, or else its last lines."""
    said = [line.rstrip() for line in output.splitlines() if line.strip()]
    errors = [line for line in said if line.lstrip().startswith("ERROR")]
    return "\n".join((errors or said)[-lines:])
