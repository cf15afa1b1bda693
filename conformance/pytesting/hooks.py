"""The pytest plugin: options, the server's life, collection, results."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from conformance.base import files, printable
from conformance.base.printable import counted
from conformance.base.strictyaml import FileProblem
from conformance.client import recording
from conformance.client.recording import Facts, TapeProblem
from conformance.pytesting import collection, ending, exits, logs, option_reader, option_table
from conformance.pytesting.collection import CaseFile, CaseItem, ServerTrouble
from conformance.pytesting.gather import Gatherer
from conformance.pytesting.option import Way
from conformance.pytesting.options import Options
from conformance.pytesting.server import reach
from conformance.pytesting.state import RUN, Run
from conformance.report import sampled, terminal
from conformance.results import comparison, place, reader, writer
from conformance.results.comparison import Incomparable
from conformance.results.place import PlaceProblem
from conformance.results.reader import Results, ResultsProblem
from conformance.rules import RULES
from conformance.terms.server import Server
from conformance.verdicts import known_issues
from conformance.verdicts.known_issues import Known


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    option_table.add(parser)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Reach the server, or start it, before anything is collected."""
    config = session.config
    if not _wants_cases(config):
        return
    chosen = option_reader.read(config)
    if chosen is None:
        raise exits.refusal(option_reader.WAYS)
    config.add_cleanup(logs.guard(chosen.access().secrets))
    baseline, tapes = _baseline(chosen), _tapes(chosen)
    given = getattr(config, "workerinput", None)
    if given is None and not config.option.collectonly:
        config.add_cleanup(ending.interrupted_once())
        config.add_cleanup(_hold(chosen))
        _require_tapes(chosen)
    if given is not None:
        server = Server(**json.loads(given["conformance_server"]))
        shares = given["workercount"]
    else:
        server = tapes.server if tapes else reach(config, chosen)
        shares = 1
    option_reader.check_sampling(chosen, server)
    if given is None and chosen.record is not None and not config.option.collectonly:
        _begin_tapes(chosen, server)
    if baseline is not None:
        _check_baseline(baseline, server)
    known = _known(chosen, server)
    run = Run(chosen, server, known=known, baseline=baseline, shares=shares, tapes=tapes)
    config.stash[RUN] = run
    config.add_cleanup(run.close)


def _wants_cases(config: pytest.Config) -> bool:
    """Whether there are cases to run; raises `pytest.UsageError` for a place that has none."""
    named = _named(config)
    wanted = any(
        collection.is_case_file(path, named) for one in named for path in collection.files_in(one)
    )
    if wanted or any(config.getoption(way) for way in Way):
        there = [one for one in named if files.is_there(one)]  # pytest itself names the others
        if (empty := collection.without_cases(there)) is not None:
            raise exits.refusal(
                f"{empty}: there are no cases in it; name a file of cases, or a folder with some"
            )
    return wanted


def _named(config: pytest.Config) -> list[Path]:
    return [config.invocation_params.dir / arg.split("::")[0] for arg in config.args]


def _hold(chosen: Options) -> Callable[[], None]:
    try:
        return place.hold(chosen.results)
    except PlaceProblem as problem:
        raise exits.refusal(f"--results: {problem}") from None


def _tapes(chosen: Options) -> Facts | None:
    try:
        return None if chosen.tapes is None else recording.facts(chosen.tapes)
    except TapeProblem as problem:
        raise exits.refusal(f"--tapes: {problem}") from None


def _require_tapes(chosen: Options) -> None:
    try:
        if chosen.record is not None:
            recording.require_place(chosen.record)
    except TapeProblem as problem:
        raise exits.refusal(f"--record: {problem}") from None


def _begin_tapes(chosen: Options, server: Server) -> None:
    assert chosen.record is not None
    try:
        recording.begin(chosen.record, server, via=chosen.via, repeat=chosen.recipe)
    except TapeProblem as problem:
        raise exits.refusal(f"--record: {problem}") from None


def _known(chosen: Options, server: Server) -> Known:
    if chosen.no_known:
        return Known()
    try:
        files = [*known_issues.shipped(server.implementation), *chosen.known]
        return known_issues.load(server, files, policies=not chosen.no_policies)
    except (FileProblem, OSError) as problem:
        raise exits.refusal(f"--known: {problem}") from None


