"""The copying model's vocabulary: the 256 bytes, a family's marks, and nothing else.

No two bytes are ever joined to one token. So anybody can count the tokens of a text, without asking
the server that holds the model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conformance.base.jsonvalue import Json

BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Tokens that stand for themselves: bytes first, then control tokens, then other marks."""

    special: tuple[str, ...]
    """Control tokens, which a server does not show unless it is asked to."""
    added: tuple[str, ...]
    """Text that is always one token."""
    bos: str
    """Begins a prompt; one of `special`."""
    eos: str
    """Ends an answer; one of `special`."""

    @property
    def marks(self) -> tuple[str, ...]:
        """Give all that is one token and more than a byte, in the order of their ids."""
        return (*self.special, *self.added)

    @property
    def size(self) -> int:
        """Count the tokens."""
        return BYTES + len(self.marks)

    def id(self, mark: str) -> int:
        """Give the id of a mark; raises ValueError if it is none."""
        return BYTES + self.marks.index(mark)

    def encode(self, text: str) -> list[int]:
        """Give the ids of a text, each mark in it as one token."""
        ids: list[int] = []
        for run in runs(text, self.marks):
            mark = run in self.marks
            ids += [self.id(run)] if mark else run.encode("utf-8", "surrogatepass")
        return ids


def of_recipe(recipe: Mapping[str, Json]) -> Vocabulary:
    """Take the marks of a target's tokenizer of the kind `bpe`; its words are left out."""
    return Vocabulary(
        special=tuple(recipe["special"]),
        added=tuple(recipe["added"]),
        bos=recipe["bos"],
        eos=recipe["eos"],
    )


def byte_names() -> list[str]:
    """Give the name of each byte in a byte-level vocabulary, as GPT-2's and all since have them.

    A byte that is a visible character of Latin-1 has that for its name. The others have, in their
    order, the characters from U+0100 on.
    """
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(BYTES) if byte not in visible]
    later = {byte: chr(0x100 + place) for place, byte in enumerate(others)}
    return [later.get(byte, chr(byte)) for byte in range(BYTES)]


def runs(text: str, marks: Sequence[str]) -> list[str]:
    """Cut a text at some marks, each a run of its own."""
    if not marks:
        return [text]
    longest = sorted(marks, key=len, reverse=True)
    return re.split(f"({'|'.join(map(re.escape, longest))})", text)
