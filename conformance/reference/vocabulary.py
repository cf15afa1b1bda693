"""Token ids: each token's text gets a number; a single character has its code point."""

from __future__ import annotations

from collections.abc import Iterable

FIRST = 0x200000
"""Greater than all code points."""


class Vocabulary:
    """The tokens of one server; it grows with each new token."""

    def __init__(self) -> None:
        """Begin with single characters."""
        self._ids: dict[str, int] = {}
        self._texts: list[str] = []

    def ids(self, texts: Iterable[str]) -> list[int]:
        """Give the id of each token."""
        return [self._id(text) for text in texts]

    def text(self, ids: Iterable[int]) -> str:
        """Join the texts of tokens; an unknown id gives a replacement character."""
        known = range(FIRST, FIRST + len(self._texts))
        return "".join(
            self._texts[id - FIRST] if id in known else chr(id) if id < FIRST // 2 else "\ufffd"
            for id in ids
        )

    def _id(self, text: str) -> int:
        if text not in self._ids:
            self._ids[text] = FIRST + len(self._texts)
            self._texts.append(text)
        return self._ids[text]
