"""What the user asked for."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from conformance.base.statistics import REQUIRED_RATE
from conformance.client import access
from conformance.client.access import Access, AccessProblem, Header
from conformance.client.budget import Budget
from conformance.client.sender import CONCURRENCY
from conformance.engines import target, vllm
from conformance.reference import Variant
from conformance.terms.outcome import Level
from conformance.terms.server import ANSWER_TOKENS, Target

FEW = 16
"""Requests at once to a real model on a CPU. A step reads the prompts of all that are new, and of
many more it takes longer than a stream may be silent.
"""
SHORT = 256
"""Tokens for an answer of a small model on a CPU: what it says in more, it says again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user asked for."""

    server_url: str | None
    launch: Target | None
    reference: bool
    variants: tuple[Variant, ...]
    fault: str | None
    vllm: str
    parser: str
    format: str | None
    template: str | None
    model: str | None
    emission: str
    concurrency: int
    repeat_sampled: int
    room: int
    require_calls: float | None
    cuts: str
    level: Level
    known: tuple[Path, ...]
    no_known: bool
    baseline: Path | None
    results: Path
    launch_timeout: float
    timeout: float
    patience: float
    headers: tuple[Header, ...]
    ca_file: Path | None
    record: Path | None
    tapes: Path | None
    budget: Budget | None

    def access(self) -> Access:
        """Give what every request needs, read anew; raises `pytest.UsageError`."""
        try:
            believed = access.authority(self.ca_file) if self.ca_file else None
        except AccessProblem as problem:
            raise pytest.UsageError(str(problem)) from None
        key = os.environ.get("CONFORMANCE_API_KEY")
        return Access(api_key=key, headers=self.headers, authority=believed)

    @property
    def required_rate(self) -> float:
        """The rate of wanted calls on whose one side a sampled item's must clearly be."""
        return REQUIRED_RATE if self.require_calls is None else self.require_calls

    @property
    def via(self) -> str:
        """Say how the server is reached."""
        return "launch" if self.launch else "reference" if self.reference else "server-url"

    @property
    def recipe(self) -> str:
        """Write the options that reach such a server again, without the address of this one."""
        if self.server_url is None:
            return self.repeat
        return self.repeat.replace(shlex.quote(self.server_url), '"$URL"', 1)

    @property
    def repeat(self) -> str:
        """Write the options that reach this server again.

        Those that may be paths are joined by `=`: pytest takes a path that stands alone for a test.
        """
        words: list[str] = []
        if self.launch is not None:
            shipped = self.launch.path.parent == target.FOLDER
            words += [f"--launch={self.launch.name if shipped else self.launch.path}"]
            if self.vllm != vllm.DEFAULT_VLLM:
                words += [f"--vllm={self.vllm}"]
        elif self.reference:
            words += ["--reference", "--parser", self.parser]
            words += [word for variant in self.variants for word in ("--variant", variant)]
        elif self.tapes is not None:
            words += [f"--tapes={self.tapes}"]
        else:
            words += ["--server-url", self.server_url or "", "--parser", self.parser]
        for name, value in (
            ("--format", self.format),
            ("--fault", self.fault),
            ("--model", self.model),
            ("--template", self.template),
            ("--emission", None if self.emission == "auto" else self.emission),
            ("--cuts", None if self.cuts == "default" else self.cuts),
            ("--repeat", None if self.repeat_sampled == 1 else str(self.repeat_sampled)),
            ("--max-tokens", None if self.room == usual_room(self.launch) else str(self.room)),
        ):
            if value is not None:
                words.append(f"{name}={value}")
        shown = [header.shown for header in self.headers]
        authority = [] if self.ca_file is None else [shlex.quote(f"--ca-file={self.ca_file}")]
        return " ".join([shlex.join(words), *shown, *authority])


def usual_concurrency(launched: Target | None) -> int:
    """Say how many requests at once are usual."""
    return FEW if launched is not None and launched.is_real else CONCURRENCY


def usual_room(launched: Target | None) -> int:
    """Say how many tokens for a sampled answer are usual."""
    return SHORT if launched is not None and launched.is_real else ANSWER_TOKENS
