"""The error for a server that cannot be started."""

from __future__ import annotations


class LaunchProblem(Exception):
    """No server can be started; the message says what was seen, and what to do."""
