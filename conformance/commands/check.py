"""`check`: find mistakes in files of cases, targets, known issues and results, with no server."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import filter as matching
from pathlib import Path
from typing import Any

from conformance.base import files, outlet, printable, strictyaml
from conformance.base.printable import counted
from conformance.base.strictyaml import FileProblem
from conformance.base.suggest import did_you_mean
from conformance.casefiles import casefile, finding, modes, old
from conformance.engines import target
from conformance.engines.target import TargetProblem
from conformance.formats import FORMATS, PARSERS
from conformance.results import reader
from conformance.results.acceptance import TODO
from conformance.results.reader import ResultsProblem
from conformance.rules import RULES
from conformance.terms import case
from conformance.terms.case import Case
from conformance.verdicts import known_issues
from conformance.verdicts.known_issues import Issue

FOUND, NOTHING_CHECKED = 1, 5
MAX_GLOB_ITEMS = 20
"""Cases times modes that the globs of one entry may cover."""

_KINDS = {
    "cases": "cases",
    "tools": "tools",
    "tokenizer": "target",
    "issues": "known",
    "policies": "known",
}
"""A top-level key that only one kind of file has, and that kind."""
_KEY = re.compile(rf"^({'|'.join(_KINDS)}):", re.MULTILINE)
RESULTS = "results"
"""What a run wrote, which is JSON; only a file that is named is checked."""
_WILD = re.compile(r"[*?[]")
_MAX_LISTED = 60
"""Names that a hint may list; for more it names the command that lists them."""
_MODES = [mode.name for mode in (*modes.CUTS["thorough"], case.PROMPT)]
_USUAL = [mode.name for mode in (*modes.DEFAULT, case.PROMPT)]
"""The modes of a run without `--cuts thorough`."""

Mistake = tuple[str, tuple[str | int, ...]]
"""What is wrong in an entry, and the keys that lead there."""


def add(commands: Any) -> None:
    """Add the command to a parser."""
    one = commands.add_parser("check", help="check files of cases, targets, known issues, results")
    one.add_argument("paths", nargs="*", metavar="PATH", help="default: what comes with the suite")
    one.add_argument("--fix", action="store_true", help="convert case files of earlier releases")
    one.set_defaults(command=run)


def run(chosen: argparse.Namespace) -> int:
    """Check files of cases, targets, known issues and results."""
    paths = [Path(name) for name in chosen.paths]
    for path in fix(paths) if chosen.fix else ():
        outlet.say(printable.line(f"{path}: converted"))
    found = check(paths)
    for problem in found.problems:
        outlet.say(printable.line(problem))
    problems = counted(len(found.problems), "problem") if found.problems else "no problems"
    outlet.say(f"{counted(found.files, 'file')}, {problems}")
    if not found.files:
        return NOTHING_CHECKED
    return FOUND if found.problems else 0


class CheckProblem(Exception):
    """There is nothing to check at a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """How many files were checked, and their problems."""

    files: int
    problems: tuple[str, ...]
    """Each reads `path:line: what was seen, and what to do`; results have no line."""


def check(paths: Sequence[Path] = ()) -> Checked:
    """Check files, and the files of the suite's kinds in folders; by default the suite's own.

    Known issues may also name the suite's own cases and targets. Raises CheckProblem.
    """
    files = sort_files(paths or (casefile.shipped(), target.FOLDER, known_issues.FOLDER))
    problems = [
        f"{path}:1: holds no cases, tools, target, issues or policies" for path in files["none"]
    ]
    cases = _cases(files["cases"], problems, own=bool(files["known"]))
    for path in files["tools"]:
        with _noting(problems):
            casefile.load_tools(path)
    parsers = set(PARSERS)
    for name in target.names():
        with suppress(TargetProblem):
            parsers.add(target.load(name).parser)
    for path in files["target"]:
        with _noting(problems):
            parsers.add(target.read(path).parser)
    for path in files[RESULTS]:
        with _noting(problems):
            reader.load(path)
    for path in files["known"]:
        with _noting(problems):
            problems.extend(_issues(path, cases, parsers))
    # Tools that cannot be read give the same problem for every file beside them.
    once = tuple(dict.fromkeys(problems))
    return Checked(files=sum(map(len, files.values())), problems=once)


def fix(paths: Sequence[Path]) -> Iterator[Path]:
    """Convert case files of earlier releases in place, and give those that have changed."""
    for path in sort_files(paths or (casefile.shipped(),))["cases"]:
        with suppress(FileProblem):  # which checking will say
            document = strictyaml.parse(path)
            text = old.converted(document)
            if text != document.text:
                path.write_bytes(text.encode())
                yield path


