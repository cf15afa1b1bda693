"""Rules: pure functions from a recorded answer to findings, one module an area."""

from __future__ import annotations

# Each import enters its area's rules.
from conformance.rules import (
    arguments,
    choice,
    chunk,
    client,
    content,
    delta,
    equiv,
    err,
    finish,
    ids,
    logprobs,
    message,
    refusal,
    said,
    sse,
    usage,
)
from conformance.rules.rule import RULES, Evidence, Rule

__all__ = [
    "RULES",
    "Evidence",
    "Rule",
    "arguments",
    "choice",
    "chunk",
    "client",
    "content",
    "delta",
    "equiv",
    "err",
    "finish",
    "ids",
    "logprobs",
    "message",
    "refusal",
    "said",
    "sse",
    "usage",
]
