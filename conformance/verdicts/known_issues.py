"""Known issues of an implementation: which rule fails in which case, since when, and why.

A policy is listed in the same words: a rule that fails because the implementation, or the model's
own template, demands something and refuses the rest, or does something, on purpose. That is no
fault.

An entry excuses a rule in a case and a mode, never a whole item, so that a new fault in the same
case still fails. A listed rule that passes is stale, so that the list stays true.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from conformance.base import strictyaml
from conformance.base.strictyaml import Document
from conformance.casefiles import modes
from conformance.terms.case import Case
from conformance.terms.said import Text
from conformance.terms.server import Server

FOLDER = Path(__file__).parents[1] / "known"

USUAL = tuple(mode.name for mode in modes.DEFAULT if mode.stream)
"""The streamed modes of every run."""

SWEEP = frozenset(mode.name for mode in modes.CUTS["thorough"] if mode.stream) - set(USUAL)
"""The streamed modes of `--cuts thorough`, of servers that speculate, and of cases that list them.
"""

CLASSES = ("call", "several-calls", "text-before-call")
"""Classes of cases, and of texts that a sampled model said; the widest first."""

ANSWER = "answer"
"""The class of all cases, for what a server does in each of its answers."""

Said = Collection[str] | None
"""The classes of what a sampled model said; `None` for a script, or if it is unknown."""

Place = tuple[str, int]
"""The list of a file that has an entry, and its number there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """A known fault or policy, and where it shows; names of cases, modes and so on may be globs."""

    id: str
    about: str
    rules: tuple[str, ...]
    issue: str | None = None
    """The address of its report."""
    source: str | None = None
    """The place in the implementation's source."""
    versions: SpecifierSet | None = None
    """`None` for all versions, even unknown ones."""
    parsers: tuple[str, ...] = ("*",)
    formats: tuple[str, ...] = ("*",)
    models: tuple[str, ...] = ("*",)
    modes: tuple[str, ...] = ("*",)
    """Modes in which it always fails."""
    flaky_modes: tuple[str, ...] = ()
    """Modes in which it fails by chance."""
    every: str | None = None
    """The class of cases in which it shows; then `cases` is empty."""
    excluding: tuple[str, ...] = ()
    """Cases of the class in which it does not show; `except` in the file."""
    cases: tuple[str, ...] = ()
    sampled: tuple[str, ...] = ()
    """Classes of what a sampled model said; it shows there in any case."""
    says: str | None = None
    """How the finding's `expected` begins."""
    policy: bool = False
    """Whether it is no fault, but what the implementation demands or does on purpose."""

    def covers(self, rule: str, case: Case, mode: str, said: Said = None) -> bool:
        """Whether it lists this rule in this case and mode; `said` is for a sampled model.

        An issue of any usual stream also covers all less usual ones, which carry the same text in
        other deltas.
        """
        listed = self.modes + self.flaky_modes
        return (
            rule in self.rules
            and (self.lists(case) if said is None else self.matches_said(case, said))
            and (_any(listed, mode) or (mode in SWEEP and any(_any(listed, one) for one in USUAL)))
        )

    def lists(self, case: Case) -> bool:
        """Whether it shows in this case, in some mode."""
        if self.every is None:
            return _any(self.cases, case.id)
        is_one = self.every == ANSWER or self.every in classes(case)
        return is_one and not _any(self.excluding, case.id)

    def matches_said(self, case: Case, said: Collection[str]) -> bool:
        """Whether it shows if a sampled model said something of these classes.

        A sampled model need not say what the case is about, so `every` is about its answer here.
        """
        if self.every is not None:
            return self.every == ANSWER or self.every in said
        return _any(self.cases, case.id) or not set(self.sampled).isdisjoint(said)

    def fails_in(self, mode: str) -> bool:
        """Whether it always fails in this mode, so that a pass makes it stale."""
        return _any(self.modes, mode)

    @property
    def link(self) -> str | None:
        """Where to read more: the report, or else the source."""
        return self.issue or self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The issues that apply to one server."""

    issues: tuple[Issue, ...] = ()
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Why some issues do not apply, for the user to read."""

    def find(self, rule: str, case: Case, mode: str, said: Said = None) -> list[Issue]:
        """Find the issues that list this rule in this case and mode."""
        return [issue for issue in self.issues if issue.covers(rule, case, mode, said)]

    def unmatched(self, cases: Collection[Case], rules: Collection[str]) -> tuple[Issue, ...]:
        """Find the issues that list none of these cases, or none of these rules."""
        return tuple(
            issue
            for issue in self.issues
            if not any(rule in rules for rule in issue.rules)
            or not (issue.sampled or any(issue.lists(case) for case in cases))
        )


