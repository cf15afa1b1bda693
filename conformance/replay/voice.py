"""What one request says in an engine without a model: its script, until a grammar forbids it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import grammar


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """What an engine knows of its tokens."""

    size: int
    """The width of the model's logits."""
    end: int
    closers: tuple[int, ...]
    """Tokens that bring what a grammar demands to its end, best first."""


@dataclass(slots=True, kw_only=True)
class Voice:
    """A request under way."""

    ids: tuple[int, ...]
    """All that it would say, with the end of sequence last."""
    scripted: bool
    """Whether the request brought `ids`; they are the same for all others."""
    prompt: int
    """How many tokens its prompt has."""
    computed: int
    """How many tokens of prompt and answer were read before the step."""
    pace: float = 0.0
    """Seconds for a token where nobody says that the last one was sent; 0 if none is streamed."""
    steps: tuple[int, ...] = (1,)
    """How many tokens each step has; the last number is for all that follow."""
    turn: int = 0
    said: int = 0
    strayed: tuple[int, ...] | None = None
    """What was said since a grammar forbade a token of `ids`; None if it never did."""

    def is_due(self, scheduled: int) -> bool:
        """Whether a step of so many tokens reads all that is known, so that a new token follows.

        It does not while it reads a long prompt in parts, or again what a preemption dropped.
        """
        return self.computed + scheduled >= self.prompt + self.said

    def speak(self, language: Language, mask: Sequence[int] | None = None) -> list[int]:
        """Give the tokens of a step; `mask` is what a grammar allows, known of one token only."""
        count = self.steps[min(self.turn, len(self.steps) - 1)] if mask is None else 1
        self.turn += 1
        tokens: list[int] = []
        while len(tokens) < count and (not tokens or self.said < len(self.ids)):
            tokens.append(self._next(language, mask))
            self.said += 1
        return tokens

    def _next(self, language: Language, mask: Sequence[int] | None) -> int:
        wanted = self.ids[min(self.said, len(self.ids) - 1)]
        if self.strayed is None and (mask is None or grammar.allows(mask, wanted)):
            return wanted
        before = self.strayed or ()
        token = self._improvise(language, mask, before)
        self.strayed = (*before, token)
        return token

    def _improvise(
        self, language: Language, mask: Sequence[int] | None, before: tuple[int, ...]
    ) -> int:
        if mask is None:
            return language.end
        if self.scripted and not before:
            # It must not come back to the forbidden text by chance: that would look as if the
            # script had been said. What follows closes the answer, so that a server that reads
            # it as JSON, and refuses what is not, shows what was said.
            avoid = {*self.ids[self.said :], language.end}
            return grammar.another(mask, language.size, avoid, otherwise=language.end)
        return grammar.closer(mask, language.size, language.closers, before, language.end)
