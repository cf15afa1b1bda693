"""What a rule is, and what it is given."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from conformance.base.jsonvalue import Json
from conformance.formats.format import Format
from conformance.terms.case import Expectation
from conformance.terms.exchange import ClientView, Prompt
from conformance.terms.outcome import Finding, Level, Unjudged
from conformance.wires.chat.answers import Answer, Choice, Entry

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO
OPENAI, VLLM, MISTRAL = "openai", "vllm", "mistral"

NOTHING_KNOWN = Expectation()
Findings = Iterator[Finding | Unjudged]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a rule may look at: one answer, and what is known about it."""

    answer: Answer
    request: Json
    """The body of the request."""
    expect: Expectation = NOTHING_KNOWN
    """What the answer must hold; empty where nothing is known."""
    said: str | None = None
    """The text that the model said, if it was made to."""
    format: Format | None = None
    """How the model behind the server writes calls."""
    complete: Answer | None = None
    """The same case asked without `stream`, where there is such an answer of the same tokens."""
    unlike: str | None = None
    """Why there is none, where a sampled model was asked both ways."""
    client: ClientView | None = None
    """What the official SDK made of the same bytes."""
    implementation: str | None = None
    """The server's, as a target names it; `None` if unknown."""
    parser: str | None = None
    """The server's tool-call parser; `None` if unknown."""
    echo: Evidence | None = None
    """The next answer, to the same conversation with this one and results in it."""
    prompt: Prompt | None = None
    """What was asked for instead of an answer, in the mode `prompt`."""

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The choices of the answer."""
        return self.answer.choices

    @property
    def tool_choice(self) -> Json:
        """`none`, `auto`, `required` or an object; the specification's default if absent."""
        return self.request.get("tool_choice") or ("auto" if self.request.get("tools") else "none")

    @property
    def truncated(self) -> bool:
        """Whether any choice says that it was cut short."""
        return any(choice.finish_reason == "length" for choice in self.choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One requirement on an answer."""

    id: str
    level: Level
    title: str
    why: str
    wrong: str
    right: str
    on: Literal["stream", "complete", "any", "status", "prompt"]
    profile: str
    """Whom it holds for: `openai` is every server, else an implementation or a parser."""
    when: Callable[[Evidence], bool]
    check: Callable[[Evidence], Findings]

    def applies(self, evidence: Evidence) -> bool:
        """Whether this answer is of the kind that the rule is about."""
        answered = evidence.answer.exchange.status == 200 and not evidence.expect.refused
        if not answered and self.on != "status":
            return False
        if self.profile not in (OPENAI, evidence.implementation, evidence.parser):
            return False
        if self.on != "status" and (evidence.prompt is not None) != (self.on == "prompt"):
            return False
        streamed = evidence.answer.stream is not None
        if self.on in ("stream", "complete") and streamed != (self.on == "stream"):
            return False
        return self.when(evidence)


RULES: dict[str, Rule] = {}
"""Every rule by its id, in the order of the ids."""

_ID = re.compile(r"[a-z0-9]+(\.[a-z0-9_-]+)+")
_PART = re.compile(r"^\s*(Why|Wrong|Right): ", re.MULTILINE)


def always(evidence: Evidence) -> bool:
    """Apply to every answer."""
    return True


def has_calls(evidence: Evidence) -> bool:
    """Apply to answers that hold a call."""
    return any(choice.calls for choice in evidence.choices)


def of_entry(entry: Entry, field: str, *, expected: str, actual: object) -> Finding:
    """Find fault with a field of an entry of `tool_calls`."""
    return Finding(
        where=f"{entry.where}.{field}",
        expected=expected,
        actual=repr(actual)[:80],
        chunk=entry.chunk,
    )


def rule(
    id: str,
    level: Level,
    on: Literal["stream", "complete", "any", "status", "prompt"] = "any",
    when: Callable[[Evidence], bool] = always,
    *,
    profile: str = OPENAI,
) -> Callable[[Callable[[Evidence], Findings]], Callable[[Evidence], Findings]]:
    """Enter a generator of findings into the catalogue.

    Its docstring has a title and the parts `Why:`, `Wrong:` and `Right:`.
    """

    def enter(check: Callable[[Evidence], Findings]) -> Callable[[Evidence], Findings]:
        if not _ID.fullmatch(id) or id in RULES:
            raise ValueError(f"rule id {id!r} is malformed or taken")
        title, *rest = _PART.split(check.__doc__ or "")
        parts = {
            name: " ".join(text.split()) for name, text in zip(rest[::2], rest[1::2], strict=True)
        }
        if set(parts) != {"Why", "Wrong", "Right"}:
            raise ValueError(f"rule {id}: the docstring has a title, Why:, Wrong: and Right:")
        RULES[id] = Rule(
            id=id,
            level=level,
            title=title.strip().removesuffix("."),
            why=parts["Why"],
            wrong=parts["Wrong"],
            right=parts["Right"],
            on=on,
            profile=profile,
            when=when,
            check=check,
        )
        return check

    return enter
