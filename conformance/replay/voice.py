"""What one request says in an engine without a model: its script, until a grammar forbids it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import grammar

WRONG = 7
"""Every so many places of a script, the token is guessed wrongly: it is taken for the one before.

That one is often allowed by a grammar too, which then has to take it back.
"""

Masks = Sequence[Sequence[int]]
"""What a grammar allows at some places, one after the other."""


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
    drafts: int = 0
    """How many tokens are guessed ahead; a step has those that were right, and one more."""
    turn: int = 0
    said: int = 0
    strayed: tuple[int, ...] | None = None
    """What was said since a grammar forbade a token of `ids`; None if it never did."""

    def is_due(self, scheduled: int) -> bool:
        """Whether a step of so many tokens reads all that is known, so that a new token follows.

        It does not while it reads a long prompt in parts, or again what a preemption dropped.
        Guesses are not among `scheduled`.
        """
        return self.computed + scheduled >= self.prompt + self.said

    def speak(self, language: Language, masks: Masks = (), drafts: Sequence[int] = ()) -> list[int]:
        """Give the tokens of a step.

        `drafts` are the guesses that the step has to check. `masks` are what a grammar allows for
        the first token, and for the one after each guess.
        """
        most = self.steps[min(self.turn, len(self.steps) - 1)]
        if masks or drafts:
            most = 1 + len(drafts)
        self.turn += 1
        tokens: list[int] = []
        for place in range(most):
            wrong = place and drafts and tokens[-1] != drafts[place - 1]
            if wrong or (place and self.said >= len(self.ids)):
                break
            tokens.append(self._next(language, masks[place] if masks else None))
            self.said += 1
        return tokens

    def guess(self) -> list[int]:
        """Guess what comes next: the script, except that some guesses are wrong."""
        if self.strayed is not None:
            return []
        places = range(self.said, min(self.said + self.drafts, len(self.ids)))
        return [self.ids[place - (place % WRONG == 0)] for place in places]

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
