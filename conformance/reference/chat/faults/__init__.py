"""Faults that the reference server can be given, one at a time.

A fault spares requests without tools, such as those that ask what the server can do.
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
