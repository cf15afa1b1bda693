"""What an engine is to the suite: something that serves models, and can be started here.

An engine is a folder beside this file whose package has an `ENGINE`; see `registry`. Nothing
outside that folder names it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from conformance.base.jsonvalue import Json
from conformance.engines.process import Process, Report
from conformance.terms.server import Server, Target

Get = Callable[[str], Json | None]
"""Get a JSON document of a server by its path; `None` if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOption:
    """The option that chooses which release of an engine is started."""

    name: str
    """`--vllm`."""
    metavar: str
    usual: Callable[[Target | None], str]
    """Gives the release that is started where nobody chooses one."""
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One more option of an engine: which of a few ways it is started in."""

    name: str
    choices: Sequence[str]
    default: str
    help: str
    """`%(default)s` stands for the default."""


Settings = Mapping[str, str]
"""What was chosen of an engine's switches, by their names."""


@dataclass(slots=True, kw_only=True)
class Launched:
    """A server that is up."""

    url: str
    """Up to `/v1`."""
    model: str
    log: Path
    template: str | None
    """`NAME sha256:HEX`; None if the tokenizer has its own."""
    packages: Mapping[str, str]
    """Versions of the packages that decide how it behaves."""
    process: Process
    version: str | None = None
    """Its release, where that is known better than the server says."""

    @property
    def process_id(self) -> int:
        """The server's process id, which is its process group's too."""
        return self.process.id

    def alive(self) -> bool:
        """Report whether the server still runs."""
        return self.process.code() is None

    def tail(self, lines: int = 20) -> str:
        """Read the last lines of the log."""
        return self.process.tail(lines)

    def stop(self) -> None:
        """End the server and all its children; a second time does nothing."""
        self.process.stop()


class Engine(Protocol):
    """All that the suite asks of an engine."""

    @property
    def name(self) -> str:
        """Its name in targets and results, which is its folder's."""

    @property
    def title(self) -> str:
        """Its name in sentences."""

    @property
    def emission(self) -> str:
        """Where the answers of what it starts come from, unless the model has real weights."""

    @property
    def release(self) -> ReleaseOption:
        """The option that chooses a release of it."""

    @property
    def switches(self) -> Sequence[Switch]:
        """More options of its own, in the order in which they are listed."""

    @property
    def options(self) -> frozenset[str]:
        """The options of `--launch` that it takes; others are refused for its targets."""

    @property
    def tokenizers(self) -> frozenset[str]:
        """The kinds of `tokenizer` that its targets may have."""

    def provision(self, release: str, *, settings: Settings, report: Report) -> None:
        """Make a release ready, if it is not; raises LaunchProblem."""

    def start(
        self,
        target: Target,
        *,
        release: str,
        settings: Settings,
        folder: Path,
        report: Report,
        timeout: float = 600,
        template: str | None = None,
    ) -> Launched:
        """Start a target's server on a release, and wait until it serves; raises LaunchProblem.

        `folder` takes the log; `template` is used instead of the target's.
        """

    def suppose(
        self,
        *,
        model: str,
        parser: str,
        format: str,
        emission: str,
        render_path: str,
        version: str | None = None,
    ) -> Server:
        """Describe a server of this engine that is not started, as able to do all it may.

        `render_path` is where a wire looks first for the prompt of a request.
        """

    def recognise(self, get: Get) -> tuple[str, str] | None:
        """Give the implementation and version of a running server, if it is one of this engine's.

        The implementation is the engine's name, or begins with that and a dash where the engine has
        several programs that answer.
        """


def settings_in(engine: Engine, words: Sequence[str]) -> Settings:
    """Read an engine's switches from the words of a command line, where others stand too."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for switch in engine.switches:
        parser.add_argument(switch.name, dest=switch.name, default=switch.default)
    settings: dict[str, str] = vars(parser.parse_known_args(words)[0])
    return settings
