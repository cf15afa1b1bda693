"""The pytest plugin: options, the server's life, collection, results."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from conformance import collect, commandline
from conformance.base import jsonfile
from conformance.base.strictyaml import FileProblem
from conformance.client import recording
from conformance.client.recording import Facts, TapeProblem
from conformance.collect import CaseFile, CaseItem, ServerTrouble
from conformance.options import Options
from conformance.reach import reach
from conformance.report import changes, sampled, terminal
from conformance.results import comparison, reader, writer
from conformance.results.comparison import Incomparable
from conformance.results.reader import Results, ResultsProblem
from conformance.rules import RULES
from conformance.run import RUN, Run
from conformance.terms.server import Server
from conformance.verdicts import known_issues
from conformance.verdicts.known_issues import Issue, Known

NOTHING_TESTED = 5


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    commandline.add(parser)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Reach the server, or start it, before anything is collected."""
    config = session.config
    if not _wants_cases(config):
        return
    chosen = commandline.read(config)
    if chosen is None:
        raise pytest.UsageError(commandline.WAYS)
    baseline, tapes = _baseline(chosen), _tapes(chosen)
    told = getattr(config, "workerinput", None)
    if told is not None:
        server = Server(**told["conformance_server"])
        shares = told["workercount"]
    else:
        server = tapes.server if tapes else reach(config, chosen)
        shares = 1
    commandline.check_sampling(chosen, server)
    if told is None and chosen.record is not None and not config.option.collectonly:
        _begin_tapes(chosen, server)
    if baseline is not None:
        _check_baseline(baseline, server)
    known = _known(chosen, server)
    run = Run(chosen, server, known=known, baseline=baseline, shares=shares, tapes=tapes)
    config.stash[RUN] = run
    config.add_cleanup(run.close)


def _wants_cases(config: pytest.Config) -> bool:
    named = _named(config)
    return any(
        collect.is_case_file(path, named)
        for place in named
        for path in ([place] if place.is_file() else place.rglob("*.yaml"))
    )


def _named(config: pytest.Config) -> list[Path]:
    return [config.invocation_params.dir / arg.split("::")[0] for arg in config.args]


def _tapes(chosen: Options) -> Facts | None:
    try:
        return None if chosen.tapes is None else recording.facts(chosen.tapes)
    except TapeProblem as problem:
        raise pytest.UsageError(f"--tapes: {problem}") from None


def _begin_tapes(chosen: Options, server: Server) -> None:
    assert chosen.record is not None
    try:
        recording.begin(chosen.record, server, via=chosen.via, repeat=chosen.recipe)
    except TapeProblem as problem:
        raise pytest.UsageError(f"--record: {problem}") from None


def _known(chosen: Options, server: Server) -> Known:
    if chosen.no_known:
        return Known()
    try:
        return known_issues.load(
            server, [*known_issues.shipped(server.implementation), *chosen.known]
        )
    except (FileProblem, OSError) as problem:
        raise pytest.UsageError(f"--known: {problem}") from None


def _baseline(chosen: Options) -> Results | None:
    if chosen.baseline is None:
        return None
    try:
        return reader.load(chosen.baseline)
    except ResultsProblem as problem:
        raise pytest.UsageError(f"--baseline: {problem}") from None


