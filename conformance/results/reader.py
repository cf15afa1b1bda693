"""Results that earlier runs wrote, read strictly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.base import files, jsonfile
from conformance.base.jsonfile import JsonFileProblem
from conformance.base.jsonvalue import Json, show
from conformance.base.printable import counted
from conformance.base.schema import misfit
from conformance.base.statistics import Rate
from conformance.terms.outcome import Level, Outcome

MAX_RESULTS_BYTES = 64_000_000
"""A larger file is refused."""


class ResultsProblem(Exception):
    """Results cannot be used; reads `path: what was seen, and what to do`."""

    def __init__(self, path: Path, what: str) -> None:
        """Keep path and message apart."""
        super().__init__(f"{path}: {what}")
        self.path = path
        self.what = what


DIGEST_SHOWN = len("sha256:") + 12
"""As much of a digest as tells two apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The suite that made a run."""

    version: str
    cases: int
    rules: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRecord:
    """The server that a run tested, as its results describe it."""

    id: str
    implementation: str
    version: str | None
    parser: str
    format: str
    template: str | None
    model: str
    packages: Mapping[str, str]
    emission: str
    tokens: bool = False
    """Whether the server shows a sampled answer's tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """How a run was made."""

    started: str
    seconds: float
    via: str
    level: Level
    selected: int
    complete: bool
    known: tuple[str, ...]
    pytest: str
    openai: str
    deselected: int = 0
    baseline: str | None = None
    repeats: int = 1
    """The most attempts at an item of a sampled model."""
    require_calls: float | None = None
    repeat: str | None = None
    """The options that repeat the run."""
    unasked: Mapping[str, int] | None = None
    """How many items were not asked, by reason."""
    waited: Mapping[str, float] | None = None
    """How many `times` the run waited for the server, and for how many `seconds`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A rule broken at a place."""

    rule: str
    level: Level
    outcome: Outcome
    where: str
    expected: str
    actual: str
    chunk: int | None
    known: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One answer of a sampled model to an item."""

    outcome: Outcome
    reason: str | None
    seconds: float
    fault: str | None
    called: bool | None
    """Whether the model made the wanted call; `None` if none was wanted or it is unknown."""
    said: str | None
    """The beginning of the model's own text, if its tokens are known."""
    broken: tuple[str, ...]
    """Ids of the broken rules."""
    wire: str | None

    @property
    def answered(self) -> bool:
        """Whether there was an answer to judge."""
        return self.outcome not in (Outcome.NA, Outcome.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemResult:
    """The outcome of a case in a mode."""

    case: str
    mode: str
    outcome: Outcome
    reason: str | None
    seconds: float
    rules: Mapping[str, Outcome]
    findings: tuple[Found, ...]
    wire: str | None
    chance: frozenset[str] = frozenset()
    """Rules that known issues list here as failing by chance, whatever their outcome."""
    test: str | None = None
    """Its name in pytest."""
    fault: str | None = None
    """Whose fault it is, if a sampled item failed or was not decided."""
    attempts: tuple[Attempt, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Its case and mode."""
        return (self.case, self.mode)

    def rates(self) -> dict[str, Rate]:
        """Give how often each rule was broken among the attempts that had an answer."""
        asked = [one for one in self.attempts if one.answered]
        broken = Counter(rule for one in asked for rule in one.broken)
        return {rule: Rate(count, len(asked)) for rule, count in broken.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueRecord:
    """A known issue, as a run's results record it."""

    about: str
    issue: str | None
    """The address of its report."""
    source: str | None = None
    """The place in the implementation's source."""

    @property
    def link(self) -> str | None:
        """Where to read more."""
        return self.issue or self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """One run against one server."""

    path: Path
    suite: Suite
    target: TargetRecord
    run: RunFacts
    items: tuple[ItemResult, ...]
    issues: Mapping[str, IssueRecord] = field(default_factory=dict)

    @property
    def totals(self) -> Mapping[str, int]:
        """Count the items by outcome."""
        counted = Counter(str(item.outcome) for item in self.items)
        return {str(outcome): counted[str(outcome)] for outcome in Outcome}

    @property
    def gap(self) -> str | None:
        """Say why some items are missing, and what to do; `None` if the run is whole."""
        if not self.run.complete:
            return "an incomplete run; let it run to its end"
        if self.run.deselected:
            return (
                f"a partial run, which left out {counted(self.run.deselected, 'item')}; "
                "run it again without -k and without naming items"
            )
        return None

    def made_with_other(self, digest: str, whose: str) -> str | None:
        """Say so if the cases or rules of the run are not those of this digest."""
        if self.suite.digest == digest:
            return None
        digests = f"{self.suite.digest[:DIGEST_SHOWN]}, not {digest[:DIGEST_SHOWN]}"
        return f"{self.path}: made with other cases or rules than {whose} (suite digest {digests})"

    def outcomes(self) -> dict[tuple[str, str], Mapping[str, Outcome]]:
        """Give each rule's outcome by case and mode; a rule that fails by chance is known."""
        return {
            item.key: {**item.rules, **dict.fromkeys(item.chance, Outcome.KNOWN)}
            for item in self.items
        }

    def rates(self) -> dict[tuple[str, str], Mapping[str, Rate]]:
        """Give how often each item of a sampled run broke each rule."""
        return {item.key: item.rates() for item in self.items if item.attempts}


def load(path: Path) -> Results:
    """Read the results of a run; raises `ResultsProblem`."""
    document = _document(path)
    if (version := jsonfile.other_version(document)) is not None:
        raise ResultsProblem(
            path, f"schema {version}, and this suite reads schema 1; run both with one suite"
        )
    if (wrong := misfit(document, "results")) is not None:
        raise ResultsProblem(path, f"not the results of a run: {wrong}")
    results = from_document(path, document)
    if (wrong := next(_contradictions(results, document["totals"]), None)) is not None:
        raise ResultsProblem(path, f"contradicts itself: {wrong}; was it changed? run again")
    return results


def _contradictions(results: Results, totals: Mapping[str, int]) -> Iterator[str]:
    """Hold what a file says of its items against them."""
    true = results.totals
    for outcome in [*true, *totals]:
        said, found = totals.get(outcome, 0), true.get(outcome, 0)
        if said != found:
            yield f"totals.{show(outcome)[1:-1]} is {said}, and {found} of the items are that"
    if results.run.complete and len(results.items) < results.run.selected:
        there = counted(len(results.items), "item is", "items are")
        missing = f"run.selected is {results.run.selected}, and {there} there"
        yield f"run.complete is true, {missing}"
    for item in results.items:
        for found_there in item.findings:
            judged = item.rules.get(found_there.rule)
            if judged is not found_there.outcome:
                place = f"{item.case} [{item.mode}]: {found_there.rule}"
                yield f"{place} is {judged or 'not judged'}, and {found_there.outcome} in a finding"


def wire(results: Results, item: ItemResult) -> Json:
    """Read the exchange that is kept beside an item's results; `None` if there is none."""
    if item.wire is None:
        return None
    place = results.path.parent / item.wire
    try:
        found = _document(place)
    except ResultsProblem:
        return None
    return found if isinstance(found, dict) else None


def wire_bytes(results: Results, item: ItemResult) -> int | None:
    """Give the size of the exchange that is kept beside an item's results, if there is one."""
    return None if item.wire is None else files.size(results.path.parent / item.wire)


def _document(path: Path) -> Json:
    try:
        return jsonfile.load(path, MAX_RESULTS_BYTES)
    except JsonFileProblem as problem:
        raise ResultsProblem(path, str(problem)) from None


def from_document(path: Path, document: Mapping[str, Any]) -> Results:
    """Read a document that fits its schema; raises `ResultsProblem` if it lists an item twice."""
    run = document["run"]
    items = tuple(_item(item) for item in document["results"])
    seen: set[tuple[str, str]] = set()
    for item in items:
        if item.key in seen:
            raise ResultsProblem(path, f"{item.case} [{item.mode}] is listed twice")
        seen.add(item.key)
    return Results(
        path=path,
        suite=Suite(**document["suite"]),
        target=TargetRecord(**document["target"]),
        run=RunFacts(**{**run, "level": Level(run["level"]), "known": tuple(run["known"])}),
        items=items,
        issues={id: IssueRecord(**issue) for id, issue in document.get("issues", {}).items()},
    )


def _item(item: Mapping[str, Any]) -> ItemResult:
    findings = tuple(
        Found(
            **{
                **found,
                "level": Level(found["level"]),
                "outcome": Outcome(found["outcome"]),
            }
        )
        for found in item["findings"]
    )
    return ItemResult(
        **{
            **item,
            "outcome": Outcome(item["outcome"]),
            "rules": {rule: Outcome(outcome) for rule, outcome in item["rules"].items()},
            "findings": findings,
            "chance": frozenset(item.get("chance", ())),
            "attempts": tuple(map(_attempt, item.get("attempts", ()))),
        }
    )


def _attempt(found: Mapping[str, Any]) -> Attempt:
    typed = {"outcome": Outcome(found["outcome"]), "broken": tuple(found["broken"])}
    return Attempt(**{**found, **typed})
