"""Every format, found by listing this folder: a family is a file or a folder with `FORMATS`."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module

from conformance import formats
from conformance.formats.format import Format
from conformance.terms.server import Server


def _families() -> Iterator[tuple[Format, ...]]:
    found = pkgutil.iter_modules(formats.__path__)
    for name in sorted(module.name for module in found if module.name != "registry"):
        family: tuple[Format, ...] = getattr(import_module(f"{__package__}.{name}"), "FORMATS", ())
        yield family


def _named() -> dict[str, Format]:
    named: dict[str, Format] = {}
    for format in (format for family in _families() for format in family):
        if format.name in named:
            raise ValueError(f"two formats are called {format.name!r}")
        named[format.name] = format
    return named


FORMATS = _named()
"""Every format by its name."""


def _parsers() -> dict[str, str]:
    usual: dict[str, str] = {}
    for format in FORMATS.values():
        for parser in format.parsers:
            usual.setdefault(parser, format.name)
    return usual


PARSERS = _parsers()
"""A server's name for its parser, to the format that it is usually paired with."""

THOUGHTS = tuple(dict.fromkeys(one.thought for one in FORMATS.values() if one.thought))
"""What comes before and after the reasoning of any family."""


def format_of(name: str) -> Format | None:
    """Find a format by its own name or by that of a parser."""
    return FORMATS.get(PARSERS.get(name, name))


def parser_of(format: Format) -> str:
    """Name the parser that usually reads a format."""
    return next(iter(format.parsers), format.name)


def server_id(server: Server) -> str:
    """Say what is tested, not how it was reached."""
    format = FORMATS.get(server.format)
    usual = format is not None and parser_of(format) == server.parser
    read = server.format if usual else server.parser
    return "-".join(filter(None, (server.implementation, server.version, read)))