def sort_files(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Sort files by what they hold; in folders, files of no kind count only beside cases."""
    found: dict[str, list[Path]] = {kind: [] for kind in [*_KINDS.values(), RESULTS, "none"]}
    for place in paths:
        if not files.is_there(place):
            raise CheckProblem(f"{place}: there is no such file or folder")
        if not files.is_folder(place):
            found[_kind(place) or "none"].append(place)
            continue
        for path in sorted(place.rglob("*.yaml")):
            hidden = any(part.startswith(".") for part in path.relative_to(place).parts)
            beside = "cases" if finding.is_case_file(path) else None
            kind = None if hidden else _kind(path) or beside
            if kind:
                found[kind].append(path)
    return {kind: list(dict.fromkeys(listed)) for kind, listed in found.items()}


def _kind(path: Path) -> str | None:
    if path.name == casefile.TOOLS:
        return "tools"
    if path.suffix == ".json":
        return RESULTS
    try:
        key = _KEY.search(files.text(path, strictyaml.MAX_BYTES))
    except files.Unread:
        return "cases"  # whose reader says why it cannot be read
    return _KINDS[key[1]] if key else None


@contextmanager
def _noting(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except (FileProblem, ResultsProblem, TargetProblem) as problem:
        problems.append(str(problem))


def _cases(files: Sequence[Path], problems: list[str], *, own: bool) -> list[Case] | None:
    """Give the cases of files, and with `own` the suite's; `None` if some cannot be read."""
    found: dict[str, Case] = {}
    before = len(problems)
    for path in files:
        with _noting(problems):
            for case in casefile.load(path):
                first = found.setdefault(case.id, case)
                if first is not case:
                    at = f"first at {first.path}:{first.line}"
                    problems.append(
                        f"{path}:{case.line}: duplicate id {case.id!r}, {at}; rename one file"
                    )
    if len(problems) > before:
        return None
    given = {os.path.realpath(path) for path in files}
    for path in casefile.shipped().rglob("[!_]*.yaml") if own else ():
        if os.path.realpath(path) not in given:
            try:
                found = {case.id: case for case in casefile.load(path)} | found
            except FileProblem:
                return None
    return [*found.values()]


def _issues(path: Path, cases: Sequence[Case] | None, parsers: Collection[str]) -> Iterator[str]:
    document, issues = known_issues.read(path)
    allowed = {
        "rules": RULES,
        "modes": _MODES,
        "flaky_modes": _MODES,
        "formats": FORMATS,
        "parsers": parsers,
    }
    first: dict[str, int] = {}
    for at, issue in zip(known_issues.places(document), issues, strict=True):
        line = document.line(*at)
        mistakes = [*_unfilled(issue), *_names(issue, allowed), *_places(issue, cases)]
        if first.setdefault(issue.id, line) != line:
            mistakes.append(
                (f"id a second time, first on line {first[issue.id]}; allowed once", ())
            )
        for what, keys in mistakes:
            yield str(document.problem(f"{issue.id}: {what}", *at, *keys))


def _unfilled(issue: Issue) -> Iterator[Mistake]:
    for key, text in (("about", issue.about), ("issue", issue.issue), ("source", issue.source)):
        if TODO in (text or ""):
            yield f"{key} has a {TODO}; find out what it asks for, and write it", (key,)


def _names(issue: Issue, allowed: Mapping[str, Collection[str]]) -> Iterator[Mistake]:
    """Find unknown names, and modes that are listed both as certain and as chance."""
    for key, names in allowed.items():
        for number, pattern in enumerate(getattr(issue, key)):
            if not matching(names, pattern):
                yield f"{key}: there is no {pattern!r}; {_hint(pattern, names, key)}", (key, number)
    for number, spot in enumerate(issue.exactly or ()):
        for key, known in (("modes", _modes(issue.flaky_modes)), ("rules", issue.rules)):
            for name in getattr(spot, key):
                if name != "*" and name not in known:
                    what = f"{name!r} is none of the entry's {key}; leave it out"
                    yield f"exactly: {what}", ("exactly", number, key)
    both = [mode for mode in _modes(issue.modes) if mode in _modes(issue.flaky_modes)]
    if both:
        yield f"{', '.join(both)} in modes and in flaky_modes; name each in one", ("flaky_modes",)


def _places(issue: Issue, cases: Sequence[Case] | None) -> Iterator[Mistake]:
    """Find names that match no case, and globs that cover too many."""
    if cases is None:
        return
    ids = [case.id for case in cases]
    for number, pattern in enumerate(issue.cases):
        if not matching(ids, pattern):
            hint = _hint(pattern, ids, "cases")
            yield (
                f"there is no case {pattern!r}; {hint}; check your own together",
                ("cases", number),
            )
    for number, spot in enumerate(issue.exactly or ()):
        for name in spot.cases:
            if not any(case.id == name and issue.lists(case) for case in cases):
                what = f"{name!r} is none of the entry's cases; leave it out"
                yield f"exactly: {what}", ("exactly", number, "cases")
    if issue.every:
        members = [case.id for case in cases if replace(issue, excluding=()).lists(case)]
        for number, pattern in enumerate(issue.excluding):
            if not matching(members, pattern):
                what = f"{pattern!r} is not a case of the class {issue.every!r}; leave it out"
                yield f"except: {what}", ("except", number)
        if not any(issue.lists(case) for case in cases):
            yield (
                f"every: no case is left of the class {issue.every!r}; remove the entry",
                ("every",),
            )
    globs = [pattern for pattern in issue.cases if _WILD.search(pattern)]
    wide = {id for pattern in globs for id in matching(ids, pattern)}
    modes = len(_modes(issue.modes + issue.flaky_modes))
    if len(wide) * modes > MAX_GLOB_ITEMS:
        seen = f"{', '.join(globs)}: {counted(len(wide), 'case')} in {counted(modes, 'mode')}"
        allowed = f"globs may cover {MAX_GLOB_ITEMS} together"
        yield f"{seen}; {allowed}: name the cases, or say `every`", ("cases",)


def _modes(patterns: Sequence[str]) -> set[str]:
    return {mode for pattern in patterns for mode in matching(_USUAL, pattern)}


def _hint(word: str, allowed: Collection[str], key: str) -> str:
    if len(allowed) <= _MAX_LISTED:
        return did_you_mean(word, allowed)
    near = get_close_matches(word, allowed, n=1)
    return (
        f"did you mean {near[0]!r}? " if near else ""
    ) + f"`python -m conformance {key}` lists them"
