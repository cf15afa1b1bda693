"""How a session comes by its server: it runs already, or is started here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance import __version__
from conformance.base.strictyaml import FileProblem
from conformance.client import probe
from conformance.client.probe import RENDER
from conformance.engines import vllm
from conformance.engines.vllm import LaunchProblem
from conformance.formats import PARSERS
from conformance.pytesting.options import Options
from conformance.reference import FAULTS, Reference
from conformance.reference.fault import NONE
from conformance.terms.server import Server


def reach(config: pytest.Config, chosen: Options) -> Server:
    """Find the server or start it, for as long as the session lasts; raises `pytest.UsageError`."""
    try:
        return replace(_find(config, chosen), answer_tokens=chosen.room)
    except (LaunchProblem, probe.ProbeProblem, FileProblem) as problem:
        raise pytest.UsageError(str(problem)) from None


def _find(config: pytest.Config, chosen: Options) -> Server:
    if chosen.reference:
        return _start_reference(config, chosen)
    if chosen.launch is None:
        return probe.examine(
            chosen.server_url or "",
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
        reference.url, parser=chosen.parser, format=format, emission=chosen.emission
    )
    return replace(found, implementation="reference", version=__version__)


def _launch(config: pytest.Config, chosen: Options) -> Server:
    assert chosen.launch is not None
    writer = config.get_terminal_writer()

    def tell(line: str) -> None:
        writer.line(line)
        writer.flush()

    environment = vllm.provision(chosen.vllm, tell=tell)
    launched = vllm.start(
        chosen.launch,
        environment,
        folder=chosen.results.parent,
        tell=tell,
        timeout=chosen.launch_timeout,
        template=chosen.template,
    )
    config.add_cleanup(launched.stop)
    return probe.examine(
        launched.url,
        parser=chosen.launch.parser,
        model=launched.model,
        format=chosen.format or chosen.launch.format,
        emission=chosen.emission,
        template=launched.template,
        packages=environment.packages,
    )


def _unstarted(chosen: Options) -> Server:
    assert chosen.launch is not None
    return Server(
        url="http://127.0.0.1/v1",
        model=chosen.launch.name,
        implementation="vllm",
        version=chosen.vllm,
        parser=chosen.launch.parser,
        format=chosen.format or chosen.launch.format,
        emission="sampled" if chosen.emission == "sampled" or chosen.launch.is_real else "scripted",
        takes_interval=True,
        render_path=RENDER,
    )
