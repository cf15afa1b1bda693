"""The options of a run: from the command line, the environment, or the default, in that order."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.base.suggest import did_you_mean
from conformance.client import access, budget
from conformance.client.access import AccessProblem, Header
from conformance.client.budget import Budget, BudgetProblem
from conformance.engines import target
from conformance.formats import FORMATS, PARSERS
from conformance.pytesting.options import Options, usual_concurrency, usual_room
from conformance.reference import Variant
from conformance.runs.emissions import emission_of
from conformance.terms.outcome import Level
from conformance.terms.server import Server, Target

WAYS = """no server to test; name one:
  --server-url http://HOST:PORT/v1 --parser hermes   a server that runs already
  --launch hermes                                    a real vLLM, started here, no GPU needed
  --reference --parser hermes                        the suite's own correct server
  --tapes DIR                                        what a run with --record kept, and no server
  CONFORMANCE_SERVER_URL and CONFORMANCE_PARSER      the same as the first, from the environment"""


def read(config: pytest.Config) -> Options | None:
    """Read the options; `None` if they name no server. Raises `pytest.UsageError`."""
    get = config.getoption
    url, given = _way(get)
    if not given:
        return None
    for name in ("--header", "--ca-file"):
        if get(name) and url is None:
            raise pytest.UsageError(f"{name} is for --server-url only")
    for name in ("--variant", "--fault"):
        if get(name) and not get("--reference"):
            raise pytest.UsageError(f"{name} is for --reference only")
    launched = _target(get("--launch")) if get("--launch") is not None else None
    parser = get("--parser") or os.environ.get("CONFORMANCE_PARSER") or ""
    if launched is not None and get("--parser"):
        raise pytest.UsageError("--parser: a target has its own; leave it out with --launch")
    if launched is None and given != "--tapes":
        _check_parser(parser, get("--format"))
    concurrency, room = get("--concurrency"), get("--max-tokens")
    concurrency = usual_concurrency(launched) if concurrency is None else concurrency
    room = usual_room(launched) if room is None else room
    counts = {"--concurrency": concurrency, "--max-tokens": room, "--repeat": get("--repeat")}
    for name, number in counts.items():
        if number < 1:
            raise pytest.UsageError(f"{name}: {number}; allowed: 1 and more")
    if not 0 <= get("--patience") < float("inf"):
        raise pytest.UsageError(f"--patience: {get('--patience')}; allowed: seconds from 0")
    _check_rate(get("--require-calls"))
    return Options(
        server_url=url,
        launch=launched,
        reference=get("--reference"),
        variants=tuple(Variant(name) for name in get("--variant")),
        fault=get("--fault"),
        vllm=get("--vllm"),
        parser=launched.parser if launched else parser,
        format=get("--format"),
        template=get("--template"),
        model=get("--model") or os.environ.get("CONFORMANCE_MODEL"),
        emission=get("--emission"),
        concurrency=concurrency,
        repeat_sampled=get("--repeat"),
        room=room,
        require_calls=get("--require-calls"),
        cuts=get("--cuts"),
        level=Level(get("--level")),
        known=tuple(Path(name) for name in get("--known")),
        no_known=get("--no-known"),
        baseline=Path(get("--baseline")) if get("--baseline") is not None else None,
        results=Path(get("--results")),
        launch_timeout=get("--launch-timeout"),
        timeout=get("--answer-timeout"),
        patience=get("--patience"),
        headers=_headers(get("--header")),
        ca_file=Path(get("--ca-file")) if get("--ca-file") else None,
        record=Path(get("--record")) if get("--record") is not None else None,
        tapes=Path(get("--tapes")) if get("--tapes") is not None else None,
        budget=_budget(get("--budget")),
    )


def _way(get: Callable[[str], Any]) -> tuple[str | None, str | None]:
    """Find out how a server is reached: its URL, if it has one, and the option that says so."""
    url = get("--server-url")
    ways = ("--server-url", "--launch", "--reference", "--tapes")
    given = [way for way in ways if _is_given(get(way))]
    if len(given) > 1:
        raise pytest.UsageError(f"{' and '.join(given)}: give one of them")
    if not given:
        url = os.environ.get("CONFORMANCE_SERVER_URL")
        if url is None:
            return None, None
    if url is not None and not url.strip():
        raise pytest.UsageError("--server-url is empty; allowed: http://HOST:PORT/v1")
    if url is not None and "@" in url:
        # It would be printed and written with the results.
        raise pytest.UsageError("--server-url: leave out the password; give CONFORMANCE_API_KEY")
    if given == ["--tapes"]:
        told = ("--parser", "--format", "--model", "--template", "--record", "--budget")
        for name in (*told, "--max-tokens"):
            if get(name) is not None:
                raise pytest.UsageError(f"{name} is not for --tapes, which tell what was recorded")
        if get("--emission") != "auto":
            raise pytest.UsageError("--emission is not for --tapes, which tell what was recorded")
    return url, given[0] if given else "--server-url"


def _budget(given: str | None) -> Budget | None:
    try:
        return None if given is None else budget.read(given)
    except BudgetProblem as problem:
        raise pytest.UsageError(f"--budget: {problem}") from None


def _headers(given: list[str]) -> tuple[Header, ...]:
    try:
        return access.headers(given, os.environ)
    except AccessProblem as problem:
        raise pytest.UsageError(str(problem)) from None


def _check_rate(rate: float | None) -> None:
    if rate is not None and not 0 <= rate <= 1:
        raise pytest.UsageError(f"--require-calls: {rate:g}; allowed: 0 to 1, such as 0.8")


def check_sampling(chosen: Options, server: Server) -> None:
    """Raise `pytest.UsageError` for options about answers that vary, where none does."""
    if emission_of(server).strategy.varies:
        return
    for name, given in (
        ("--repeat", chosen.repeat_sampled > 1),
        ("--max-tokens", chosen.room != usual_room(chosen.launch)),
        ("--require-calls", chosen.require_calls is not None),
    ):
        if given:
            raise pytest.UsageError(
                f"{name}: this server is {server.emission}, and says what it is told each time; "
                "leave it out, or let the model answer as it likes with --emission sampled"
            )


def _is_given(option: object) -> bool:
    return option is not None and option is not False


def _target(name: str) -> Target:
    try:
        return target.load(name)
    except target.TargetProblem as problem:
        raise pytest.UsageError(f"--launch: {problem}") from None


def _check_parser(parser: str, format: str | None) -> None:
    if format is not None and format not in FORMATS:
        raise pytest.UsageError(f"--format: {format!r} is unknown; {did_you_mean(format, FORMATS)}")
    if not parser:
        raise pytest.UsageError(
            f"--parser: say which tool-call parser the server runs; known: {', '.join(PARSERS)}"
        )
    if parser not in PARSERS and format is None:
        raise pytest.UsageError(
            f"--parser: {parser!r} is unknown; {did_you_mean(parser, PARSERS)}; "
            f"with --format any name is taken (formats: {', '.join(FORMATS)})"
        )
