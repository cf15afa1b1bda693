"""The catalogue of faults, and what the faults of several areas need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

from conformance.base.jsonvalue import Json
from conformance.reference.fault import USUAL, Fault

FAULTS: dict[str, Fault] = {}
"""Every fault by its name."""

Part = Literal[
    "request", "reply", "chunks", "body", "wire", "response", "refusal", "turn", "prompt"
]

TWO_CALLS = "text/before-two-calls"
"""The case in which most faults show."""


def fault(part: Part, owner: str, *cases: str, format: str = USUAL) -> Callable[[Any], Any]:
    """Enter into the registry a function that bends one part of an answer."""

    def enter(bend: Any) -> Any:
        name = bend.__name__.replace("_", "-")
        about = " ".join((bend.__doc__ or "").split())
        bends: dict[str, Any] = {part: bend}
        FAULTS[name] = Fault(
            name=name,
            about=about,
            owner=owner,
            cases=cases or (TWO_CALLS,),
            format=format,
            **bends,
        )
        return bend

    return enter


def choices(chunks: list[Json]) -> Iterator[Json]:
    """Give every choice of every chunk."""
    for chunk in chunks:
        yield from chunk["choices"]


def entries(chunks: list[Json]) -> Iterator[Json]:
    """Give every entry of every `tool_calls` list."""
    for choice in choices(chunks):
        yield from choice["delta"].get("tool_calls", ())


def by_call(chunks: list[Json]) -> list[list[Json]]:
    """Give the entries of each call."""
    found: dict[tuple[int, int], list[Json]] = {}
    for choice in choices(chunks):
        for entry in choice["delta"].get("tool_calls", ()):
            found.setdefault((choice["index"], entry["index"]), []).append(entry)
    return list(found.values())


def finishes(chunk: Json) -> bool:
    """Whether a chunk ends a choice."""
    return any(choice["finish_reason"] for choice in chunk["choices"])


def like(chunk: Json, delta: Json) -> Json:
    """Make a chunk like another, with a delta of its own, that ends nothing."""
    choice = {**chunk["choices"][0], "delta": delta, "finish_reason": None}
    return {**chunk, "choices": [choice]}


def messages(body: Json) -> Iterator[Json]:
    """Give the message of every choice of a complete answer."""
    return (choice["message"] for choice in body["choices"])
