"""The choices of an answer: how they are numbered."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.rules.chat import choices_of
from conformance.rules.rule import MUST, Evidence, Findings, rule
from conformance.terms.outcome import Finding

BLAME = "server"
SPEC = "https://platform.openai.com/docs/api-reference/chat/object"


@rule("choice.index.range", MUST, "any", yields_to=("finish.present",))
def choice_range(evidence: Evidence) -> Findings:
    """Choices are numbered 0 to n-1 and first appear in that order.

    Why: openai-python raises IndexError when the first chunk is not of choice 0; a client that
        asked for n answers reads n of them.
    Wrong: n is 2, and the first chunk has index 1
    Right: index 0 first, then 1
    """
    wanted = list(range(evidence.request.get("n") or 1))
    seen = list(dict.fromkeys(_indexes(evidence)))
    if seen != wanted and not evidence.answer.damaged:
        yield Finding(
            where="choices", expected=f"indexes {wanted}", actual=f"{seen}", place=("choices",)
        )


def _indexes(evidence: Evidence) -> Iterator[int]:
    if evidence.answer.stream is None:
        yield from (choice.index for choice in choices_of(evidence))
    for chunk in evidence.answer.chunks:
        for _, choice in chunk.choices if chunk.error is None else ():
            if type(choice.get("index")) is int:
                yield choice["index"]
