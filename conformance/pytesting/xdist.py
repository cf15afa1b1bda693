"""How pytest-xdist deals out a run: each worker one share, whole and at once."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from conformance.pytesting.collection import share_of


def scheduler(config: pytest.Config, log: Any) -> Any:
    """Make a scheduler that splits the items into as many shares as there are workers."""
    found = LoadScopeScheduling(config, log)
    workers = found.numnodes
    found._split_scope = lambda nodeid: str(share_of(nodeid, workers))
    return found
