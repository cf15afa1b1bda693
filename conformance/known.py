"""Known issues of an implementation: which rule fails in which case, since when, and why.

An issue excuses a rule in a case and a mode, never a whole item, so that a new fault in the same
case still fails. A rule that is listed and passes is stale, so that the list stays true.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from conformance import strictyaml
from conformance.model import Server

FOLDER = Path(__file__).parent / "known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One fault that is known, and where it shows."""

    id: str
    about: str
    issue: str | None
    versions: SpecifierSet
    parsers: tuple[str, ...]
    formats: tuple[str, ...]
    models: tuple[str, ...]
    modes: tuple[str, ...]
    cases: tuple[str, ...]
    rules: tuple[str, ...]
    says: str | None
    status: Literal["fails", "flaky"]

    def covers(self, rule: str, case: str, mode: str) -> bool:
        """Whether this rule in this case and mode is listed; names may be globs."""
        return all(
            _any(patterns, name)
            for patterns, name in ((self.rules, rule), (self.cases, case), (self.modes, mode))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The issues that apply to one server."""

    issues: tuple[Issue, ...] = ()
    files: tuple[str, ...] = ()
    note: str | None = None
    """Why some issues do not apply, if that is worth saying."""

    def find(self, rule: str, case: str, mode: str) -> list[Issue]:
        """Find the issues that list this rule in this case and mode."""
        return [issue for issue in self.issues if issue.covers(rule, case, mode)]


def load(server: Server, files: Sequence[Path]) -> Known:
    """Read the issues that apply to a server; those of other versions stay out.

    Raises `conformance.strictyaml.FileProblem`.
    """
    kept: list[Issue] = []
    read: list[str] = []
    for path in files:
        document = strictyaml.load(path, "known")
        if document.value["implementation"] != server.implementation:
            continue
        read.append(path.name)
        for place, spec in enumerate(document.value["issues"]):
            issue = _issue(document, place, spec)
            if _applies(issue, server):
                kept.append(issue)
    note = None
    if read and _version(server) is None:
        note = f"no known issue applies: the version {server.version!r} is unknown"
    return Known(issues=tuple(kept), files=tuple(read), note=note)


def shipped(implementation: str) -> list[Path]:
    """Find the file of known issues that comes with the suite, if there is one."""
    path = FOLDER / f"{implementation}.yaml"
    return [path] if path.exists() else []


def _issue(document: strictyaml.Document, place: int, spec: dict[str, Any]) -> Issue:
    try:
        versions = SpecifierSet(spec["versions"], prereleases=True)
    except InvalidSpecifier:
        raise document.problem(
            f"versions {spec['versions']!r}; allowed: a PEP 440 set such as '>=0.27,<0.33'",
            "issues",
            place,
            "versions",
        ) from None
    return Issue(
        id=spec["id"],
        about=spec["about"],
        issue=spec.get("issue"),
        versions=versions,
        parsers=tuple(spec.get("parsers", ["*"])),
        formats=tuple(spec.get("formats", ["*"])),
        models=tuple(spec.get("models", ["*"])),
        modes=tuple(spec.get("modes", ["*"])),
        cases=tuple(spec["cases"]),
        rules=tuple(spec["rules"]),
        says=spec.get("says"),
        status=spec["status"],
    )


def _applies(issue: Issue, server: Server) -> bool:
    version = _version(server)
    return (
        version is not None
        and version in issue.versions
        and _any(issue.parsers, server.parser)
        and _any(issue.formats, server.format)
        and _any(issue.models, server.model)
    )


def _version(server: Server) -> Version | None:
    try:
        return Version(server.version or "")
    except InvalidVersion:
        return None


def _any(patterns: Iterable[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
