"""Rules: pure functions from a recorded answer to findings, one module an area."""

from __future__ import annotations

from conformance.rules.chat import chunk, client, delta, err, finish, logprobs, msg, sse, usage

# Each import enters its area's rules.
from conformance.rules.common import args, choice, content, echo, equiv, http, id, said, template
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
    "echo",
    "equiv",
    "err",
    "finish",
    "ids",
    "logprobs",
    "message",
    "refusal",
    "said",
    "sse",
    "template",
    "usage",
]
