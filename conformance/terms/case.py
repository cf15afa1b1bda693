"""A case: a conversation, the tools, what the model says next, and what must come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from conformance.base.jsonvalue import Json
from conformance.terms.asked import NO_OPTIONS, Options
from conformance.terms.said import Call, Script, Utterance


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One way to ask for a case: complete or streamed, and how the text is cut."""

    name: str
    stream: bool
    cut: str = "tokens"
    """`tokens`, `characters` or `pieces:SEED`; see `conformance.replay`."""
    interval: int | None = None
    """Tokens per delta, where the server can be asked."""
    stop: int | None = None
    """Characters of a stop string that never matches, which delays text after its tokens."""
    steps: int | None = None
    """The seed of how many tokens the engine says in each step, where a script can say that."""
    drafts: int | None = None
    """Tokens of the script that the engine guesses ahead in each step, where it speculates."""


COMPLETE = Mode(name="complete", stream=False)
STREAM = Mode(name="stream", stream=True)
CHARACTERS = Mode(name="stream-characters", stream=True, cut="characters")
PROMPT = Mode(name="prompt", stream=False)
"""The model says nothing; the chat template's prompt is read."""


Ending = Literal["finished", "called", "limit", "stopped", "filtered", "unknown"]
"""Why an answer ends: complete, with calls, or cut by a limit, a stop string or a filter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a case says about the answer; what is `None` is not judged.

    Derived from the case's utterances, or written where the answer is unusual.
    """

    calls: tuple[Call, ...] | None = None
    content: str | None = None
    """The text outside calls; compared without outer whitespace."""
    ending: tuple[Ending, ...] | None = None
    """Any one of these."""
    refused: bool = False
    """The request makes no sense, so it gets an error instead of an answer."""
    answerable: bool = False
    """Of a request that is to be refused: no sentence says that a server must see its mistake."""
    keeps: tuple[str, ...] = ()
    """Words that reach the client somewhere: in the text, in a name or in arguments."""
    finished: tuple[Call, ...] = ()
    """Calls that were whole before a limit cut the answer. What follows them may arrive or not."""
    broken: bool = False
    """The model's own arguments are not a JSON object, so a call may have them as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """The round after the answer: what the tools give, and what the model says then."""

    results: tuple[str, ...]
    """Of the calls of the answer, in order."""
    says: tuple[Utterance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One scenario: a conversation, the tools, and what the model says next."""

    id: str
    about: str
    why: str | None = None
    path: Path
    line: int
    messages: tuple[Json, ...]
    tools: tuple[Json, ...] = ()
    """OpenAI tool objects."""
    options: Options = NO_OPTIONS
    wire: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """A wire's name to fields that it alone has; they override all others in its requests."""
    says: tuple[Utterance, ...] | None = None
    """What the model says, in any format. `None` if `raw` spells it out, or if it is not asked."""
    raw: Mapping[str, Script] = field(default_factory=dict)
    """Format name to script, for output that is broken or odd."""
    expect: Expectation = Expectation()
    omits: Mapping[str, str] = field(default_factory=dict)
    """Formats or modes in which the case makes no sense, each with the reason."""
    cut_after: str | None = None
    """What the model says last before the limit of tokens cuts it short."""
    sampled: bool = True
    """A real model can be expected to give this answer."""
    modes: tuple[Mode, ...] = ()
    """More modes in which the case is asked, beside those of the run."""
    echo: Echo | None = None
    """The server's own answer is sent back with these results."""
