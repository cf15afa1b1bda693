"""The words of the suite as data: cases, modes, targets, exchanges, findings, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from conformance.base.jsonvalue import Json
from conformance.base.sse import Read


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One tool call: what the model said, or what a client was given."""

    name: str
    arguments: str
    """JSON text."""
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Plain text that the model says."""

    text: str


Utterance = Text | Call
"""What the model says, in order, before a format gives it a shape."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of a script.

    `text` is ordinary text.
    `marker` is one token where the model's vocabulary has it, ordinary text elsewhere.
    `control` is one token; a vocabulary without it cannot say the script.
    """

    kind: Literal["text", "marker", "control"]
    text: str


Script = tuple[Piece, ...]
"""The exact text that a model is made to say."""


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
    """Characters of a stop string that never matches, which makes text lag behind its tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a case says about the answer; what is `None` is not judged.

    Derived from the case's utterances, or written where the answer is unusual.
    """

    calls: tuple[Call, ...] | None = None
    content: str | None = None
    """The text outside calls; compared without outer whitespace."""
    finish_reason: tuple[str, ...] | None = None
    """Any one of these."""
    refused: bool = False
    """The request makes no sense, so there is no answer, but an error."""
    keeps: tuple[str, ...] = ()
    """Words that reach the client somewhere: in the text, in a name or in arguments."""
    broken: bool = False
    """The model's own arguments are no JSON object, so a call may have them as they are."""


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
    options: Mapping[str, Json] = field(default_factory=dict)
    """Other fields of the request: `tool_choice`, `max_tokens`, `stop` …"""
    body: Mapping[str, Json] = field(default_factory=dict)
    """Fields of a request that is to be refused, put over all others as they are."""
    says: tuple[Utterance, ...] | None = None
    """What the model says, in any format. `None` if `raw` spells it out, or if it is not asked."""
    raw: Mapping[str, Script] = field(default_factory=dict)
    """Format name to script, for output that is broken or odd."""
    expect: Expectation = Expectation()
    omits: Mapping[str, str] = field(default_factory=dict)
    """Format or mode in which the case says nothing, to the reason."""
    cut_after: str | None = None
    """What the model says last before the limit of tokens cuts it short."""
    sampled: bool = True
    """A real model can be asked this with hope of the same answer."""
    modes: tuple[Mode, ...] = ()
    """In which the case is asked beside those of the run."""
    echo: Echo | None = None
    """The server's own answer is sent back with these results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A kind of server that the suite can start: a file in `targets/` or a user's own."""

    name: str
    about: str
    path: Path
    parser: str
    format: str
    tokenizer: Mapping[str, Json]
    """How to build the weightless model's tokenizer; see `conformance.launch.model_folder`.

    Of the kind `gguf`: which real model to serve; see `conformance.launch.weights`.
    """
    template: str | None = None
    """File name in the `examples` folder of that vLLM version; `None` for the tokenizer's own."""
    arguments: tuple[str, ...] = ()
    """More arguments for the server."""

    @property
    def is_real(self) -> bool:
        """Whether the model has weights, and so a will of its own, and no script."""
        return bool(self.tokenizer["kind"] == "gguf")


ROOM = 1024
"""Tokens for a sampled answer, where nobody says how many; without an end it fills the context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A live server as the suite sees it: facts that were asked, and facts that were told."""

    url: str
    """Up to `/v1`, without a slash at the end."""
    model: str
    implementation: str
    version: str | None
    parser: str
    format: str
    template: str | None = None
    """`NAME sha256:HEX` or None if unknown."""
    packages: Mapping[str, str] = field(default_factory=dict)
    emission: Literal["scripted", "sampled"] = "sampled"
    intervals: bool = False
    """The request has a field for tokens per delta."""
    grammar: bool = False
    """A grammar may bind what the model says: a script must be heard before it is trusted."""
    prompts: str | None = None
    """Where the server shows the tokens of the prompt that it makes of a request."""
    tokens: bool = False
    """It shows the tokens of a sampled answer, and tells their text to the letter."""
    room: int = ROOM
    """Tokens that a sampled answer may have, where a case says nothing."""

    @property
    def id(self) -> str:
        """Say what is tested, not how it was reached."""
        parser = self.format if self.format.startswith(self.parser) else self.parser
        return "-".join(filter(None, (self.implementation, self.version, parser)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and everything that came back, as raw bytes."""

    request: Json
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    reads: tuple[Read, ...] = ()
    error: str | None = None
    """Why there is no whole answer: refused, timed out, cut, too large, 429, 502, 503 …"""
    seconds: float = 0.0

    @property
    def body(self) -> bytes:
        """All bytes of the body."""
        return b"".join(read.data for read in self.reads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a chat template made of a conversation, as the server reads it back."""

    text: str
    """What the model is given, in order to go on as the assistant."""
    bare: str | None = None
    """The same without the generation prompt, where the server can be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientView:
    """What a client library made of an answer."""

    client: str
    """Name and version."""
    calls: tuple[tuple[Call, ...], ...] = ()
    """For each choice."""
    content: tuple[str, ...] = ()
    error: str | None = None
    """What it raised instead."""
    unread: str | None = None
    """Why it was not given the answer."""


class Level(StrEnum):
    """How much a rule demands."""

    MUST = "must"
    SHOULD = "should"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule broken at a place."""

    where: str
    """Stable words: `chunk 4 choices[0].delta.tool_calls[0].function.name`."""
    expected: str
    actual: str
    chunk: int | None = None
    """Number of the offending event, from 0."""


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A rule's word that the answer does not let it decide, and why."""

    reason: str


class Outcome(StrEnum):
    """What became of a rule in an item, or of an item."""

    PASS = "pass"
    FAIL = "fail"
    KNOWN = "known"
    STALE = "stale"
    INCONCLUSIVE = "inconclusive"
    NA = "n/a"
    ERROR = "error"
