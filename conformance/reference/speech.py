"""What the model says: a script's text in tokens, up to a stop string or a limit."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conformance.base.jsonvalue import Json
from conformance.formats import Format
from conformance.formats.format import text_of
from conformance.formats.stream import Token
from conformance.reference.pretend_model import Says
from conformance.replay.script import FIELD, Refused, one_by_one, read
from conformance.replay.tokens import parts
from conformance.terms.said import Piece, Script

PLAIN = "I am the reference server, and you did not say what I should say."
"""The answer to a request without a script."""

_WORD = re.compile(r" ?\w+| ?[^\w\s]+|\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """All tokens of an answer, and why they end."""

    tokens: tuple[Token, ...]
    whole: tuple[Token, ...]
    """The answer without stop strings and limits, with each run of text as one token."""
    cut: bool = False
    """The limit of tokens was reached before the end."""
    ended: bool = False
    """The model itself ended the answer, not a limit or a stop string."""


def speak(
    request: Json,
    format: Format,
    *,
    scripted: bool = True,
    model: Says | None = None,
    cut: str = "tokens",
) -> Speech:
    """Say what a request's script says, or what a model says; raises `Refused`.

    `cut` says into which tokens the words of a model are cut.
    """
    source = (request.get("vllm_xargs") or {}).get(FIELD) if scripted else None
    pieces: Script = (Piece("text", PLAIN),)
    if source is not None:
        script = one_by_one(read(source))
        given = [Piece(piece.kind, piece.text) for piece in script.pieces]
        pieces, cut = tuple(_known(given, format)), script.cut
    elif model is not None:
        pieces = tuple(_known(model(request, format), format))
    whole = tuple(Token(piece.text, mark=piece.kind != "text") for piece in pieces)
    tokens = tuple(_tokens(_until_stop(pieces, _stops(request)), cut))
    limit = request.get("max_completion_tokens") or request.get("max_tokens") or len(tokens)
    stopped = any(stop in text_of(pieces) for stop in _stops(request))
    return Speech(
        tokens=tokens[:limit],
        whole=whole,
        cut=len(tokens) > limit,
        ended=not stopped and len(tokens) <= limit,
    )


def _known(pieces: Sequence[Piece], format: Format) -> Iterator[Piece]:
    """Turn markers that the vocabulary lacks into text, and join runs of text."""
    text = ""
    for piece in pieces:
        if piece.kind != "text" and piece.text in format.marks:
            if text:
                yield Piece("text", text)
            yield Piece(format.marks[piece.text], piece.text)
            text = ""
        elif piece.kind == "control":
            raise Refused(f"the vocabulary has no control token {piece.text!r}")
        else:
            text += piece.text
    if text:
        yield Piece("text", text)


def _stops(request: Json) -> list[str]:
    stop = request.get("stop") or []
    return [stop] if isinstance(stop, str) else stop


def _until_stop(pieces: Script, stops: Sequence[str]) -> Iterator[Piece]:
    """Keep the pieces before the first stop string, without half a mark."""
    whole = text_of(pieces)
    left = min((whole.index(stop) for stop in stops if stop in whole), default=len(whole))
    for piece in pieces:
        if piece.kind == "text":
            yield Piece("text", piece.text[: max(0, left)])
        elif len(piece.text) <= left:
            yield piece
        left -= len(piece.text)


def _tokens(pieces: Iterator[Piece], cut: str) -> Iterator[Token]:
    dice = random.Random(int(cut.partition(":")[2] or 0))
    for piece in pieces:
        if piece.kind != "text":
            yield Token(piece.text, mark=True)
        elif cut == "tokens":
            yield from (Token(word) for word in _WORD.findall(piece.text))
        else:
            yield from (Token(part) for part in parts(piece.text, cut, dice))