def _check_baseline(baseline: Results, server: Server) -> None:
    try:
        comparison.check_baseline(baseline, server)
    except Incomparable as problem:
        raise pytest.UsageError(f"--baseline: {problem}") from None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker which server it tests; it belongs to the controller."""
    run = node.config.stash.get(RUN, None)
    if run is not None:
        node.workerinput["conformance_server"] = asdict(run.server)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: list[str]) -> None:
    """Count what will run, which only workers collect."""
    run = node.config.stash.get(RUN, None)
    if run is not None:
        run.selected = sum(nodeid.partition("::")[0].endswith(".yaml") for nodeid in ids)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Learn from a worker what was collected; one that crashed has said nothing."""
    run = node.config.stash.get(RUN, None)
    told = getattr(node, "workeroutput", {}).get("conformance_collected")
    if run is not None and told is not None:
        run.collected, run.unmatched = told["items"], tuple(told["unmatched"])
        run.waits.times += told["waits"]["times"]
        run.waits.seconds += told["waits"]["seconds"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each worker one share of the items, so that it can ask ahead for all of it."""
    if RUN not in config.stash or config.getoption("dist") != "load":
        return None
    from conformance.shares import scheduler  # only where xdist is there

    return scheduler(config, log)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect files of cases."""
    run = parent.config.stash.get(RUN, None)
    if run is None or not collect.is_case_file(file_path, _named(parent.config)):
        return None
    found = CaseFile.from_parent(parent, path=file_path)
    found.run = run
    return found


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which server is tested, and how."""
    run = config.stash.get(RUN, None)
    if run is None:
        return []
    notes = [f"known issues: {note}" for note in run.known.notes]
    if run.tapes is not None:
        told = f"recorded {run.tapes.recorded}; no server is asked"
        notes.insert(0, f"tapes: {run.options.tapes}, {told}")
    if run.options.record is not None:
        notes.insert(0, f"recording: {run.options.record}")
    return [*terminal.header(run.server), *notes]


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Say how much there is to test."""
    ours = [item.subject.case for item in items if isinstance(item, CaseItem)]
    cases = {case.id: case for case in ours}
    if RUN not in config.stash or not cases:
        return []
    names = [mode.name for mode in config.stash[RUN].modes]
    listed = ", ".join(names) if len(names) < 10 else f"in {len(names)} modes"
    told = f"{len(cases)} cases, each {listed}"
    return [told, *sampled.left_out(config.stash[RUN].server, cases.values())]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Count what will run."""
    run = session.config.stash.get(RUN, None)
    if run is not None:
        run.clock = time.monotonic()
        run.selected = sum(isinstance(item, CaseItem) for item in session.items)
        run.unmatched = tuple(issue.id for issue in run.known.unmatched(run.cases.values(), RULES))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a worker tell what was collected."""
    run = session.config.stash.get(RUN, None)
    output = getattr(session.config, "workeroutput", None)
    if run is not None and output is not None:
        output["conformance_collected"] = {
            "items": run.collected,
            "unmatched": run.unmatched,
            "waits": asdict(run.waits),
        }


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
    """Put an item's result on the report that decides it, so that it reaches the controller."""
    report: Any = yield
    if not isinstance(item, CaseItem):
        return report
    if call.excinfo is not None and isinstance(call.excinfo.value, ServerTrouble):
        report.longrepr = item.repr_failure(call.excinfo)  # pytest asks only about calls
    if report.skipped and isinstance(report.longrepr, tuple):
        report.longrepr = (str(item.path), item.subject.case.line, report.longrepr[2])
    if item.unasked is not None and report.when == "setup":
        report.conformance_unasked = item.unasked
    judged = item.judged
    if judged is not None and report.when in ("setup", "call"):
        deciding = "setup" if report.outcome == "failed" and report.when == "setup" else "call"
        if report.when == deciding:
            report.conformance = writer.describe(judged)
            report.conformance["test"] = item.nodeid
            report.conformance["file"] = str(item.path)
    return report


def pytest_configure(config: pytest.Config) -> None:
    """Gather results in the controller only."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Gatherer(config), "conformance-gatherer")


class _Gatherer:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @property
    def _run(self) -> Run | None:
        return self._config.stash.get(RUN, None)

    def pytest_runtest_logreport(self, report: Any) -> None:
        unasked = getattr(report, "conformance_unasked", None)
        if self._run is not None and unasked is not None:
            self._run.unasked[unasked] += 1
        found = getattr(report, "conformance", None)
        if self._run is not None and found is not None:
            self._run.files.add(Path(found.pop("file")))
            self._run.items.append(found)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        run = self._run
        if run is None or self._config.option.collectonly:
            return
        _write(run, interrupted=exitstatus not in (0, 1))
        decided = {"pass", "fail", "known", "stale", "error"}
        tested = any(item["outcome"] in decided for item in run.items)
        if exitstatus == 0 and (run.unasked or not tested):
            session.exitstatus = NOTHING_TESTED
        elif exitstatus == 0 and run.written and sampled.shortfall(run.written):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @staticmethod
    def _since_baseline(run: Run) -> Iterator[str]:
        if run.baseline is None or run.written is None:
            return
        yield ""
        yield f"since the baseline, {run.baseline.target.id}:"
        if run.server.emission == "sampled":
            yield from sampled.against_baseline(run.baseline, run.written)
        else:
            yield from changes.against_baseline(comparison.compare(run.baseline, run.written))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        run = self._run
        if run is None or not (run.items or run.unasked):
            return
        write = terminalreporter.write_line
        terminalreporter.section(f"conformance of {run.server.id}")
        for line in terminal.rules_table(run.items):
            write(line)
        issues = list(run.known.issues)
        if run.baseline is not None:
            told = f"broken in {run.baseline.path} too"
            issues.append(Issue(id=writer.BASELINE, about=told, rules=()))
        met = terminal.known_table(run.items, issues)
        if met:
            write("")
            write("known issues that were met:")
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
        for reason, count in sorted(run.unasked.items()):
            write(f"{count} items were not asked: {reason}")
        write(f"results: {run.options.results}")


def _write(run: Run, interrupted: bool) -> None:
    path = run.options.results
    writer.write_wire(path.parent, run.items)
    facts: Mapping[str, Any] = {
        "started": run.started.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - run.clock, 1),
        "via": run.via,
        "level": str(run.options.level),
        "selected": run.selected or len(run.items),
        "complete": not interrupted and len(run.items) >= run.selected,
        "deselected": max(0, run.collected - run.selected),
        "known": list(run.known.files),
        "repeat": run.recipe,
    }
    if run.unasked:
        facts = {**facts, "unasked": dict(sorted(run.unasked.items()))}
    if run.waits.times:
        waited = {"times": run.waits.times, "seconds": round(run.waits.seconds, 1)}
        facts = {**facts, "waited": waited}
    if run.server.emission == "sampled":
        facts = {**facts, "repeats": run.options.repeat_sampled}
    if run.options.require_calls is not None:
        facts = {**facts, "require_calls": run.options.require_calls}
    if run.options.baseline is not None:
        facts = {**facts, "baseline": run.options.baseline.name}
    found = writer.document(run.server, run.items, files=run.files, run=facts, known=run.known)
    jsonfile.write(path, found)
    run.written = reader.of(path, found)
