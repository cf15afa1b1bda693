"""What a request asks for beside its conversation, in the words of every wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from conformance.base.jsonvalue import Json


@dataclass(frozen=True, slots=True)
class Named:
    """The choice of one tool: the model must call it."""

    name: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """The choice of some of the tools, which the model may call, or must call one of."""

    names: tuple[str, ...]
    required: bool = False


Choice = Literal["auto", "none", "required"] | Named | Allowed
"""Whether the model calls a tool: as it likes, not at all, some tool, or one that is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a case asks for; `None` where it leaves the wire its default."""

    choice: Choice | None = None
    parallel: bool | None = None
    """Whether an answer may have several calls."""
    limit: int | None = None
    """Of tokens in the answer."""
    stop: str | tuple[str, ...] | None = None
    """Texts that end the answer, and are not in it."""
    answers: int | None = None
    """How many are asked for at once."""
    seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None

    @property
    def may_cut(self) -> bool:
        """Whether these options may end an answer before all is said."""
        return self.limit is not None or self.stop is not None

    @property
    def forces(self) -> bool:
        """Whether the model has to call, or can call only some of the tools."""
        return self.choice not in (None, "auto", "none")

    def for_next_turn(self) -> Options:
        """Leave out what would keep the model from going on after its call."""
        return replace(self, choice=None, limit=None, stop=None)


NO_OPTIONS = Options()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, as it can be said on any wire."""

    messages: tuple[Json, ...] = ()
    """The conversation, as a case writes it."""
    tools: tuple[Json, ...] = ()
    """The tools that are offered, as a case writes them."""
    options: Options = NO_OPTIONS
    ignores_end: bool = False
    """Whether the model goes on after its own end."""

    @property
    def choice(self) -> Choice:
        """The choice, with the default of every wire: the model's, if there are tools."""
        return self.options.choice or ("auto" if self.tools else "none")


def read_options(spec: Mapping[str, Json]) -> Options:
    """Read the `options` of a case file, which its schema has allowed."""
    values = dict(spec)
    choice, stop = values.get("choice"), values.get("stop")
    if isinstance(choice, dict):
        values["choice"] = (
            Named(choice["name"])
            if "name" in choice
            else Allowed(tuple(choice["allowed"]), required=choice.get("required", False))
        )
    if isinstance(stop, list):
        values["stop"] = tuple(stop)
    return Options(**values)
