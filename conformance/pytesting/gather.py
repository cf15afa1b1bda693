"""What becomes of a run's items: results, exit status, the summary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.formats.registry import server_id
from conformance.pytesting import ending, exits
from conformance.pytesting.state import RUN, Run
from conformance.report import changes, sampled, terminal
from conformance.results import comparison, writer
from conformance.runs.emissions import emission_of
from conformance.verdicts.known_issues import Issue

NOTHING_TESTED = 5


class Gatherer:
    """A plugin of the controller, which sees the reports of all workers."""

    def __init__(self, config: pytest.Config) -> None:
        """Gather for the run of this session, if it has one."""
        self._config = config

    @property
    def _run(self) -> Run | None:
        return self._config.stash.get(RUN, None)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep the outcome of an item."""
        unasked = getattr(report, "conformance_unasked", None)
        if self._run is not None and unasked is not None:
            self._run.unasked[unasked] += 1
        found = getattr(report, "conformance", None)
        if self._run is not None and found is not None:
            found = json.loads(found)
            report.conformance = None  # pytest keeps its reports to the end
            self._run.files.add(Path(found.pop("file")))
            self._run.keep(found)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the results, and end with the status that they call for."""
        run = self._run
        if run is None or self._config.option.collectonly:
            return
        ending.write(run, interrupted=exitstatus not in (0, 1))
        decided = {"pass", "fail", "known", "policy", "stale", "error"}
        tested = any(item["outcome"] in decided for item in run.items)
        if exitstatus == 0 and (run.unwritten or run.lost):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif exitstatus == 0 and (run.unasked or not tested):
            session.exitstatus = NOTHING_TESTED
        elif exitstatus == 0 and run.written and sampled.shortfall(run.written):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @staticmethod
    def _since_baseline(run: Run) -> Iterator[str]:
        if run.baseline is None or run.written is None:
            return
        yield ""
        yield f"since the baseline, {run.baseline.target.id}:"
        if emission_of(run.server).strategy.varies:
            yield from sampled.against_baseline(run.baseline, run.written)
        else:
            yield from changes.against_baseline(comparison.compare(run.baseline, run.written))

    def pytest_terminal_summary(self, terminalreporter: Any, exitstatus: int) -> None:
        """Print the outcome of the run."""
        run = self._run
        interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
        write = exits.writer(terminalreporter.write_line)
        if run is not None and not (run.items or run.unasked) and interrupted and run.written:
            for line in ending.notes(run):
                write(line)
        if run is None or not (run.items or run.unasked):
            return
        terminalreporter.section(exits.title(f"conformance of {server_id(run.server)}"))
        for line in terminal.rules_table(run.items):
            write(line)
        issues = list(run.known.issues)
        if run.baseline is not None:
            about = f"broken in {run.baseline.path} too"
            issues.append(Issue(id=writer.BASELINE, about=about, rules=()))
        policies = [issue for issue in issues if issue.policy]
        faults = [issue for issue in issues if not issue.policy]
        for kind, listed in (("known issues", faults), ("policies", policies)):
            if met := terminal.known_table(run.items, listed):
                write("")
                write(f"{kind} that were met:")
                for line in met:
                    write(line)
        if run.unmatched:
            write("")
            write(terminal.unmatched(run.unmatched))
        for line in self._since_baseline(run):
            write(line)
        write("")
        for line in sampled.summary(run.written) if run.written else ():
            write(line)
        if run.waits.times:
            write(terminal.waits_line(run.waits))
        write(terminal.totals_line(writer.totals(run.items)))
        for line in ending.notes(run):
            write(line)
