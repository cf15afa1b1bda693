"""The script: the text that a request makes the model say, and how it is cut into tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

FIELD = "conformance_script"
"""The key in `vllm_xargs` that carries a script."""
VERSION = 1
MAX_SCRIPT_CHARACTERS = 1_000_000
"""A longer script, as JSON text, is refused."""

KINDS = ("text", "marker", "control")
CUTS = "tokens, characters, pieces:SEED (SEED a number of at most 18 digits)"
MAX_STEPS = 100
STEPS = f"a list of 1 to {MAX_STEPS} whole numbers above 0"
CUT = re.compile(r"tokens|characters|pieces:[0-9]{1,18}")


class Refused(ValueError):
    """A script that cannot be said, and why."""

    def __init__(self, reason: str) -> None:
        """Name the request field, since the sender of the request reads this."""
        super().__init__(f"{FIELD}: {reason}")


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of a script.

    `text` is ordinary text.
    `marker` is one token where the vocabulary has it, ordinary text elsewhere.
    `control` is one token of the vocabulary.
    """

    kind: Literal["text", "marker", "control"]
    text: str


@dataclass(frozen=True, slots=True)
class Script:
    """The text that the model must say, and its cut."""

    pieces: tuple[Piece, ...]
    cut: str
    """`tokens`: each run of text as the tokenizer cuts it.
    `characters`: each character by itself.
    `pieces:SEED`: each run at random places, which are the same for the same seed.
    """
    steps: tuple[int, ...] = (1,)
    """How many tokens the engine says in each of its steps; the last number is for all that follow.

    A delta has at least the tokens of a step.
    """
    drafts: int = 0
    """How many of its tokens the engine guesses ahead in each step, as speculative decoding does.

    Some guesses are wrong, at the same places of the same script.
    """

    @property
    def text(self) -> str:
        """The whole text, with control tokens by their names."""
        return "".join(piece.text for piece in self.pieces)


def read(source: str) -> Script:
    """Read a script from JSON text."""
    if len(source) > MAX_SCRIPT_CHARACTERS:
        raise Refused(f"{len(source)} characters; at most {MAX_SCRIPT_CHARACTERS} are allowed")
    try:
        document = json.loads(source, object_pairs_hook=read_object)
    except (ValueError, RecursionError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise Refused(f"expected an object, got {brief(document)}")
    read_keys(document)
    version, cut = document["v"], document["cut"]
    if version != VERSION or type(version) is not int:
        raise Refused(f"v is {brief(version)}; this server reads version {VERSION}")
    if not isinstance(cut, str) or not CUT.fullmatch(cut):
        raise Refused(f"cut is {brief(cut)}; allowed: {CUTS}")
    if {"steps", "drafts"} <= document.keys():
        raise Refused("steps and drafts are given; give one of them")
    steps, drafts = read_steps(document.get("steps", [1])), read_drafts(document.get("drafts", 0))
    return Script(read_pieces(document["pieces"]), cut, steps, drafts)


def one_by_one(script: Script) -> Script:
    """Give a script back; raises Refused where it is to be said several tokens at a time."""
    if script.steps != (1,):
        raise Refused("steps: this server says one token at a time")
    return drafted(script, at_most=0)


def drafted(script: Script, *, at_most: int) -> Script:
    """Give a script back; raises Refused where more tokens are to be guessed than a server can."""
    if script.drafts > at_most:
        raise Refused(f"drafts is {script.drafts}; this server guesses {at_most} tokens ahead")
    return script


def read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object whose keys are all different."""
    document = dict(pairs)
    if len(document) < len(pairs):
        raise Refused("a key is given twice")
    return document


def read_keys(document: Mapping[str, Any]) -> None:
    """Refuse a script with unknown or missing keys."""
    wanted = {"v", "pieces", "cut"}
    if unknown := sorted(document.keys() - wanted - {"steps", "drafts"}):
        raise Refused(f"unknown key {brief(unknown[0])}; allowed: v, pieces, cut, steps, drafts")
    if missing := sorted(wanted - document.keys()):
        raise Refused(f"key {missing[0]!r} is missing")


def read_steps(document: object) -> tuple[int, ...]:
    """Read how many tokens each step has."""
    numbers = document if isinstance(document, list) else []
    if not 0 < len(numbers) <= MAX_STEPS or any(type(one) is not int or one < 1 for one in numbers):
        raise Refused(f"steps is {brief(document)}; expected {STEPS}")
    return tuple(numbers)


def read_drafts(document: object) -> int:
    """Read how many tokens are guessed ahead."""
    if not isinstance(document, int) or isinstance(document, bool) or document < 0:
        raise Refused(f"drafts is {brief(document)}; expected a whole number from 0")
    return document


def read_pieces(document: object) -> tuple[Piece, ...]:
    """Read the list of `[kind, text]` pairs."""
    if not isinstance(document, list):
        raise Refused(f"pieces is {brief(document)}; expected a list of [kind, text]")
    return tuple(read_piece(f"pieces[{number}]", each) for number, each in enumerate(document))


def read_piece(where: str, document: object) -> Piece:
    """Read one `[kind, text]` pair."""
    if not isinstance(document, list) or len(document) != 2:
        raise Refused(f"{where} is {brief(document)}; expected [kind, text]")
    kind, text = document
    if kind not in KINDS:
        raise Refused(f"{where}: kind is {brief(kind)}; allowed: {', '.join(KINDS)}")
    if not isinstance(text, str):
        raise Refused(f"{where}: text is {brief(text)}; expected a string")
    if kind != "text" and not text:
        raise Refused(f"{where}: a {kind} needs a name")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Refused(f"{where}: text has half a surrogate pair, which no tokenizer can say")
    return Piece(kind, text)


def brief(value: object) -> str:
    """Quote a value in at most 60 characters."""
    quoted = repr(value) if isinstance(value, str | int | float | None) else type(value).__name__
    return quoted if len(quoted) <= 60 else f"{quoted[:57]}..."
