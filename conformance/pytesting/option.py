"""One option: how it is added, read, and written into the command that repeats a run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from conformance.client.budget import BudgetProblem
from conformance.engines.target import TargetProblem
from conformance.pytesting import exits
from conformance.terms.server import Target


class Way(StrEnum):
    """How a run gets its answers; the value is the option that says so."""

    URL = "--server-url"
    LAUNCH = "--launch"
    REFERENCE = "--reference"
    TAPES = "--tapes"


EVERY_WAY = tuple(Way)
LIVE = (Way.URL, Way.LAUNCH, Way.REFERENCE)
"""Ways by which a server is asked."""


class OptionProblem(Exception):
    """A value that an option cannot have; the message follows the option's name."""


def as_it_is(value: Any) -> Any:
    """Read a value as itself."""
    return value


def joined(name: str, value: Any) -> list[str]:
    """Write an option and its value as one word: pytest takes a path that stands alone for a test.

    The words of a repeat command are quoted for a shell.
    """
    return [shlex.quote(f"{name}={value}")]


def apart(name: str, value: Any) -> list[str]:
    """Write an option and its value, or each of its values, as two words."""
    values = value if isinstance(value, tuple) else (value,)
    return [word for one in values for word in (name, shlex.quote(str(one)))]


def alone(name: str, value: Any) -> list[str]:
    """Write a switch."""
    return [name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A row of the table of options."""

    name: str
    help: str
    """`%(default)s` and `%(choices)s` stand for those."""
    metavar: str | None = None
    """`None` for a switch."""
    default: Any = None
    type: Callable[[str], Any] | None = None
    choices: Sequence[str] | None = None
    many: bool = False
    """It may be given several times."""
    environment: str | None = None
    """A variable that takes its place, where it means something."""
    attribute: str = ""
    """Its name in `Options`; its own name if left out."""
    read: Callable[[Any], Any] = as_it_is
    """Gives what `Options` holds; raises OptionProblem."""
    usual: Callable[[Target | None], Any] | None = None
    """The default where it depends on the target that is launched."""
    ways: tuple[Way, ...] = EVERY_WAY
    """Where it means something."""
    refused: Mapping[Way, str] = field(default_factory=dict)
    """Where it is an error, and in what words; elsewhere it is left unused."""
    repeat: Callable[[str, Any], list[str]] | None = None
    """Writes it into the command that repeats a run, unless it has its default."""

    @property
    def key(self) -> str:
        """What its value is called in `Options`."""
        return self.attribute or self.name.removeprefix("--").replace("-", "_")

    @property
    def is_switch(self) -> bool:
        """Whether it takes no value."""
        return self.metavar is None

    def add(self, add: Callable[..., object]) -> None:
        """Add it to pytest's; plain strings and numbers, so that workers can be given them."""
        if self.is_switch:
            add(self.name, action="store_true", help=self.help)
            return
        more = {"type": self.type, "choices": self.choices}
        add(
            self.name,
            metavar=self.metavar,
            action="append" if self.many else "store",
            default=[] if self.many else self.default,
            help=self.help,
            **{key: value for key, value in more.items() if value is not None},
        )

    def is_given(self, value: Any) -> bool:
        """Whether the command line has it."""
        return bool(value) if self.many or self.is_switch else value != self.default

    def value(
        self, given: Any, way: Way, environment: Mapping[str, str], launched: Target | None = None
    ) -> Any:
        """Give what `Options` holds; raises `pytest.UsageError`."""
        if self.environment and way in self.ways and not (given and self.is_given(given)):
            text = environment.get(self.environment)
            given = self._typed(text) if text else self.default
        if self.usual is not None and given is None:
            given = self.usual(launched)
        try:
            return None if given is None else self.read(given)
        except (OptionProblem, BudgetProblem, TargetProblem) as problem:
            raise exits.refusal(f"{self.name}: {problem}") from None

    def _typed(self, text: str) -> Any:
        """Read the text of a variable as pytest reads that of an option."""
        try:
            return text if self.type is None else self.type(text)
        except ValueError as problem:
            raise exits.refusal(f"{self.environment}: {problem}") from None

    def standard(self, launched: Target | None) -> Any:
        """Give the value that it has where nobody gives it."""
        if self.is_switch:
            return False
        return self.usual(launched) if self.usual is not None else self.default

    def words(self, value: Any, way: Way, launched: Target | None) -> list[str]:
        """Write it into the command that repeats a run: nothing where it has its default."""
        unsaid = value is None or value == self.standard(launched)
        if self.repeat is None or way not in self.ways or unsaid:
            return []
        return self.repeat(self.name, value)
