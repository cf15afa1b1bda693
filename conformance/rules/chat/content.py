"""The text of an answer in the fields of Chat Completions."""

from __future__ import annotations

from conformance.rules.chat.usage import raw_choices
from conformance.rules.rule import MUST, Evidence, Findings, rule
from conformance.terms.outcome import Finding, brief

BLAME = "parser"
SPEC = "https://platform.openai.com/docs/api-reference/chat/object"


@rule("content.refusal", MUST, "any")
def refusal(evidence: Evidence) -> Findings:
    """A refusal is a string or null.

    Why: openai-go and openai-java decode it as that; openai-python's typed answers hand it on as
        the text that says why there is no result.
    Wrong: "refusal": false
    Right: "refusal": null
    """
    for where, number, choice in raw_choices(evidence.answer):
        name = "message" if evidence.answer.stream is None else "delta"
        part = choice.get(name)
        found = part.get("refusal") if isinstance(part, dict) else None
        if not isinstance(found, str | None):
            yield Finding(
                where=f"{where}.{name}.refusal",
                expected="a string or null",
                actual=brief(found),
                chunk=number,
            )
