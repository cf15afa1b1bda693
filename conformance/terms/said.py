"""What a model says: calls and text, and the script that makes it say them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One tool call: what the model said, or what a client was given."""

    name: str
    arguments: str
    """JSON text."""
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Plain text that the model says."""

    text: str


Utterance = Text | Call
"""What the model says, in order, before a format gives it a shape."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of a script.

    `text` is ordinary text.
    `marker` is one token where the model's vocabulary has it, ordinary text elsewhere.
    `control` is one token; a vocabulary without it cannot say the script.
    """

    kind: Literal["text", "marker", "control"]
    text: str


Script = tuple[Piece, ...]
"""The exact text that a model is made to say."""
