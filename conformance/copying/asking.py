"""A conversation as the copying model is asked it: with the script at the place where it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from conformance.base.jsonvalue import Json
from conformance.copying.vocabulary import runs
from conformance.terms.said import Script
from conformance.terms.server import Copies

FILL = "."


class NotSaid(Exception):
    """The model cannot say a script; the message says why."""


def tokens_of(text: str, marks: Mapping[str, int]) -> int:
    """Count the tokens of a text: a byte each, except for marks."""
    return sum(
        marks[run] if run in marks else len(run.encode("utf-8", "surrogatepass"))
        for run in runs(text, tuple(marks))
    )


def dressed(
    messages: Sequence[Json], script: Script, copies: Copies, *, end: str
) -> tuple[Json, ...]:
    """Add a script to the last message, where the model will look; raises `NotSaid`.

    `end` is the mark that ends the answer.
    """
    _check(script, copies)
    role = str(messages[-1].get("role")) if messages else "none"
    if role not in copies.distances:
        raise NotSaid(f"where the model looks after a message of {role} is not known")
    distance = copies.distances[role]
    said = "".join(piece.text for piece in script) + end
    left = distance - tokens_of(said, copies.marks)
    if left < 0:
        raise NotSaid(
            f"the script has {distance - left} tokens, and the model looks {distance} back; "
            "make one with a greater --reach"
        )
    return (*messages[:-1], _longer(messages[-1], said + FILL * left))


def _check(script: Script, copies: Copies) -> None:
    """Refuse what would be said in other tokens than those of the script."""
    for piece in script:
        if piece.kind == "control" and copies.marks.get(piece.text) != 1:
            raise NotSaid(f"the vocabulary has no control token {piece.text}")
        if piece.kind == "text":
            for mark, tokens in copies.marks.items():
                if tokens == 1 and mark in piece.text:
                    raise NotSaid(f"the text quotes {mark}, which a prompt makes a token of")


def _longer(message: Json, more: str) -> Json:
    content = message.get("content") or ""
    if isinstance(content, str):
        return {**message, "content": f"{content}\n{more}"}
    return {**message, "content": [*content, {"type": "text", "text": more}]}
