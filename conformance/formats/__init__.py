"""Formats: how families of models write tool calls as text."""

from __future__ import annotations

from conformance.formats import hermes, mistral
from conformance.formats.format import Format, Inexpressible, Unreadable

FORMATS: dict[str, Format] = {
    found.name: found for found in (hermes.HERMES, mistral.MISTRAL, mistral.MISTRAL_V11)
}
"""Every format by its name."""

PARSERS = {"hermes": "hermes", "mistral": "mistral"}
"""A server's name for its parser, to the format that it is usually paired with."""

__all__ = ["FORMATS", "PARSERS", "Format", "Inexpressible", "Unreadable"]
