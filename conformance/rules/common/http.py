"""What a server says when it does not answer: status and body."""

from __future__ import annotations

from conformance.base import jsonvalue
from conformance.base.jsonvalue import Json, JsonProblem
from conformance.rules.rule import MUST, Evidence, Findings, rule
from conformance.terms.outcome import Finding, brief

BLAME = "server"


@rule("http.ok", MUST, "status", lambda evidence: not evidence.expect.refused)
def ok(evidence: Evidence) -> Findings:
    """A good request is answered with status 200.

    Why: a client can only give up on it.
    Wrong: 400 for a conversation that the API allows, 500 from a parser that raises
    Right: 200
    """
    status = evidence.answer.exchange.status
    if status != 200:
        yield Finding(
            where="status", expected="200", actual=f"{status}: {evidence.answer.text[:200]!r}"
        )


@rule(
    "http.error-json",
    MUST,
    "status",
    lambda evidence: evidence.answer.exchange.status != 200,
    spec="https://platform.openai.com/docs/guides/error-codes",
)
def error_json(evidence: Evidence) -> Findings:
    """An error's body is a JSON object whose `error` has a message.

    Why: the specification's `ErrorResponse` says so; openai-python and openai-node show
        error.message, and a user without it sees the status and nothing else.
    Wrong: {"object": "error", "message": "…"}, an HTML page, an event stream
    Right: {"error": {"message": "…", "type": "…", "param": null, "code": null}}
    """
    error = _error(evidence)
    if not isinstance(error, dict):
        body = evidence.answer.text
        yield Finding(where="body", expected='{"error": {…}}', actual=jsonvalue.show(body))
        return
    message = error.get("message")
    if not isinstance(message, str) or not message.strip():
        yield Finding(
            where="error.message",
            expected="a string that is not empty",
            actual=brief(message),
        )


def _error(evidence: Evidence) -> Json:
    try:
        document = jsonvalue.parse(evidence.answer.exchange.body.decode("utf-8"))
    except (UnicodeDecodeError, JsonProblem):
        return None
    return document.get("error") if isinstance(document, dict) else None
