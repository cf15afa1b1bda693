"""Hermes: a JSON object between `<tool_call>` and `</tool_call>`, each on lines of their own.

The shape is that of the chat templates of NousResearch Hermes 2 Pro and of Qwen 2.5 and 3:
a newline after the opening mark, before the closing one, and between what is said.
"""

from __future__ import annotations

from collections.abc import Sequence

from conformance.formats.format import (
    Format,
    Unreadable,
    read_call,
    write_call,
)
from conformance.terms.said import Call, Piece, Script, Text, Utterance

OPEN = "<tool_call>"
CLOSE = "</tool_call>"


def write(says: Sequence[Utterance]) -> Script:
    """Write what a Hermes model says."""
    script: list[Piece] = []
    for place, utterance in enumerate(says):
        if place:
            script.append(Piece("text", "\n"))
        if isinstance(utterance, Call):
            script.append(Piece("marker", OPEN))
            script.append(Piece("text", f"\n{write_call(utterance)}\n"))
            script.append(Piece("marker", CLOSE))
        else:
            script.append(Piece("text", utterance.text))
    return tuple(script)


def read(script: Script) -> tuple[Utterance, ...]:
    """Read what a Hermes model said."""
    says: list[Utterance] = []
    text = ""
    pieces = iter(script)
    for piece in pieces:
        if piece.kind == "text":
            text += piece.text
            continue
        if piece.text != OPEN:
            raise Unreadable(f"{piece.text} where no call is open")
        _add_text(says, text.removesuffix("\n"))
        body = next(pieces, Piece("text", ""))
        call, stop = read_call(body.text, 0)
        if body.text[stop:].strip() or next(pieces, body).text != CLOSE:
            raise Unreadable(f"no {CLOSE} after the call of {call.name!r}")
        says.append(call)
        text = ""
    _add_text(says, text)
    return tuple(says)


def _add_text(says: list[Utterance], text: str) -> None:
    if says:
        text = text.removeprefix("\n")
    if text:
        says.append(Text(text=text))


HERMES = Format(
    name="hermes",
    marks={OPEN: "marker", CLOSE: "marker"},
    markup=(OPEN, CLOSE, "<|im_start|>", "<|im_end|>"),
    write=write,
    read=read,
    offer="<tools>",
    opener="<|im_start|>assistant",
)
