"""What a server says when it does not answer: status and body."""

from __future__ import annotations

from conformance.base import jsonvalue
from conformance.base.jsonvalue import Json, JsonProblem
from conformance.rules.rule import MUST, Evidence, Findings, rule
from conformance.terms.outcome import Finding


@rule("err.tools-invalid", MUST, "status", lambda evidence: evidence.expect.refused)
def tools_invalid(evidence: Evidence) -> Findings:
    """A request that makes no sense is refused with a 4xx status, streamed or not.

    Why: a client that gets an answer never learns that its tools were not used as it wrote them;
        a 500 makes SDKs send the same request again, and a stream that begins with 200 is read as
        an answer.
    Wrong: 200 for a tool_choice that names no tool of the request
    Right: 400 and an error that names tool_choice
    """
    status = evidence.answer.exchange.status or 0
    if not 400 <= status < 500:
        actual = f"{status}: {evidence.answer.text[:200]!r}"
        yield Finding(where="status", expected="a 4xx status", actual=actual)


@rule(
    "http.error-json",
    MUST,
    "status",
    lambda evidence: evidence.answer.exchange.status != 200,
)
def error_json(evidence: Evidence) -> Findings:
    """An error's body is a JSON object whose `error` has a message.

    Why: the specification's `ErrorResponse` says so; openai-python and openai-node show
        error.message, and a user without it sees the status and nothing else.
    Wrong: {"object": "error", "message": "…"}, an HTML page, an event stream
    Right: {"error": {"message": "…", "type": "…", "param": null, "code": null}}
    """
    told = _error(evidence)
    if not isinstance(told, dict):
        body = evidence.answer.text
        yield Finding(where="body", expected='{"error": {…}}', actual=jsonvalue.show(body))
        return
    message = told.get("message")
    if not isinstance(message, str) or not message.strip():
        yield Finding(
            where="error.message",
            expected="a string that is not empty",
            actual=repr(message)[:80],
        )


def _error(evidence: Evidence) -> Json:
    try:
        document = jsonvalue.parse(evidence.answer.exchange.body.decode("utf-8"))
    except (UnicodeDecodeError, JsonProblem):
        return None
    return document.get("error") if isinstance(document, dict) else None
