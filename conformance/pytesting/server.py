"""How a session gets its server: it runs already, or is started here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance import __version__
from conformance.base.strictyaml import FileProblem
from conformance.client import probe
from conformance.engines.problem import LaunchProblem
from conformance.engines.process import Report
from conformance.engines.registry import engine_of
from conformance.formats import PARSERS
from conformance.pytesting import ending, exits
from conformance.pytesting.options import Options
from conformance.reference import FAULTS, Reference
from conformance.reference.fault import NONE
from conformance.terms.server import Server, Target
from conformance.wires.registry import DEFAULT


def reach(config: pytest.Config, chosen: Options) -> Server:
    """Find the server or start it, for as long as the session lasts; raises `pytest.UsageError`."""
    try:
        return replace(_find(config, chosen), answer_tokens=chosen.room)
    except (LaunchProblem, probe.ProbeProblem, FileProblem) as problem:
        raise exits.refusal(problem) from None
    except KeyboardInterrupt:
        _reporter(config)(ending.nothing_asked(chosen.results))
        raise


def _find(config: pytest.Config, chosen: Options) -> Server:
    if chosen.reference:
        return _start_reference(config, chosen)
    if chosen.launch is None:
        return probe.examine(
            chosen.server_url or "",
            greeting=DEFAULT.greeting,
            parser=chosen.parser,
            model=chosen.model,
            format=chosen.format,
            emission=chosen.emission,
            access=chosen.access(),
            patience=chosen.patience,
            template=chosen.template,
        )
    if config.option.collectonly:
        return _unstarted(chosen)
    return _launch(config, chosen)


def _start_reference(config: pytest.Config, chosen: Options) -> Server:
    format = chosen.format or PARSERS[chosen.parser]
    fault = FAULTS[chosen.fault] if chosen.fault else NONE
    reference = Reference(format, variants=chosen.variants, fault=fault)
    config.add_cleanup(reference.stop)
    found = probe.examine(
        reference.url,
        greeting=DEFAULT.greeting,
        parser=chosen.parser,
        format=format,
        emission=chosen.emission,
    )
    return replace(found, implementation="reference", version=__version__)


def _launch(config: pytest.Config, chosen: Options) -> Server:
    assert chosen.launch is not None
    report = _reporter(config)
    launched = engine_of(chosen.launch).start(
        chosen.launch,
        release=chosen.release,
        settings=chosen.settings,
        folder=chosen.results.parent,
        report=report,
        timeout=chosen.launch_timeout,
        template=chosen.template,
    )
    config.add_cleanup(launched.stop)
    found = probe.examine(
        launched.url,
        greeting=DEFAULT.greeting,
        parser=chosen.launch.parser,
        model=launched.model,
        format=chosen.format or chosen.launch.format,
        emission=chosen.emission,
        template=launched.template,
        packages=launched.packages,
    )
    return replace(found, version=launched.version or found.version)


def _reporter(config: pytest.Config) -> Report:
    writer = config.get_terminal_writer()

    def report(line: str) -> None:
        exits.writer(writer.line)(line)
        writer.flush()

    return report


def _unstarted(chosen: Options) -> Server:
    assert chosen.launch is not None
    return engine_of(chosen.launch).suppose(
        model=chosen.launch.name,
        version=chosen.release,
        parser=chosen.launch.parser,
        format=chosen.format or chosen.launch.format,
        emission=_supposed_emission(chosen.launch, chosen.emission),
        render_path=DEFAULT.greeting.prompts[0],
    )


def _supposed_emission(launched: Target, wanted: str) -> str:
    if launched.is_real:
        return "sampled"
    return engine_of(launched).emission if wanted == "auto" else wanted