def classes(case: Case) -> set[str]:
    """Give the classes of a case, from what a client must get; see `every` in the schema."""
    found: set[str] = set()
    if not case.expect.calls:
        return found
    found.add("call")
    if len(case.expect.calls) > 1:
        found.add("several-calls")
    if case.says and isinstance(case.says[0], Text) and case.says[0].text.strip():
        found.add("text-before-call")
    return found


def load(server: Server, files: Sequence[Path], *, policies: bool = True) -> Known:
    """Read the issues that apply to a server and its version, and, if wanted, the policies.

    Raises `strictyaml.FileProblem`.
    """
    kept: list[Issue] = []
    names: list[str] = []
    notes: list[str] = []
    unknown = 0
    for path in files:
        document, listed = read(path)
        issues = [issue for issue in listed if policies or not issue.policy]
        implementation = document.value["implementation"]
        if implementation != server.implementation:
            notes.append(f"{path.name} is left out: it is about {implementation}")
            continue
        names.append(path.name)
        if version(server.version) is None:
            unknown += sum(issue.versions is not None for issue in issues)
        kept.extend(issue for issue in issues if _applies(issue, server))
    if unknown:
        entries = "entry does not" if unknown == 1 else "entries do not"
        notes.append(f"{unknown} {entries} apply: the version {server.version!r} is unknown")
    return Known(issues=tuple(kept), files=tuple(names), notes=tuple(notes))


def read(path: Path) -> tuple[Document, list[Issue]]:
    """Read a file of known issues, and of policies; raises `strictyaml.FileProblem`."""
    document = strictyaml.load(path, "known")
    return document, [_issue(document, at) for at in places(document)]


def places(document: Document) -> list[Place]:
    """Say where each entry of a file stands, in the order in which they are read."""
    kinds = ("issues", "policies")
    return [(kind, number) for kind in kinds for number in range(len(document.value.get(kind, ())))]


def shipped(implementation: str) -> list[Path]:
    """List the files of known issues that come with the suite: one a parser, in a folder."""
    return sorted((FOLDER / implementation).glob("*.yaml"))


def _issue(document: Document, at: Place) -> Issue:
    kind, number = at
    spec: dict[str, Any] = document.value[kind][number]
    if ("cases" in spec or "sampled" in spec) == ("every" in spec):
        what = "give one of `cases` and `every`; `sampled` may stand beside `cases`, or alone"
        raise document.problem(f"{spec['id']}: {what}", *at)
    if "except" in spec and "every" not in spec:
        raise document.problem("`except` is for `every`; leave the case out", *at, "except")
    if "flaky_modes" in spec and not {"issue", "source"} & spec.keys():
        what = "`flaky_modes` needs `issue` or `source`: a link that shows why it is chance"
        raise document.problem(what, *at, "flaky_modes")
    return Issue(
        id=spec["id"],
        about=spec["about"],
        issue=spec.get("issue"),
        source=spec.get("source"),
        versions=_versions(document, at, spec.get("versions")),
        parsers=tuple(spec.get("parsers", ["*"])),
        formats=tuple(spec.get("formats", ["*"])),
        models=tuple(spec.get("models", ["*"])),
        modes=tuple(spec.get("modes", [] if "flaky_modes" in spec else ["*"])),
        flaky_modes=tuple(spec.get("flaky_modes", [])),
        every=spec.get("every"),
        excluding=tuple(spec.get("except", [])),
        cases=tuple(spec.get("cases", [])),
        sampled=tuple(spec.get("sampled", [])),
        rules=tuple(spec["rules"]),
        says=spec.get("says"),
        policy=kind == "policies",
    )


def _versions(document: Document, at: Place, text: str | None) -> SpecifierSet | None:
    if text is None:
        return None
    try:
        return SpecifierSet(text, prereleases=True)
    except InvalidSpecifier:
        what = f"versions {text!r}; allowed: a PEP 440 set such as '>=0.27,<0.33'"
        raise document.problem(what, *at, "versions") from None


def _applies(issue: Issue, server: Server) -> bool:
    tested = version(server.version)
    within = issue.versions is None or (tested is not None and tested in issue.versions)
    return (
        within
        and _any(issue.parsers, server.parser)
        and _any(issue.formats, server.format)
        and _any(issue.models, server.model)
    )


def version(text: str | None) -> Version | None:
    """Read a version; `None` if it is unknown or not one of PEP 440."""
    try:
        return Version(text or "")
    except InvalidVersion:
        return None


def _any(patterns: Iterable[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
