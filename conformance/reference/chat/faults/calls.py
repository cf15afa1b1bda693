"""Faults in which calls there are."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

from conformance.base.jsonvalue import Json
from conformance.formats.stream import Header
from conformance.reference.chat.faults.registry import (
    choices,
    entries,
    fault,
    finishes,
    like,
    messages,
)
from conformance.reference.reply import Reply


@fault("chunks", "said.calls")
def second_call_lost(chunks: list[Json]) -> list[Json]:
    """Sends the first call only.

    A parser that stops at the first closing mark.
    """
    return [chunk for chunk in chunks if all(e["index"] == 0 for e in entries([chunk]))]


@fault("chunks", "said.calls")
def second_call_merged(chunks: list[Json]) -> list[Json]:
    """Sends the second call's arguments as more of the first's.

    A parser that has missed where a call begins.
    """
    for entry in entries(chunks):
        if entry["index"] == 1:
            for key in ("id", "type"):
                entry.pop(key, None)
            entry["function"].pop("name", None)
        entry["index"] = max(0, entry["index"] - 1)
    return chunks


@fault("body", "said.calls")
def complete_call_lost(body: Json) -> Json:
    """Leaves the last of several calls out of the complete answer.

    A pattern that needs something after each call.
    """
    for message in messages(body):
        if len(message.get("tool_calls", ())) > 1:
            message["tool_calls"].pop()
    return body


@fault("body", "said.calls", "parallel/two-tools")
def complete_calls_turned_round(body: Json) -> Json:
    """Gives the calls of a complete answer in the opposite order.

    A parser that searches from the end; an agent then acts before it has looked.
    """
    for message in messages(body):
        message.get("tool_calls", []).reverse()
    return body


@fault("chunks", "equiv.calls", "limits/call-cut")
def cut_call_withheld(chunks: list[Json]) -> list[Json]:
    """Sends nothing of a call that was cut short, though the complete answer has it.

    vLLM #47137: how much of a cut call a client gets depends on how it asked.
    """
    if not any(choice["finish_reason"] == "length" for choice in choices(chunks)):
        return chunks
    return [chunk for chunk in chunks if not any(entries([chunk]))]


@fault("body", "said.calls", "cuts/in-the-second-call")
def whole_call_thrown_away(body: Json) -> Json:
    """Gives no call in a complete answer that a limit cut, not even those that were whole.

    vLLM 0.32.0 with Hermes: one call that does not parse, and the answer has none.
    """
    for choice in body["choices"]:
        if choice["finish_reason"] == "length":
            choice["message"].pop("tool_calls", None)
    return body


@fault("chunks", "choice.required", "choice/required")
def all_calls_lost(chunks: list[Json]) -> list[Json]:
    """Sends no call, and ends by `stop`.

    A parser that takes only its own format for a call, where a grammar made another.
    """
    for choice in choices(chunks):
        if choice["finish_reason"] == "tool_calls":
            choice["finish_reason"] = "stop"
    return [chunk for chunk in chunks if not any(entries([chunk]))]


def renamed(reply: Reply, name_of: Callable[[str], str]) -> Reply:
    """Give every call another name."""
    return replace(
        reply,
        groups=tuple(
            tuple(
                replace(event, name=name_of(event.name)) if isinstance(event, Header) else event
                for event in group
            )
            for group in reply.groups
        ),
    )


@fault("reply", "choice.named", "choice/named")
def name_shortened(reply: Reply) -> Reply:
    """Leaves the last word of a tool's name out.

    A lookup of names by their beginning calls the wrong one of two tools.
    """
    return renamed(reply, lambda name: name.rpartition("_")[0] or name)


@fault("chunks", "parallel.false", "choice/one-at-a-time")
def last_call_doubled(chunks: list[Json]) -> list[Json]:
    """Sends the last call twice, the second time with an index and an id of its own.

    A parser that flushes at the end what it has already sent.
    """
    last = max((entry["index"] for entry in entries(chunks)), default=None)
    own = [chunk for chunk in chunks if any(e["index"] == last for e in entries([chunk]))]
    again = copy.deepcopy(own)
    for entry in entries(again):
        entry["index"] += 1
        if "id" in entry:
            entry["id"] = entry["id"][::-1]
    end = next(place for place, chunk in enumerate(chunks) if finishes(chunk))
    return [*chunks[:end], *again, *chunks[end:]]


@fault("chunks", "choice.none", "choice/none")
def call_from_nowhere(chunks: list[Json]) -> list[Json]:
    """Adds a call to an answer in words.

    A parser that runs although no tool may be called.
    """
    if any(entries(chunks)):
        return chunks
    function = {"name": "get_time", "arguments": "{}"}
    entry = {"index": 0, "id": "aB3dE6gH9", "type": "function", "function": function}
    end = next(place for place, chunk in enumerate(chunks) if finishes(chunk))
    return [*chunks[:end], like(chunks[0], {"tool_calls": [entry]}), *chunks[end:]]


@fault("reply", "choice.offered", "choice/required")
def tool_of_its_own(reply: Reply) -> Reply:
    """Calls a tool that the request does not offer.

    A server that forces a call by a tool of its own, and shows it; "Tool not found".
    """
    return renamed(reply, lambda name: "final_answer")
