"""The catalogue of faults, and what the faults of several areas need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from conformance.model import Json
from conformance.reference.fault import Fault

FAULTS: dict[str, Fault] = {}
"""Every fault by its name."""

Part = Literal["chunks", "body", "wire", "response", "refusal"]


def fault(part: Part, owner: str) -> Callable[[Any], Any]:
    """Enter a function that bends one part of an answer into the registry."""

    def enter(bend: Any) -> Any:
        name = bend.__name__.replace("_", "-")
        about = " ".join((bend.__doc__ or "").split())
        bends: dict[str, Any] = {part: bend}
        FAULTS[name] = Fault(name=name, about=about, owner=owner, **bends)
        return bend

    return enter


def entries(chunks: list[Json]) -> Iterator[Json]:
    """Give every entry of every `tool_calls` list."""
    for chunk in chunks:
        for choice in chunk["choices"]:
            yield from choice["delta"].get("tool_calls", ())


def finishes(chunk: Json) -> bool:
    """Whether a chunk ends a choice."""
    return any(choice["finish_reason"] for choice in chunk["choices"])
