"""What a user is told when no server can be had."""

from __future__ import annotations


class LaunchProblem(Exception):
    """One message: what was seen, and what to do."""