def _baseline(chosen: Options) -> Results | None:
    if chosen.baseline is None:
        return None
    try:
        return reader.load(chosen.baseline)
    except ResultsProblem as problem:
        raise exits.refusal(f"--baseline: {problem}") from None


def _check_baseline(baseline: Results, server: Server) -> None:
    try:
        comparison.require_baseline(baseline, server)
    except Incomparable as problem:
        raise exits.refusal(f"--baseline: {problem}") from None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give a worker the server that it tests; the server belongs to the controller."""
    run = node.config.stash.get(RUN, None)
    if run is not None:
        node.workerinput["conformance_server"] = json.dumps(asdict(run.server))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: list[str]) -> None:
    """Count what will run, which only workers collect."""
    run = node.config.stash.get(RUN, None)
    if run is not None:
        run.selected = sum(nodeid.partition("::")[0].endswith(".yaml") for nodeid in ids)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Learn from a worker what was collected; one that crashed has reported nothing.

    pytest-xdist may put another in its place, which comes to all the same items.
    """
    run = node.config.stash.get(RUN, None)
    if run is not None and error is not None and error != "keyboard-interrupt":
        run.lost.append(node.gateway.id)
    counted = getattr(node, "workeroutput", {}).get("conformance_collected")
    if run is not None and counted is not None:
        run.collected, run.unmatched = counted["items"], tuple(counted["unmatched"])
        run.waits.times += counted["waits"]["times"]
        run.waits.seconds += counted["waits"]["seconds"]
        run.unrecorded.update(counted["unrecorded"])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each worker one share of the items, so that it can ask ahead for all of it."""
    if RUN not in config.stash or config.getoption("dist") != "load":
        return None
    from conformance.pytesting.xdist import scheduler  # only where xdist is there

    return scheduler(config, log)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect files of cases."""
    run = parent.config.stash.get(RUN, None)
    if run is None or not collection.is_case_file(file_path, _named(parent.config)):
        return None
    found = CaseFile.from_parent(parent, path=file_path)
    if (shown := printable.line(found.nodeid)) != found.nodeid:
        found = CaseFile.from_parent(parent, path=file_path, nodeid=shown)
    found.run = run
    return found


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which server is tested, and how."""
    run = config.stash.get(RUN, None)
    if run is None:
        return []
    notes = [f"known issues: {note}" for note in run.known.notes]
    if run.tapes is not None:
        recorded = f"recorded {run.tapes.recorded}; no server is asked"
        notes.insert(0, f"tapes: {run.options.tapes}, {recorded}")
    if run.options.record is not None:
        notes.insert(0, f"recording: {run.options.record}")
    return exits.header([*terminal.header(run.server), *notes])


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Say how much there is to test."""
    ours = [item.subject.case for item in items if isinstance(item, CaseItem)]
    cases = {case.id: case for case in ours}
    if RUN not in config.stash or not cases:
        return []
    names = [mode.name for mode in config.stash[RUN].modes]
    listed = ", ".join(names) if len(names) < 10 else f"in {len(names)} modes"
    summary = f"{counted(len(cases), 'case')}, each {listed}"
    return exits.header([summary, *sampled.left_out(config.stash[RUN].server, cases.values())])


def pytest_collection_finish(session: pytest.Session) -> None:
    """Count what will run."""
    run = session.config.stash.get(RUN, None)
    if run is not None:
        run.clock = time.monotonic()
        run.selected = sum(isinstance(item, CaseItem) for item in session.items)
        run.unmatched = tuple(issue.id for issue in run.known.unmatched(run.cases.values(), RULES))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a worker report what was collected."""
    run = session.config.stash.get(RUN, None)
    output = getattr(session.config, "workeroutput", None)
    if run is not None and output is not None:
        output["conformance_collected"] = {
            "items": run.collected,
            "unmatched": run.unmatched,
            "waits": asdict(run.waits),
            "unrecorded": dict(run.unrecorded),
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
            found = writer.describe(judged)
            found["test"] = item.nodeid
            found["file"] = str(item.path)
            # As ASCII: between workers, lone surrogates of a server or a file's name do not travel.
            report.conformance = json.dumps(found)
    exits.clean(report)
    return report


def pytest_configure(config: pytest.Config) -> None:
    """Gather results in the controller only."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Gatherer(config), "conformance-gatherer")
