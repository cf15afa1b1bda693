"""Many runs: every target on every release with every template, each in a pytest of its own."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from conformance.base import files, jsonfile
from conformance.base.jsonvalue import Json
from conformance.base.printable import counted
from conformance.casefiles import casefile
from conformance.engines import target as targets
from conformance.engines.engine import Engine, settings_in
from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Process, Report, spawn
from conformance.engines.registry import engine_of
from conformance.terms.server import Target

MAX_RESULTS_BYTES, MAX_NOTE_BYTES = 64_000_000, 10_000
"""Larger files of a run are not read."""
SERVER_BYTES = 3_000_000_000
"""The memory that a server and its run may need; a launched 0.32.0 takes about half."""
PROGRESS_SECONDS = 15.0
"""The time between two reports on a run's progress."""
INTERRUPT_SECONDS = 20.0
"""The time that an interrupted run has to write its results."""

CONFORMING, FINDINGS, INTERRUPTED, INTERNAL, USAGE, NOTHING = range(6)
"""Exit statuses of a run."""
_GRAVEST_FIRST = (INTERRUPTED, INTERNAL, FINDINGS, USAGE, NOTHING)

_COUNT = re.compile(r"\[ *([0-9]+)/([0-9]+)\]")
"""How pytest reports the items done, of how many."""
_COLLECTED = re.compile(r"^collected (?:.* / )?([0-9]+) (?:items?|selected)$", re.MULTILINE)
"""How pytest reports, once the server is up, the number of items."""


