"""Settings of the suite's own tests."""

from __future__ import annotations

import pytest
from hypothesis import settings

from conformance.casefiles import casefile
from tests import shipped
from tests.pytest_run import Run

# A machine that does something else besides stalls for longer than any deadline.
settings.register_profile("thorough", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=25)
settings.load_profile("thorough")


def pytest_configure(config: pytest.Config) -> None:
    """Let every test, and what it imports, share the shipped cases."""
    patch = pytest.MonkeyPatch()
    patch.setattr(casefile, "load", shipped.load)
    config.add_cleanup(patch.undo)


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Start pytest as a user does, whose environment says nothing of a server."""
    for name in ("SERVER_URL", "PARSER", "MODEL", "API_KEY"):
        monkeypatch.delenv(f"CONFORMANCE_{name}", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return Run(pytester)
