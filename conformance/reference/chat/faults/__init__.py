"""Faults that the reference server can be told to have, one at a time.

A fault spares requests without tools, as those by which the suite asks what a server can do.
"""

from __future__ import annotations

# Each import enters its area's faults.
from conformance.reference.chat.faults import (
    arguments,
    calls,
    connection,
    envelope,
    finish,
    headers,
    logprobs,
    prompts,
    requests,
    stream,
    text,
    wishes,
)
from conformance.reference.chat.faults.registry import FAULTS

__all__ = [
    "FAULTS",
    "arguments",
    "calls",
    "connection",
    "envelope",
    "finish",
    "headers",
    "logprobs",
    "prompts",
    "requests",
    "stream",
    "text",
    "wishes",
]
