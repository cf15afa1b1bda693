"""Formats: how families of models write tool calls as text."""

from __future__ import annotations

from conformance.formats.format import Format
from conformance.formats.problem import Inexpressible, Unreadable
from conformance.formats.registry import FORMATS, PARSERS

__all__ = ["FORMATS", "PARSERS", "Format", "Inexpressible", "Unreadable"]
