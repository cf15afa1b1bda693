"""Settings of the suite's own tests."""

from __future__ import annotations

from hypothesis import settings

# A machine that does something else besides stalls for longer than any deadline.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
