"""Cut a script into token ids with the model's own tokenizer."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from threading import Lock
from typing import Protocol

from .script import Refused, Script, brief

MAX_PIECE_CHARACTERS = 12
"""Characters between two cuts of `pieces:SEED`."""
ANCHORS = ("", "\n", "}", "a")
"""Texts to encode a run after: some tokenizers put a space before the first word of any text."""


class Tokenizer(Protocol):
    """What this module needs of vLLM's tokenizers."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Give the ids of a text."""
        ...

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """Give the text of some ids."""
        ...

    def get_vocab(self) -> dict[str, int]:
        """Give all entries and their ids."""
        ...

    def get_added_vocab(self) -> dict[str, int]:
        """Give the entries that `encode` looks for in a text first."""
        ...


class Cutter:
    """Cuts scripts into token ids; several threads may use it."""

    def __init__(self, tokenizer: Tokenizer, *, end: int, size: int) -> None:
        """Take the end-of-sequence id and the width of the model's logits."""
        self.tokenizer = tokenizer
        self.end = end
        self.size = size
        self.vocabulary = tokenizer.get_vocab()
        added = sorted(filter(is_long, tokenizer.get_added_vocab()), key=len, reverse=True)
        self.added = re.compile(f"(?={'|'.join(map(re.escape, added))})" if added else "(?!)")
        self.context = self.encode("\n")
        self.spelled: dict[str, list[int]] = {}
        # A fast tokenizer raises "Already borrowed" when two threads use it at once.
        self.lock = Lock()

    def cut(self, script: Script) -> tuple[int, ...]:
        """Give the ids of the script, with end-of-sequence last."""
        ids: list[int] = []
        with self.lock:
            for run in self.runs(script):
                ids += run if isinstance(run, list) else self.spell(run)
            self.check(ids, script.text)
        return (*ids, self.end)

    def runs(self, script: Script) -> Iterator[str | list[int]]:
        """Give tokens as ids, and the text between them in the parts to encode."""
        dice = random.Random(int(script.cut.partition(":")[2] or 0))
        text = ""
        for number, piece in enumerate(script.pieces):
            token = self.vocabulary.get(piece.text) if piece.kind != "text" else None
            if token is None and piece.kind == "control":
                raise Refused(
                    f"pieces[{number}]: the vocabulary has no control token {brief(piece.text)}"
                )
            if token is None:
                text += piece.text
                continue
            yield from parts(text, script.cut, dice)
            yield [token]
            text = ""
        yield from parts(text, script.cut, dice)

    def spell(self, text: str) -> list[int]:
        """Encode a run as ordinary text, even if it holds the name of a token."""
        if len(text) == 1 and text in self.spelled:
            return self.spelled[text]
        places = [found.start() + 1 for found in self.added.finditer(text)]
        bounds = [0, *places, len(text)]
        ids: list[int] = []
        for start, stop in pairwise(bounds):
            ids += self.encode_exactly(text[start:stop])
        if len(text) == 1:
            self.spelled[text] = ids
        return ids

    def encode_exactly(self, text: str) -> list[int]:
        """Encode a text so that it decodes to itself in the middle of an answer."""
        for anchor in ANCHORS:
            head, whole = self.encode(anchor), self.encode(anchor + text)
            ids = whole[len(head) :]
            if whole[: len(head)] == head and self.decode(ids) == text:
                return ids
        raise Refused(f"the tokenizer cannot say {brief(text)} exactly")

    def check(self, ids: list[int], text: str) -> None:
        """Refuse ids that do not decode to the text, and ids that the model has no logits for."""
        if self.decode(ids) != text:
            raise Refused("the tokens of the script do not decode to its text")
        if ids and max(ids) >= self.size:
            raise Refused(f"token {max(ids)} is outside the model's {self.size} logits")

    def encode(self, text: str) -> list[int]:
        """Give the ids of a text alone, without begin and end of sequence."""
        return self.tokenizer.encode(text, add_special_tokens=False) if text else []

    def decode(self, ids: list[int]) -> str | None:
        """Give the text of ids as they decode after other text."""
        before = self.tokenizer.decode(self.context, skip_special_tokens=False)
        whole = self.tokenizer.decode([*self.context, *ids], skip_special_tokens=False)
        return whole[len(before) :] if whole.startswith(before) else None


def is_long(name: str) -> bool:
    """Whether cutting an entry in two turns it into ordinary text."""
    return len(name) > 1 and not name.isspace()


def parts(text: str, cut: str, dice: random.Random) -> Iterator[str]:
    """Cut a run of text; the parts are encoded one by one."""
    longest = {"tokens": len(text), "characters": 1}.get(cut)
    while text:
        length = longest or dice.randint(1, MAX_PIECE_CHARACTERS)
        yield text[:length]
        text = text[length:]
