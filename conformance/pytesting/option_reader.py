"""The options of a run: from the command line, the environment, or the default, in that order."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from conformance.base.suggest import did_you_mean
from conformance.engines.registry import ENGINES, engine_of
from conformance.formats import FORMATS, PARSERS
from conformance.pytesting import exits
from conformance.pytesting.option import Way
from conformance.pytesting.option_table import OPTIONS, usual_room
from conformance.pytesting.options import Options
from conformance.runs.emissions import emission_of
from conformance.terms.server import Server, Target

WAYS = """no server to test; name one:
  --server-url http://HOST:PORT/v1 --parser hermes   a server that runs already
  --launch hermes                                    a real vLLM, started here, no GPU needed
  --reference --parser hermes                        the suite's own correct server
  --tapes DIR                                        what a run with --record kept, and no server
  CONFORMANCE_SERVER_URL and CONFORMANCE_PARSER      the same as the first, from the environment"""

_FIELDS = frozenset(one.name for one in fields(Options))
_OF_AN_ENGINE = frozenset(name for engine in ENGINES.values() for name in engine.options)


def read(config: pytest.Config) -> Options | None:
    """Read the options; `None` if they name no server. Raises `pytest.UsageError`."""
    get = config.getoption
    way = _way(get)
    if way is None:
        return None
    launch = next(option for option in OPTIONS if option.name == Way.LAUNCH)
    launched = launch.value(get(Way.LAUNCH), way, os.environ)
    _refuse(get, way, launched)
    found = [(one, one.value(get(one.name), way, os.environ, launched)) for one in OPTIONS]
    typed = {one.key: value for one, value in found if one.key in _FIELDS}
    more = {one.name: value for one, value in found if one.key not in _FIELDS}
    if launched is not None:
        typed["parser"] = launched.parser
    elif way is not Way.TAPES:
        _check_parser(typed["parser"] or "", typed["format"])
    return Options(**{**typed, "parser": typed["parser"] or ""}, more=more)


def _way(get: Callable[[str], Any]) -> Way | None:
    """Find out how a server is reached; `None` if nothing says so."""
    given = [way for way in Way if _is_given(get(way))]
    if len(given) > 1:
        raise exits.refusal(f"{' and '.join(given)}: give one of them")
    url = get(Way.URL) if given else os.environ.get("CONFORMANCE_SERVER_URL")
    if not given and url is None:
        return None
    if url is not None and not url.strip():
        raise exits.refusal("--server-url is empty; allowed: http://HOST:PORT/v1")
    return given[0] if given else Way.URL


def _refuse(get: Callable[[str], Any], way: Way, launched: Target | None) -> None:
    """Raise `pytest.UsageError` for an option that makes no sense beside the others."""
    for option in OPTIONS:
        if not option.is_given(get(option.name)):
            continue
        if way in option.refused:
            reason = option.refused[way]
            raise exits.refusal(f"{option.name}{reason if reason[0] == ':' else f' {reason}'}")
        if launched is not None and option.name in _OF_AN_ENGINE:
            engine = engine_of(launched)
            if option.name not in engine.options:
                reason = f"{option.name} is not for {launched.name}, which {engine.title} serves"
                raise exits.refusal(reason)


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
            raise exits.refusal(
                f"{name}: this server is {server.emission}, and says its script each time; "
                "leave it out, or let the model answer as it likes with --emission sampled"
            )


def _is_given(option: object) -> bool:
    return option is not None and option is not False


def _check_parser(parser: str, format: str | None) -> None:
    if format is not None and format not in FORMATS:
        raise exits.refusal(f"--format: {format!r} is unknown; {did_you_mean(format, FORMATS)}")
    if not parser:
        raise exits.refusal(
            f"--parser: say which tool-call parser the server runs; known: {', '.join(PARSERS)}"
        )
    if parser not in PARSERS and format is None:
        raise exits.refusal(
            f"--parser: {parser!r} is unknown; {did_you_mean(parser, PARSERS)}; "
            f"with --format any name is taken (formats: {', '.join(FORMATS)})"
        )
