"""Notices beside a command's output: what it does meanwhile, and what to do next."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Write a line to standard error at once, so that standard output holds results only."""
    print(line, file=sys.stderr, flush=True)
