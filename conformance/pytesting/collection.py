"""From case files to pytest items: one item a case and mode."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.base import files, printable
from conformance.base.strictyaml import FileProblem
from conformance.casefiles import casefile, finding
from conformance.client.recording import TapeProblem
from conformance.client.sender import NotAsked
from conformance.pytesting import exits
from conformance.report import terminal
from conformance.runs.emissions import modes_of_case
from conformance.terms.case import Mode
from conformance.terms.outcome import Outcome
from conformance.verdicts.item import Item, Judged
from conformance.verdicts.verdict import BROKEN


class ServerTrouble(Exception):
    """The answer is missing or not whole: neither a pass nor a parser's failure."""


class Nonconformance(Exception):
    """An answer breaks a rule, or passes one that is listed as broken."""

    def __init__(self, judged: Judged) -> None:
        """Carry the judged item to the report."""
        super().__init__(_first_line(judged))
        self.judged = judged


def is_case_file(path: Path, named: list[Path]) -> bool:
    """Whether a file holds cases: it or one beside it says so, or the user named it."""
    if path in named and path.suffix in finding.SUFFIXES:
        return not path.name.startswith("_")
    return finding.is_case_file(path)


def files_in(place: Path) -> Iterator[Path]:
    """List the files at a place, or below it; hidden folders are not looked into."""
    if not files.is_folder(place):
        yield place
        return
    for path in sorted(place.rglob("*")):
        if not any(part.startswith(".") for part in path.relative_to(place).parts):
            yield path


def without_cases(places: Iterable[Path]) -> Path | None:
    """Give the first place that has neither cases nor tests in Python."""
    for place in places:
        found = list(files_in(place))
        if not any(is_case_file(path, [place]) or path.suffix == ".py" for path in found):
            return place
    return None


def share_of(nodeid: str, shares: int) -> int:
    """Say which share an item belongs to; the modes of a case need one another and share one."""
    return zlib.crc32(nodeid.rpartition("[")[0].encode()) % shares


class CaseFile(pytest.File):
    """A file of cases."""

    run: Any
    """The plugin's `Run`."""

    def collect(self) -> Iterator[CaseItem]:
        """Yield each case in each mode."""
        try:
            cases = casefile.load(self.path, self.run.tools(self.path.parent))
        except FileProblem as problem:
            raise self.CollectError(printable.line(str(problem))) from None
        self.run.files.add(self.path)
        for case in cases:
            first = self.run.cases.setdefault(case.id, case)
            if first.path != case.path:
                at = f"{case.path}:{case.line}: duplicate id {case.id!r}"
                text = f"{at}, first at {first.path}:{first.line}; rename one file"
                raise self.CollectError(printable.line(text))
        for case in cases:
            for mode in modes_of_case(case, self.run.modes, self.run.server):
                item = Item(case=case, mode=mode)
                self.run.collected += 1
                yield CaseItem.from_parent(
                    self,
                    name=f"{case.id.partition('/')[2]}[{mode.name}]",
                    callobj=_never_called,
                    subject=item,
                    run=self.run,
                )


def properties(judged: Judged) -> list[tuple[str, object]]:
    """Write what became of an item as the flat properties that JUnit XML can hold."""
    found: list[tuple[str, object]] = [
        ("conformance.case", judged.item.case.id),
        ("conformance.mode", judged.item.mode.name),
        ("conformance.outcome", str(judged.verdict.outcome)),
    ]
    if judged.fault is not None:
        found.append(("conformance.fault", str(judged.fault)))
    for judgement in judged.verdict.of(*BROKEN, Outcome.STALE):
        found.append((f"conformance.{judgement.outcome}", judgement.rule.id))
    return found


def _never_called() -> None:
    """Take the place of a test function; `CaseItem.runtest` does the work."""


class CaseItem(pytest.Function):
    """A case in a mode; a real Function, so that marks, fixtures and other plugins work."""

    def __init__(self, *, subject: Item, run: Any, **rest: Any) -> None:
        """Take what pytest gives a Function, and the item it stands for."""
        super().__init__(**rest)
        self.subject = subject
        self.plugin_run = run
        self.judged: Judged | None = None
        self.unasked: str | None = None
        """Why the server was not asked."""

    def setup(self) -> None:
        """Wait for the answer and judge it; without a whole one this is an error."""
        super().setup()
        try:
            self.judged = self.plugin_run.judge(self)
        except NotAsked as reason:
            self.unasked = str(reason)
            pytest.skip(f"not asked: {reason}")
        except TapeProblem as problem:
            raise ServerTrouble(str(problem)) from None
        self.user_properties += properties(self.judged)
        if self.judged.verdict.outcome is Outcome.ERROR:
            raise ServerTrouble(self.judged.verdict.reason)

    def teardown(self) -> None:
        """Let the answer go: pytest keeps every item to the end of the session."""
        super().teardown()
        self.judged = None

    def runtest(self) -> None:
        """Turn the verdict into an outcome of pytest's."""
        judged = self.judged
        assert judged is not None
        verdict = judged.verdict
        if verdict.outcome in (Outcome.NA, Outcome.INCONCLUSIVE):
            word = "not applicable" if verdict.outcome is Outcome.NA else "inconclusive"
            pytest.skip(f"{word}: {verdict.reason}")
        if verdict.outcome in (Outcome.FAIL, Outcome.STALE):
            raise Nonconformance(judged)
        if verdict.outcome in (Outcome.KNOWN, Outcome.POLICY):
            known = verdict.of(Outcome.KNOWN, Outcome.POLICY)
            excuses = {terminal.cite(one.issue) if one.issue else "baseline" for one in known}
            pytest.xfail(", ".join(sorted(excuses)))

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """Show our own block for a fault of the server, and a traceback for one of ours."""
        if not isinstance(excinfo.value, Nonconformance | ServerTrouble):
            return super().repr_failure(excinfo)
        repeat = self.plugin_run.repeat(self.nodeid)
        if isinstance(excinfo.value, Nonconformance):
            known = self.plugin_run.known.files
            text = terminal.failure(excinfo.value.judged, repeat, known)
        else:
            text = terminal.trouble(self.subject, str(excinfo.value), repeat)
        # JUnit, the summary and xdist take the first line from a traceback, and from nothing else.
        shown = excinfo.getrepr(style="native")
        shown.reprtraceback.reprentries[0].lines[:] = [f"{text}\n"]
        shown.reprcrash.path, shown.reprcrash.lineno = str(self.path), self.subject.case.line
        shown.reprcrash.message = text.partition("\n")[0]
        return shown

    def reportinfo(self) -> tuple[Path, int, str]:
        """Point at the case's line in its file."""
        return exits.place(self.path), self.subject.case.line - 1, self.name


def _first_line(judged: Judged) -> str:
    failed = judged.verdict.of(Outcome.FAIL, Outcome.STALE)
    return terminal.headline(failed[0]) if failed else str(judged.verdict.outcome)


__all__ = ["CaseFile", "CaseItem", "Mode", "Nonconformance", "ServerTrouble", "is_case_file"]
