"""Settings of the suite's own tests."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.pytest_run import Run

# A machine that does something else besides stalls for longer than any deadline.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Start pytest as a user does, whose environment says nothing of a server."""
    for name in ("SERVER_URL", "PARSER", "MODEL", "API_KEY"):
        monkeypatch.delenv(f"CONFORMANCE_{name}", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return Run(pytester)
