"""How a session ends, whatever happens: nothing that was found is lost."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from conformance.base import files, jsonfile
from conformance.base.printable import counted
from conformance.pytesting.state import Run
from conformance.results import reader, writer
from conformance.runs.emissions import emission_of

MAX_REASONS = 3
"""Reasons why exchanges could not be kept that are named."""


def interrupted_once() -> Callable[[], None]:
    """Let the first Ctrl-C end the session, and no later one end that end; gives what undoes it.

    All waits of the end have limits: servers are stopped, and results are written.
    """
    before = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if not main or before is not signal.default_int_handler:
        return lambda: None

    def end(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    def undo() -> None:
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, end)
    return undo


def write(run: Run, *, interrupted: bool) -> None:
    """Write the results, and then the exchanges; what cannot be written is noted in the run."""
    path = run.options.results
    if lost := run.unrecorded.total():
        reasons = ", ".join(sorted(run.unrecorded)[:MAX_REASONS])
        run.unwritten.append(
            f"{run.options.record}: {counted(lost, 'exchange')} could not be recorded: {reasons}"
        )
    kept = writer.name_evidence(run.items)
    facts = _facts(run, interrupted=interrupted)
    found = writer.document(run.server, run.items, files=run.files, run=facts, known=run.known)
    run.written = reader.from_document(path, found)
    try:
        jsonfile.write(path, found)
    except OSError as problem:
        run.unwritten.append(f"{path}: cannot be written: {problem.strerror or problem}")
    run.unwritten += _explained(writer.write_evidence(path.parent, kept))


def _explained(failed: dict[str, str]) -> Iterator[str]:
    if failed:
        reasons = sorted(set(failed.values()))[:MAX_REASONS]
        lost = counted(len(failed), "exchange")
        yield f"{lost} with findings could not be kept: {', '.join(reasons)}"


def notes(run: Run) -> Iterator[str]:
    """Say what keeps a run from being whole, and where its results are."""
    for reason, count in sorted(run.unasked.items()):
        yield f"{counted(count, 'item was', 'items were')} not asked: {reason}"
    for name in run.lost:
        yield f"worker {name} was lost; the results are marked as not complete"
    yield from run.unwritten
    if not any(text.startswith(f"{run.options.results}: ") for text in run.unwritten):
        whole = run.written is None or run.written.run.complete
        yield f"results: {run.options.results}{'' if whole else ', marked as not complete'}"


def nothing_asked(results: Path) -> str:
    """Say what an interrupt before the first question leaves: no results but those of old."""
    told = "interrupted before anything was asked; this run wrote no results"
    return f"{told}, and {results} is of an earlier one" if files.is_there(results) else told


def _facts(run: Run, *, interrupted: bool) -> dict[str, Any]:
    whole = not interrupted and not run.lost and len(run.items) >= run.selected
    facts: dict[str, Any] = {
        "started": run.started.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - run.clock, 1),
        "via": run.via,
        "level": str(run.options.level),
        "selected": run.selected or len(run.items),
        "complete": whole,
        "deselected": max(0, run.collected - run.selected),
        "known": list(run.known.files),
        "repeat": run.recipe,
    }
    if run.unasked:
        facts["unasked"] = dict(sorted(run.unasked.items()))
    if run.waits.times:
        facts["waited"] = {"times": run.waits.times, "seconds": round(run.waits.seconds, 1)}
    if emission_of(run.server).strategy.varies:
        facts["repeats"] = run.options.repeat_sampled
    if run.options.require_calls is not None:
        facts["require_calls"] = run.options.require_calls
    if run.options.baseline is not None:
        facts["baseline"] = run.options.baseline.name
    return facts
