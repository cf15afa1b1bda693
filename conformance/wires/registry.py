"""The wires: each folder beside this file is one, and its module `wire` describes it."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import fields
from pathlib import Path

from conformance.wires.wire import Wire


def _load(name: str) -> Wire:
    module = importlib.import_module(f"conformance.wires.{name}.wire")
    found = getattr(module, "WIRE", None)
    if not isinstance(found, Wire) or found.name != name:
        owed = ", ".join(field.name for field in fields(Wire))
        what = f"owes WIRE, a Wire of the name {name!r}, with {owed}"
        raise TypeError(f"conformance/wires/{name}/wire.py {what}")
    return found


_FOLDERS = [one.name for one in pkgutil.iter_modules([str(Path(__file__).parent)]) if one.ispkg]
WIRES: dict[str, Wire] = {name: _load(name) for name in sorted(_FOLDERS)}
"""Every wire by its name."""

DEFAULT = WIRES["chat"]
"""The wire of a run where nobody names one."""
