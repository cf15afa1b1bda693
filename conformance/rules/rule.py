"""What a rule is, and what it is given."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from conformance.base.jsonvalue import Json
from conformance.formats.format import Format
from conformance.terms.asked import Asked
from conformance.terms.case import Expectation
from conformance.terms.exchange import ClientView, Prompt
from conformance.terms.outcome import Finding, Level, Unjudged
from conformance.wires.answer import Call, Turn

Blamed = Literal["parser", "server", "template"]
On = Literal["stream", "complete", "any", "status", "prompt"]

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO
OPENAI, VLLM = "openai", "vllm"

EVERY = ("*",)
"""For a rule that yields to every other one that demands something."""

CHAT_CREATE = "https://platform.openai.com/docs/api-reference/chat/create"
RFC_8259 = "https://www.rfc-editor.org/rfc/rfc8259"

FIRST = "0.1.0"

NOTHING_KNOWN = Expectation()
Findings = Iterator[Finding | Unjudged]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a rule may look at: one answer, and what is known about it."""

    answer: Any
    """As its wire reads it: a `wires.answer.Answer`, with more in it for the wire's own rules."""
    request: Json
    """The body of the request."""
    asked: Asked
    """The same in the words of every wire."""
    expect: Expectation = NOTHING_KNOWN
    """What the answer must hold; empty where nothing is known."""
    said: str | None = None
    """The text that the model said, if it was made to."""
    format: Format | None = None
    """How the server's model writes calls."""
    complete: Any = None
    """The same case asked without `stream`, where there is such an answer of the same tokens."""
    plain: Any = None
    """Where there is none: the same case streamed, a delta for each token, if that was asked."""
    incomparable: str | None = None
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
    """The prompt, asked for instead of an answer in the mode `prompt`."""

    @property
    def turns(self) -> Sequence[Turn]:
        """What the model did, in the words of every wire."""
        turns: Sequence[Turn] = self.answer.turns
        return turns

    @property
    def beside(self) -> Any:
        """The other answer of the same tokens, which this one must be like, if there is one."""
        return self.plain if self.complete is None else self.complete

    @property
    def calls(self) -> Iterator[Call]:
        """The calls of all turns."""
        return (call for turn in self.turns for call in turn.calls)

    @property
    def truncated(self) -> bool:
        """Whether any turn says that it was cut short."""
        return any(turn.ending == "limit" for turn in self.turns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One requirement on an answer."""

    id: str
    level: Level
    title: str
    why: str
    wrong: str
    right: str
    on: On
    profile: str
    """The servers it applies to: `openai` is all, else an implementation or a parser.

    An implementation's name may have a dash; the part before it counts too.
    """
    when: Callable[[Evidence], bool]
    check: Callable[[Evidence], Findings]
    yields_to: tuple[str, ...] = ()
    """Rules that report a fault instead, where theirs is at the same place; or `EVERY`."""
    in_either: bool = False
    """It compares two answers, and yields to what is wrong in either."""
    blame: Blamed = "server"
    """Whose fault it is where the rule is broken."""
    spec: str | None = None
    """Where a specification demands it."""
    sentence: str | None = None
    """What it says there, word for word."""
    since: str = FIRST
    """The version of the suite that had it first."""

    @property
    def area(self) -> str:
        """The first part of its id, which names its module."""
        return self.id.partition(".")[0]

    def applies(self, evidence: Evidence) -> bool:
        """Whether this answer is of the kind that the rule is about."""
        answered = evidence.answer.exchange.status == 200 and not evidence.expect.refused
        if not answered and self.on != "status":
            return False
        made = evidence.implementation or ""
        family = made.partition("-")[0]  # vllm-rust is held to what vLLM promises, too
        if self.profile not in (OPENAI, made, family, evidence.parser):
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
_PART = re.compile(r"^\s*(Why|Says|Wrong|Right): ", re.MULTILINE)


def always(evidence: Evidence) -> bool:
    """Apply to every answer."""
    return True


def has_calls(evidence: Evidence) -> bool:
    """Apply to answers that hold a call."""
    return any(evidence.calls)


def rule(
    id: str,
    level: Level,
    on: On = "any",
    when: Callable[[Evidence], bool] = always,
    *,
    profile: str = OPENAI,
    yields_to: tuple[str, ...] = (),
    in_either: bool = False,
    blame: Blamed | None = None,
    spec: str | None = None,
    since: str = FIRST,
) -> Callable[[Callable[[Evidence], Findings]], Callable[[Evidence], Findings]]:
    """Enter a generator of findings into the catalogue.

    Its docstring has a title and the parts `Why:`, `Wrong:` and `Right:`, and `Says:` with the
    specification's own words where there are such. Two things are set once for a module: `BLAME`
    says whose fault it is, `SPEC` where a specification demands it.
    """

    def enter(check: Callable[[Evidence], Findings]) -> Callable[[Evidence], Findings]:
        if not _ID.fullmatch(id) or id in RULES:
            raise ValueError(f"rule id {id!r} is malformed or taken")
        title, *rest = _PART.split(check.__doc__ or "")
        parts = {
            name: " ".join(text.split()) for name, text in zip(rest[::2], rest[1::2], strict=True)
        }
        if set(parts) - {"Says"} != {"Why", "Wrong", "Right"}:
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
            yields_to=yields_to,
            in_either=in_either,
            blame=blame or check.__globals__.get("BLAME", "server"),
            spec=spec or check.__globals__.get("SPEC"),
            sentence=parts.get("Says"),
            since=since,
        )
        return check

    return enter
