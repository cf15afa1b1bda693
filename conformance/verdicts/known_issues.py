"""Known issues of an implementation: which rule fails in which case, since when, and why.

A policy is listed in the same words: a rule that fails because the implementation, or the model's
own template, demands something and refuses the rest, or does something, on purpose. That is no
fault.

An entry excuses a rule in a case and a mode, never a whole item, so that a new fault in the same
case still fails. A listed rule that passes is stale, so that the list stays true.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from conformance.base import strictyaml
from conformance.base.strictyaml import Document
from conformance.casefiles import casefile, modes
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
class Spot:
    """Where an issue with flaky modes shows on a server that leaves nothing to chance."""

    modes: tuple[str, ...]
    cases: tuple[str, ...]
    rules: tuple[str, ...] = ("*",)
    models: tuple[str, ...] = ("*",)

    def has(self, rule: str, case: Case, mode: str) -> bool:
        """Whether it is there that this rule fails."""
        return mode in self.modes and case.id in self.cases and _any(self.rules, rule)


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
    exactly: tuple[Spot, ...] | None = None
    """What the flaky modes come to where nothing is left to chance; `None` if that is unknown."""
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
        if rule not in self.rules:
            return False
        if not (self.lists(case) if said is None else self.matches_said(case, said)):
            return False
        if not _any(self.modes, mode) and self._is_exact(case, mode):
            return any(spot.has(rule, case, mode) for spot in self.exactly or ())
        listed = self.modes + self.flaky_modes
        return _any(listed, mode) or (mode in SWEEP and any(_any(listed, one) for one in USUAL))

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

    def fails_in(self, case: Case, mode: str) -> bool:
        """Whether it always fails where it covers this mode, so that a pass makes it stale."""
        return _any(self.modes, mode) or self._is_exact(case, mode)

    def _is_exact(self, case: Case, mode: str) -> bool:
        """Whether `exactly` tells all of this mode; of cases of a user's own it tells nothing."""
        return self.exactly is not None and mode not in SWEEP and _is_shipped(case.path)

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
        is_exact = _is_exact(document, server)
        here = [issue for issue in issues if applies(issue, server)]
        kept.extend(_settled(issue, server, is_exact=is_exact) for issue in here)
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


def _is_exact(document: Document, server: Server) -> bool:
    """Whether a file says exactly what fails on such a server: it has the engine of ours."""
    spec = document.value.get("exact")
    if spec is None:
        return False
    versions, tested = _versions(document, ("exact",), spec["versions"]), version(server.version)
    known = versions is not None and tested is not None and tested in versions
    return server.takes_steps and known and server.model in spec["models"]


def _settled(issue: Issue, server: Server, *, is_exact: bool) -> Issue:
    """Keep of what is exact that which is about this server; nothing where chance has a part."""
    if issue.exactly is None or not is_exact:
        return replace(issue, exactly=None)
    return replace(
        issue, exactly=tuple(spot for spot in issue.exactly if _any(spot.models, server.model))
    )


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
    if "exactly" in spec and "flaky_modes" not in spec:
        raise document.problem("`exactly` is for `flaky_modes`; use `modes`", *at, "exactly")
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
        exactly=_spots(spec) if "exactly" in spec else None,
        every=spec.get("every"),
        excluding=tuple(spec.get("except", [])),
        cases=tuple(spec.get("cases", [])),
        sampled=tuple(spec.get("sampled", [])),
        rules=tuple(spec["rules"]),
        says=spec.get("says"),
        policy=kind == "policies",
    )


def _spots(spec: dict[str, Any]) -> tuple[Spot, ...]:
    return tuple(
        Spot(**{key: tuple(names) for key, names in one.items()}) for one in spec["exactly"]
    )


def _versions(
    document: Document, at: tuple[str | int, ...], text: str | None
) -> SpecifierSet | None:
    if text is None:
        return None
    try:
        return SpecifierSet(text, prereleases=True)
    except InvalidSpecifier:
        what = f"versions {text!r}; allowed: a PEP 440 set such as '>=0.27,<0.33'"
        raise document.problem(what, *at, "versions") from None


def applies(issue: Issue, server: Server) -> bool:
    """Whether an issue is about a server of this implementation and version."""
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


@cache
def _is_shipped(path: Path) -> bool:
    return casefile.shipped().resolve() in path.resolve().parents


def _any(patterns: Iterable[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
