"""The text beside calls."""

from __future__ import annotations

from collections.abc import Iterator

from conformance import jsonvalue
from conformance.assemble import Choice
from conformance.model import Finding
from conformance.rules.rule import MUST, Evidence, Findings, rule


@rule("content.no-marker-leak", MUST, "any", lambda evidence: evidence.format is not None)
def no_marker_leak(evidence: Evidence) -> Findings:
    """No markup of the model's format reaches the client.

    Why: users see it in the text and agents send it back as part of the conversation; no client
        takes it out.
    Wrong: "content": "<tool_call>"
    Right: "content": null
    """
    markup = evidence.format.markup if evidence.format else ()
    for choice in evidence.choices:
        for where, text in _texts(choice):
            # What the model quotes as ordinary text or inside a string belongs to the client.
            own = _quoted(evidence, where)
            for mark in markup:
                if text.count(mark) > own.count(mark):
                    at = text.index(mark)
                    yield Finding(
                        where=f"choice {choice.index} {where}",
                        expected=f"no {mark}",
                        actual=jsonvalue.show(text[max(0, at - 20) : at + 60]),
                        chunk=_chunk_of(choice, mark),
                    )


def _texts(choice: Choice) -> Iterator[tuple[str, str]]:
    yield "content", choice.content
    for call in choice.calls:
        yield f"{call.where} name", call.name or ""
        yield f"{call.where} arguments", call.arguments


def _quoted(evidence: Evidence, where: str) -> str:
    if where == "content":
        return evidence.expect.content or ""
    return "".join(f"{call.name} {call.arguments}" for call in evidence.expect.calls or ())


def _chunk_of(choice: Choice, mark: str) -> int | None:
    seen = ""
    for number, delta in choice.deltas:
        seen += str(delta.get("content") or "")
        if mark in seen:
            return number
    return None
