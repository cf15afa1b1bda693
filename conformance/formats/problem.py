"""What a format can object to."""

from __future__ import annotations


class Inexpressible(Exception):
    """No text of this format says what was asked; the message says why."""


class Unreadable(Exception):
    """A text is not what a model of this format says; the message says where and why."""
