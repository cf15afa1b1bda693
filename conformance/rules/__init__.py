"""Rules: pure functions from a recorded answer to findings, one module an area.

The areas are found by listing the folders: `common` applies to every wire, the others to one.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages

from conformance.rules.rule import RULES, Evidence, Rule

for _module in walk_packages(__path__, f"{__name__}."):
    import_module(_module.name)  # enters its area's rules

# The order in which findings are shown must not depend on the names of files.
_ordered = sorted(RULES.items())
RULES.clear()
RULES.update(_ordered)

__all__ = ["RULES", "Evidence", "Rule"]
