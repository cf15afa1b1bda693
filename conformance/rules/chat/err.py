"""Errors that come where chunks are due."""

from __future__ import annotations

from conformance.rules.rule import MUST, Evidence, Findings, rule
from conformance.terms.outcome import Finding, brief
from conformance.wires.chat.choices import Chunk

BLAME = "server"


def _is_well_formed(chunk: Chunk) -> bool:
    error = chunk.error
    message = error.get("message") if isinstance(error, dict) else None
    return "error" in chunk.value and isinstance(message, str) and bool(message.strip())


@rule("err.mid-stream", MUST, "stream")
def mid_stream(evidence: Evidence) -> Findings:
    """A good request is answered without an error event.

    Why: every client raises on it, or returns a truncated call as if it were whole.
    Wrong: data: {"error": {"message": "list index out of range"}}
    Right: chunks to the end
    """
    for chunk in evidence.answer.chunks:
        if chunk.error is not None and _is_well_formed(chunk):
            yield chunk.finding("error", expected="no error", actual=brief(chunk.error))


@rule("err.form", MUST, "stream")
def form(evidence: Evidence) -> Findings:
    """An error event is an object `error` with a message.

    Why: openai-python, LangChain and openai-agents look for that key only, and return what came
        before as a whole answer; of a bare string the AI SDK makes a type error.
    Wrong: data: {"object": "error", "message": "out of memory"}
    Right: data: {"error": {"message": "out of memory", "type": "server_error"}}
    """
    for chunk in evidence.answer.chunks:
        if chunk.error is not None and not _is_well_formed(chunk):
            yield Finding(
                where=f"chunk {chunk.number}",
                expected='{"error": {"message": …}}',
                actual=brief(dict(chunk.value)),
                chunk=chunk.number,
            )
