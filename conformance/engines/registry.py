"""All engines: every folder beside this file, found by listing them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from conformance.engines.engine import Engine, Get
from conformance.terms.server import Target


def _found() -> dict[str, Engine]:
    folders = [one.name for one in iter_modules([str(Path(__file__).parent)]) if one.ispkg]
    return {name: _engine_in(f"{__package__}.{name}") for name in sorted(folders)}


def _engine_in(package: str) -> Engine:
    engine: Engine | None = getattr(import_module(package), "ENGINE", None)
    if engine is None:
        raise ImportError(f"{package} has no ENGINE; see Engine in conformance/engines/engine.py")
    return engine


ENGINES: Mapping[str, Engine] = _found()
DEFAULT = ENGINES["vllm"]
"""The engine of a target that names none, and of a plan."""
UNKNOWN = "unknown"
"""The implementation of a server that no engine recognises."""


def engine_of(target: Target) -> Engine:
    """Give the engine that serves a target."""
    return ENGINES[target.engine]


def recognise(get: Get) -> tuple[str, str | None]:
    """Say which implementation a running server is, and which version of it."""
    for engine in ENGINES.values():
        found = engine.recognise(get)
        if found is not None:
            return found
    return UNKNOWN, None