class MatrixProblem(Exception):
    """A matrix cannot run as asked; the message names the option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """One run of a matrix: a target, a release of its engine and a template."""

    target: Target
    release: str
    template: str | None = None
    """`None` for the target's own."""

    @property
    def name(self) -> str:
        """Name the combination, and its folder."""
        template = Path(self.template).stem if self.template else ""
        parts = filter(None, (self.target.name, self.release, template))
        return "_".join(re.sub(r"[^A-Za-z0-9.-]+", "-", part).strip("-") for part in parts)

    @property
    def options(self) -> tuple[str, ...]:
        """Write the options that launch it."""
        shipped = self.target.path.parent == targets.FOLDER
        launched = self.target.name if shipped else str(self.target.path)
        template = (f"--template={self.template}",) if self.template else ()
        release = f"{self.engine.release.name}={self.release}"
        return (f"--launch={launched}", release, *template)

    @property
    def engine(self) -> Engine:
        """Give the engine that serves it."""
        return engine_of(self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the run of a combination ended."""

    combination: Combination
    status: int
    """The exit status of its run."""
    seconds: float
    results: Path | None = None
    """`None` where a run left none."""
    reason: str | None = None
    """Why it did not run, in the words of pytest or of the provisioning."""


@dataclass(slots=True, kw_only=True)
class _Running:
    combination: Combination
    folder: Path
    stamp: str
    process: Process
    began: float
    reported: float


def combine(
    targets: Iterable[Target], releases: Mapping[str, Sequence[str]], templates: Iterable[str]
) -> list[Combination]:
    """Make every combination once; raises `MatrixProblem` where two have one name.

    `releases` are by the engine's name; an engine without any has its default.
    """
    chosen: list[str | None] = [*templates] or [None]
    made = (
        Combination(target=target, release=release, template=template)
        for target in targets
        for release, template in product(
            releases.get(target.engine) or [engine_of(target).release.usual(target)], chosen
        )
    )
    named: dict[str, Combination] = {}
    for one in made:
        other = named.setdefault(one.name, one)
        if other.options != one.options:
            raise MatrixProblem(
                f"{' '.join(one.options)} and {' '.join(other.options)} would share the folder "
                f"{one.name}; rename a file"
            )
    return list(named.values())


def servers_here() -> int:
    """Say how many servers this machine can run, by its cores and its free memory."""
    cores = len(os.sched_getaffinity(0))
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(files.Unread, StopIteration, ValueError):  # Linux counts what it can free
        lines = files.text(Path("/proc/meminfo"), 100_000).splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        free = int(available.split()[1]) * 1024
    return max(1, min(cores // 2, int(free / SERVER_BYTES)))


def servers_asked(number: int | None) -> int:
    """Give the servers that `--servers` asks for, or those that this machine can run."""
    if number is not None and number < 1:
        raise MatrixProblem(f"--servers: {number}; allowed: 1 or more")
    return number or servers_here()


def run(
    combinations: Sequence[Combination],
    arguments: Sequence[str],
    *,
    folder: Path,
    servers: int,
    report: Report,
) -> list[Ended]:
    """Run the combinations that have not run before, several at once; keeps their order.

    Each combination has a folder with its results, its logs, and a note, from which a later matrix
    sees that it need not run again. A release that is a path runs again, as what is there may have
    changed. After Ctrl-C the runs write what they have.
    """
    stamps = {one.name: stamp(one, arguments) for one in combinations}
    ended = {
        one.combination.name: one
        for one in _settled(combinations, stamps, arguments, folder, report)
    }
    waiting = deque(one for one in combinations if one.name not in ended)
    running: list[_Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < servers:
                one = waiting.popleft()
                running.append(_begin(one, arguments, folder, stamps[one.name]))
                report(f"{running[-1].combination.name}: begun, log {running[-1].process.log}")
            for current in [one for one in running if one.process.code() is not None]:
                running.remove(current)
                current.process.stop()
                last = ended[current.combination.name] = _end(current)
                report(f"{last.combination.name}: {summary(last)}")
            _report_progress(running, len(waiting), list(ended.values()), servers, report)
            time.sleep(0.2)
    except KeyboardInterrupt:
        report("interrupted: the runs write what they have")
        ended |= {one.combination.name: one for one in _interrupt(running)}
    finally:
        for current in running:
            current.process.stop()
    never = (Ended(combination=one, status=INTERRUPTED, seconds=0.0) for one in combinations)
    return [ended.get(one.combination.name, one) for one in never]


def status(ended: Iterable[Ended]) -> int:
    """Give the gravest exit status of all runs; without runs, the status of nothing tested."""
    found = {one.status for one in ended} or {NOTHING}
    return next((one for one in _GRAVEST_FIRST if one in found), max(found))


def summary(ended: Ended) -> str:
    """Say in one line how a combination ended."""
    if ended.reason is not None:
        return ended.reason.splitlines()[0]
    if ended.results is None:
        return f"no results, exit status {ended.status}"
    try:
        totals = jsonfile.load(ended.results, MAX_RESULTS_BYTES)["totals"]
    except jsonfile.JsonFileProblem as problem:
        return f"{ended.results}: {problem}"
    counts = ", ".join(f"{count} {outcome}" for outcome, count in totals.items() if count)
    return f"{counts}; {ended.seconds:.0f} s"


def command(combination: Combination, results: Path, arguments: Sequence[str]) -> list[str]:
    """Write the command of a run; its output counts the items that are done."""
    words = [sys.executable, "-m", "conformance", "run", *combination.options]
    return [*words, f"--results={results}", "-o", "console_output_style=count", *arguments]


def stamp(combination: Combination, arguments: Sequence[str]) -> str:
    """Digest what decides a run: options, arguments, the suite, the cases, the target."""
    found = hashlib.sha256("\0".join((*combination.options, "", *arguments)).encode())
    suite = Path(__file__).parents[1]
    paths = {combination.target.path, *suite.rglob("*.py"), *suite.rglob("*.yaml")}
    named = [Path(word.partition("::")[0].partition("=")[2] or word) for word in arguments]
    for place in (casefile.shipped(), *named):
        paths |= set(place.rglob("*.yaml")) if files.is_folder(place) else {place}
    for path in sorted(path for path in paths if files.is_file(path)):
        data = files.data(path, MAX_RESULTS_BYTES)
        found.update(str(path).encode() + b"\0" + data + b"\0")
    return found.hexdigest()


def _settled(
    combinations: Sequence[Combination],
    stamps: Mapping[str, str],
    arguments: Sequence[str],
    folder: Path,
    report: Report,
) -> Iterator[Ended]:
    """Find combinations that are done or have no release; provision each release once."""
    refused: dict[tuple[str, str], str | None] = {}
    for one in combinations:
        fixed = not files.is_there(Path(one.release))
        if fixed and (done := _done(one, folder / one.name, stamps[one.name])):
            report(f"{one.name}: done before; {summary(done)}")
            yield done
            continue
        wanted = (one.engine.name, one.release)
        if wanted not in refused:
            refused[wanted] = _provision(one.engine, one.release, arguments, report)
        if (reason := refused[wanted]) is not None:
            yield Ended(combination=one, status=USAGE, seconds=0.0, reason=reason)


def _provision(
    engine: Engine, release: str, arguments: Sequence[str], report: Report
) -> str | None:
    """Make a release ready, or say why that failed."""
    try:
        engine.provision(release, settings=settings_in(engine, arguments), report=report)
    except LaunchProblem as problem:
        report(f"{engine.title} {release}: {problem}")
        return str(problem)
    return None


def _begin(
    combination: Combination, arguments: Sequence[str], folder: Path, stamp: str
) -> _Running:
    own = folder / combination.name
    for old in ("results.json", "ended.json", "run.log"):
        (own / old).unlink(missing_ok=True)
    process = spawn(
        command(combination, own / "results.json", arguments),
        own / "run.log",
        environment={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    now = time.monotonic()
    return _Running(
        combination=combination,
        folder=own,
        stamp=stamp,
        process=process,
        began=now,
        reported=now,
    )


def _end(running: _Running) -> Ended:
    code = running.process.code()
    found = running.folder / "results.json"
    ended = Ended(
        combination=running.combination,
        status=INTERNAL if code is None or code > NOTHING else code,
        seconds=time.monotonic() - running.began,
        results=found if found.exists() else None,
        reason=_reason(running.process) if code == USAGE else None,
    )
    if ended.status in (CONFORMING, FINDINGS, NOTHING):
        note = {"stamp": running.stamp, "status": ended.status, "seconds": round(ended.seconds, 1)}
        jsonfile.write(running.folder / "ended.json", note)
    return ended


def _done(combination: Combination, folder: Path, stamp: str) -> Ended | None:
    """Read how a combination ended before, if its run was the same and complete."""
    try:
        note: dict[str, Any] = jsonfile.load(folder / "ended.json", MAX_NOTE_BYTES)
        found: Json = jsonfile.load(folder / "results.json", MAX_RESULTS_BYTES)
        if note["stamp"] != stamp or not found["run"]["complete"]:
            return None
        return Ended(
            combination=combination,
            status=note["status"],
            seconds=note["seconds"],
            results=folder / "results.json",
        )
    except (jsonfile.JsonFileProblem, KeyError, TypeError):
        return None


def _reason(process: Process) -> str:
    """Find pytest's own words for why it did not run."""
    _, _, reason = process.output().rpartition("ERROR: ")
    return reason.strip() or "it did not run, and did not say why"


def _interrupt(running: Sequence[_Running]) -> Iterator[Ended]:
    """Interrupt each pytest as Ctrl-C does, so that it writes its results."""
    for one in running:
        with suppress(ProcessLookupError):
            os.kill(one.process.id, signal.SIGINT)
    deadline = time.monotonic() + INTERRUPT_SECONDS
    while time.monotonic() < deadline and any(one.process.code() is None for one in running):
        time.sleep(0.1)
    for one in running:
        found = one.folder / "results.json"
        yield Ended(
            combination=one.combination,
            status=INTERRUPTED,
            seconds=time.monotonic() - one.began,
            results=found if found.exists() else None,
        )


def _report_progress(
    running: Sequence[_Running], waiting: int, ended: Sequence[Ended], servers: int, report: Report
) -> None:
    now = time.monotonic()
    for one in running:
        if now - one.reported < PROGRESS_SECONDS:
            continue
        one.reported = now
        phase = "starting the server"
        if done := progress(one.process.output()):
            phase = f"{done[0]} of {counted(done[1], 'item')}"
        left = seconds_left(running, waiting, [end.seconds for end in ended], servers)
        rest = f"; about {left / 60:.0f} min left in all" if left is not None else ""
        report(f"{one.combination.name}: {phase}, {now - one.began:.0f} s{rest}")


def seconds_left(
    running: Sequence[_Running], waiting: int, ended: Sequence[float], servers: int
) -> float | None:
    """Estimate the seconds until the last run ends; `None` before the first has ended."""
    whole = [seconds for seconds in ended if seconds > 0]
    if not whole:
        return None
    usual = sum(whole) / len(whole)
    now = time.monotonic()
    under_way = sum(max(0.0, usual - (now - one.began)) for one in running)
    return (under_way + waiting * usual) / servers


def progress(output: str) -> tuple[int, int] | None:
    """Read how many items are done, of how many; `None` before the server is up."""
    if found := _COUNT.findall(output):
        return int(found[-1][0]), int(found[-1][1])
    collected = _COLLECTED.search(output)
    return (0, int(collected[1])) if collected else None
