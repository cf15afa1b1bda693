"""Emissions: where answers come from, one file a kind, found by listing this folder.

A file has an `EMISSION`, which is a kind of server, or a `STRATEGY`, which claims some items on
every server. Nothing outside these files asks which kind it has.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules

from conformance import scripting
from conformance.casefiles import modes
from conformance.runs.emissions.emission import Emission, Strategy
from conformance.scripting import NotApplicable
from conformance.terms.case import Case, Mode
from conformance.terms.server import Server

_FILES = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]

EMISSIONS: dict[str, Emission] = {
    file.EMISSION.name: file.EMISSION for file in _FILES if hasattr(file, "EMISSION")
}
"""Every kind of server by its name."""

CLAIMING: tuple[Strategy, ...] = tuple(
    file.STRATEGY for file in _FILES if hasattr(file, "STRATEGY")
)
"""Strategies that take some items on every server."""


def emission_of(server: Server) -> Emission:
    """Say where the answers of a server come from."""
    return EMISSIONS[server.emission]


def strategy_for(case: Case, mode: Mode, server: Server) -> Strategy:
    """Choose how an item is asked; here and nowhere else."""
    claiming = (one for one in CLAIMING if one.claims(case, mode))
    return next(claiming, emission_of(server).strategy)


def modes_of_server(server: Server, cuts: str = "default") -> tuple[Mode, ...]:
    """List the ways to ask this server for any case."""
    plays = emission_of(server).strategy.plays
    return tuple(mode for mode in modes.of_server(server, cuts) if plays(mode, server))


def modes_of_case(case: Case, asked: Iterable[Mode], server: Server) -> list[Mode]:
    """Choose the modes in which a case says something on this server."""
    return [
        mode
        for mode in modes.of_case(case, asked, server)
        if strategy_for(case, mode, server).plays(mode, server)
    ]


def check_applies(case: Case, mode: Mode, server: Server) -> None:
    """Raise `NotApplicable` where a case says nothing, or cannot be asked."""
    scripting.check_applies(case, mode, server)
    if reason := strategy_for(case, mode, server).why_not(case):
        raise NotApplicable(reason)
