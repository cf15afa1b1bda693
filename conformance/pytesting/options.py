"""What the user asked for."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.base.statistics import REQUIRED_RATE
from conformance.client import access
from conformance.client.access import Access, AccessProblem, Header
from conformance.client.budget import Budget
from conformance.engines.engine import Settings
from conformance.engines.registry import engine_of
from conformance.pytesting import exits
from conformance.pytesting.option import Option, Way
from conformance.pytesting.option_table import OPTIONS
from conformance.reference import Variant
from conformance.terms.outcome import Level
from conformance.terms.server import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user asked for."""

    server_url: str | None
    launch: Target | None
    reference: bool
    variants: tuple[Variant, ...]
    fault: str | None
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
    no_policies: bool
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
    more: Mapping[str, Any]
    """Options without a field here, such as those of one engine, by their names."""

    def access(self) -> Access:
        """Give what every request needs, read again; raises `pytest.UsageError`."""
        if self.way is not Way.URL:
            return Access()  # what is started here asks for no key, and must learn none
        try:
            believed = access.authority(self.ca_file) if self.ca_file else None
            key = access.key(os.environ)
        except AccessProblem as problem:
            raise exits.refusal(problem) from None
        return Access(api_key=key, headers=self.headers, authority=believed)

    @property
    def required_rate(self) -> float:
        """The rate of wanted calls that a sampled item is clearly above or below."""
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
        """Write the options that reach this server again."""
        return " ".join(
            word
            for option in OPTIONS
            for word in option.words(self.value_of(option), self.way, self.launch)
        )

    def value_of(self, option: Option) -> Any:
        """Give the value of an option."""
        return self.more[option.name] if option.name in self.more else getattr(self, option.key)

    @property
    def way(self) -> Way:
        """How the run gets its answers."""
        given = (Way.LAUNCH, self.launch), (Way.REFERENCE, self.reference), (Way.TAPES, self.tapes)
        return next((way for way, value in given if value), Way.URL)

    @property
    def settings(self) -> Settings:
        """What was chosen of the switches of the target's engine."""
        assert self.launch is not None
        return {one.name: self.more[one.name] for one in engine_of(self.launch).switches}

    @property
    def release(self) -> str:
        """Which release of the target's engine to start."""
        assert self.launch is not None
        release: str = self.more[engine_of(self.launch).release.name]
        return release
