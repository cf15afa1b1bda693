"""A target that can be started, and a server as the suite sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conformance.base.jsonvalue import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A kind of server that the suite can start: a file in `targets/` or a user's own."""

    name: str
    about: str
    path: Path
    engine: str
    """What serves it: a folder in `engines/`."""
    parser: str
    format: str
    tokenizer: Mapping[str, Json]
    """How to build the weightless model's tokenizer; see `conformance.engines.vllm.model_folder`.

    Of the kind `gguf`: which real model to serve; see `conformance.engines.vllm.weights`.
    """
    template: str | None = None
    """File name in the `examples` folder of that vLLM version; `None` for the tokenizer's own."""
    arguments: tuple[str, ...] = ()
    """More arguments for the server."""

    @property
    def is_real(self) -> bool:
        """Whether the model has weights: then it answers freely, without a script."""
        return bool(self.tokenizer["kind"] == "gguf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What was found out about a model that says again what stands in its prompt."""

    distances: Mapping[str, int]
    """The role of the last message to how many tokens before that message's end the model looks."""
    marks: Mapping[str, int]
    """The marks of the format to the tokens that each is in the model's vocabulary."""


ANSWER_TOKENS = 1024
"""Default limit of tokens for a sampled answer; an endless one would fill the context."""


DRAFTS = 3
"""Tokens that an engine guesses ahead where it speculates; one step then yields up to one more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A live server as the suite sees it: facts from its answers, and facts from the user."""

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
    emission: str = "sampled"
    """Where its answers come from: the name of a file in `runs/emissions`."""
    takes_interval: bool = False
    """The request has a field for tokens per delta."""
    takes_steps: bool = False
    """A script may say how many tokens each delta has."""
    takes_drafts: bool = False
    """It speculates: a script may say how many tokens are guessed ahead, up to `DRAFTS`."""
    render_path: str | None = None
    """Where the server shows the tokens of the prompt that it makes of a request."""
    shows_token_ids: bool = False
    """It shows the tokens of a sampled answer, and gives their text exactly."""
    copies: Copies | None = None
    """Where a copying model looks; `None` for any other."""
    answer_tokens: int = ANSWER_TOKENS
    """Tokens that a sampled answer may have, unless the case has a limit."""
