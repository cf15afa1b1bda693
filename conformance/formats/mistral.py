"""Mistral, before v11: a JSON array after `[TOOL_CALLS]`; from v11: `[TOOL_CALLS]name[ARGS]{…}`.

The shapes are those of the models' chat templates and of `mistral_common`'s encoding of each
tokenizer version.
"""

from __future__ import annotations

from collections.abc import Sequence

from conformance.formats.format import (
    Format,
    Inexpressible,
    Unreadable,
    read_calls,
    read_value,
    write_call,
)
from conformance.terms.said import Call, Piece, Script, Text, Utterance

CALLS = "[TOOL_CALLS]"
ARGS = "[ARGS]"
CALL_ID = "[CALL_ID]"
CALL_ID_PATTERN = r"[a-zA-Z0-9]{9}"


def write(says: Sequence[Utterance]) -> Script:
    """Write what a Mistral model before v11 says."""
    text = [item.text for item in says if isinstance(item, Text)]
    calls = [item for item in says if isinstance(item, Call)]
    if calls and (len(text) > 1 or (text and not isinstance(says[0], Text))):
        raise Inexpressible("the array of calls comes last and in one piece")
    script = [Piece("text", item) for item in text]
    if calls:
        script.append(Piece("control", CALLS))
        script.append(Piece("text", f" [{', '.join(write_call(call) for call in calls)}]"))
    return tuple(script)


def read(script: Script) -> tuple[Utterance, ...]:
    """Read what a Mistral model before v11 said."""
    text, parts = _split(script)
    says: list[Utterance] = [Text(text=text)] if text else []
    if len(parts) > 1:
        raise Unreadable(f"{CALLS} {len(parts)} times")
    for part in parts:
        says += read_calls("".join(piece.text for piece in part))
    return tuple(says)


def write_v11(says: Sequence[Utterance]) -> Script:
    """Write what a Mistral model from v11 on says."""
    script: list[Piece] = []
    for place, utterance in enumerate(says):
        if isinstance(utterance, Text):
            if place:
                raise Inexpressible("no mark ends a call, so no text can follow one")
            script.append(Piece("text", utterance.text))
        else:
            script.append(Piece("control", CALLS))
            script.append(Piece("text", utterance.name))
            script.append(Piece("control", ARGS))
            script.append(Piece("text", utterance.arguments))
    return tuple(script)


def read_v11(script: Script) -> tuple[Utterance, ...]:
    """Read what a Mistral model from v11 on said."""
    text, parts = _split(script)
    says: list[Utterance] = [Text(text=text)] if text else []
    for part in parts:
        match [piece.text for piece in part]:
            case [name, mark, arguments] if mark == ARGS:
                says.append(_call(name, arguments))
            case [name, id_mark, id, mark, arguments] if (id_mark, mark) == (CALL_ID, ARGS):
                says.append(_call(name, arguments, id))
            case other:
                raise Unreadable(f"{CALLS} is followed by a name, {ARGS} and arguments: {other}")
    return tuple(says)


def _call(name: str, arguments: str, id: str | None = None) -> Call:
    value, stop = read_value(arguments, 0)
    if arguments[stop:].strip():
        raise Unreadable(f"text after the arguments of {name!r}: {arguments[stop:][:20]!r}")
    return Call(name=name, arguments=value, id=id)


def _split(script: Script) -> tuple[str, list[list[Piece]]]:
    text = ""
    parts: list[list[Piece]] = []
    for piece in script:
        if piece == Piece("control", CALLS):
            parts.append([])
        elif parts:
            parts[-1].append(piece)
        elif piece.kind == "text":
            text += piece.text
        else:
            raise Unreadable(f"{piece.text} before {CALLS}")
    return text, parts


MISTRAL = Format(
    name="mistral",
    marks={CALLS: "control"},
    markup=(CALLS, ARGS, CALL_ID, "[TOOL_RESULTS]", "[/INST]", "</s>"),
    write=write,
    read=read,
    offer="[AVAILABLE_TOOLS]",
    call_id=CALL_ID_PATTERN,
)

MISTRAL_V11 = Format(
    name="mistral-v11",
    marks={CALLS: "control", ARGS: "control", CALL_ID: "control"},
    markup=(CALLS, ARGS, CALL_ID, "[TOOL_RESULTS]", "[/INST]", "</s>"),
    write=write_v11,
    read=read_v11,
    offer="[AVAILABLE_TOOLS]",
    grammar=True,
    call_id=CALL_ID_PATTERN,
)
