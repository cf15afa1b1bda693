"""Requests that make no sense."""

from __future__ import annotations

from conformance.rules.rule import MUST, SHOULD, Evidence, Findings, rule
from conformance.terms.outcome import Finding

BLAME = "server"


@rule(
    "err.tools-invalid",
    MUST,
    "status",
    lambda evidence: evidence.expect.refused,
    yields_to=("err.unchecked",),
)
def tools_invalid(evidence: Evidence) -> Findings:
    """A request that makes no sense is refused with a 4xx status, streamed or not.

    Why: a client that gets an answer never learns that its tools were not used as written;
        a 500 makes SDKs send the same request again, and a stream that begins with 200 is read as
        an answer.
    Wrong: 200 for a tool_choice that names no tool of the request
    Right: 400 and an error that names tool_choice
    """
    status = evidence.answer.exchange.status or 0
    if not 400 <= status < 500:
        actual = f"{status}: {evidence.answer.text[:200]!r}"
        yield Finding(where="status", expected="a 4xx status", actual=actual)


@rule("err.unchecked", SHOULD, "status", lambda evidence: evidence.expect.answerable)
def unchecked(evidence: Evidence) -> Findings:
    """A request is not answered whose mistake only a check of its schemas shows.

    Why: a client that gets an answer never learns that its schema is broken, and arguments may hold
        anything there. But the schema is the client's own, and no sentence says that a server
        checks it. A server that refuses does so as for err.tools-invalid.
    Wrong: 200 and a call of a tool whose schema has {"$ref": "#/$defs/City"} and no $defs
    Right: 400 and an error that names the reference
    """
    ended = [turn.ending != "unknown" for turn in evidence.turns]
    if evidence.answer.exchange.status == 200 and ended and all(ended):
        actual = f"200: {evidence.answer.text[:200]!r}"
        yield Finding(where="status", expected="a 4xx status", actual=actual)
