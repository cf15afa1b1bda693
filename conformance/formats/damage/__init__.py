"""Named damages: pure functions that turn what a model meant into what it should not have said.

A new family needs no broken texts of its own: each damage is derived from what its `Format` says,
or makes no sense there, with a reason.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from conformance.formats.damage.damage import DAMAGES, Damage, Says
from conformance.formats.format import Format
from conformance.formats.problem import Inexpressible
from conformance.terms.said import Script

for _module in iter_modules(__path__, f"{__name__}."):
    import_module(_module.name)  # enters its damages


def damaged(says: Says, format: Format, name: str, word: str = "") -> Script:
    """Write what was meant, damaged; raises `Inexpressible` where that makes no sense."""
    if name in format.spared:
        raise Inexpressible(format.spared[name])
    return format.pieces(DAMAGES[name].write(says, format, word))


__all__ = ["DAMAGES", "Damage", "damaged"]
