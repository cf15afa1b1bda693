"""Faults in calls: their index, id, name and arguments, and how many there are."""

from __future__ import annotations

import copy

from conformance.model import Json
from conformance.reference.faults.registry import entries, fault, finishes


def _without_call(chunks: list[Json], index: int) -> list[Json]:
    return [chunk for chunk in chunks if all(e["index"] != index for e in entries([chunk]))]


@fault("chunks", "chunk.name.once")
def name_twice(chunks: list[Json]) -> list[Json]:
    """Sends the name in every delta of a call.

    vLLM #14951; clients that join names get "get_weatherget_weather".
    """
    name = ""
    for entry in entries(chunks):
        name = entry["function"].setdefault("name", name)
    return chunks


@fault("chunks", "chunk.id.once")
def id_changes(chunks: list[Json]) -> list[Json]:
    """Sends a new id in every delta of a call.

    LangChain makes a call of each delta, openai-python joins the ids.
    """
    id = ""
    for number, entry in enumerate(entries(chunks)):
        id = entry.get("id", id)
        entry["id"] = f"{id[:-5]}{number:05}"
    return chunks


@fault("chunks", "chunk.index.stable")
def index_always_0(chunks: list[Json]) -> list[Json]:
    """Sends all calls at index 0.

    openai-python and most others make one call of them, with both names and both arguments.
    """
    for entry in entries(chunks):
        entry["index"] = 0
    return chunks


@fault("chunks", "chunk.index.contiguous")
def index_gap(chunks: list[Json]) -> list[Json]:
    """Leaves out index 1.

    openai-python raises IndexError, openai-go makes a phantom call.
    """
    for entry in entries(chunks):
        entry["index"] += entry["index"] > 0
    return chunks


@fault("chunks", "id.equiv-shape")
def ids_of_another_kind(chunks: list[Json]) -> list[Json]:
    """Makes other ids for a stream than for a complete answer.

    Two code paths, each with a maker of ids; a template accepts the one and refuses the other.
    """
    for entry in entries(chunks):
        if "id" in entry:
            entry["id"] = f"chatcmpl-tool-{entry['id'].removeprefix('call_')}"
    return chunks


@fault("chunks", "finish.truncated-args")
def cut_arguments_closed(chunks: list[Json]) -> list[Json]:
    """Closes the arguments of a call that was cut short.

    A parser that repairs JSON in order to compare it, and sends what it has repaired.
    """
    reasons = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    for entry in list(entries(chunks))[-1:] if "length" in reasons else []:
        entry["function"]["arguments"] += '"}'
    return chunks


@fault("chunks", "args.json")
def last_brace_lost(chunks: list[Json]) -> list[Json]:
    """Drops the last brace of every call's arguments.

    The oldest bug of streaming parsers: what closes the arguments also closes the call.
    """
    last = {entry["index"]: entry for entry in entries(chunks)}
    for entry in last.values():
        function = entry["function"]
        function["arguments"] = function["arguments"].removesuffix("}")
    return chunks


@fault("chunks", "chunk.first-delta.name")
def arguments_before_name(chunks: list[Json]) -> list[Json]:
    """Sends a call's name in its last delta.

    The AI SDK raises "Expected 'function.name' to be a string.".
    """
    first: dict[int, Json] = {}
    last: dict[int, Json] = {}
    for entry in entries(chunks):
        first.setdefault(entry["index"], entry)
        last[entry["index"]] = entry
    for index, entry in first.items():
        last[index]["function"]["name"] = entry["function"].pop("name")
    return chunks


@fault("chunks", "args.empty-object")
def empty_arguments_as_nothing(chunks: list[Json]) -> list[Json]:
    """Sends `""` where a call's arguments are `{}`.

    Code that asks whether there are arguments, and means whether they are true; the AI SDK never
    emits such a call.
    """
    texts: dict[int, str] = {}
    for entry in entries(chunks):
        texts[entry["index"]] = texts.get(entry["index"], "") + entry["function"]["arguments"]
    for entry in entries(chunks):
        if texts[entry["index"]] == "{}":
            entry["function"]["arguments"] = ""
    return chunks


@fault("chunks", "said.calls")
def second_call_lost(chunks: list[Json]) -> list[Json]:
    """Sends the first call only.

    A parser that stops at the first closing mark.
    """
    return _without_call(chunks, 1)


@fault("chunks", "said.calls")
def second_call_merged(chunks: list[Json]) -> list[Json]:
    """Sends the second call's arguments as more of the first's.

    A parser that has missed where a call begins.
    """
    for entry in entries(chunks):
        if entry["index"] == 1:
            entry["index"] = 0
            for key in ("id", "type"):
                entry.pop(key, None)
            entry["function"].pop("name", None)
    return chunks


@fault("chunks", "choice.required")
def all_calls_lost(chunks: list[Json]) -> list[Json]:
    """Sends no call, and ends by `stop`.

    A parser that takes nothing but its own format for a call, where a grammar made another.
    """
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        if choice["finish_reason"] == "tool_calls":
            choice["finish_reason"] = "stop"
    return [chunk for chunk in chunks if not any(entries([chunk]))]


@fault("chunks", "choice.named")
def name_shortened(chunks: list[Json]) -> list[Json]:
    """Leaves the last word of a tool's name out.

    A name that is looked up by its beginning calls the wrong one of two tools.
    """
    for entry in entries(chunks):
        if "name" in entry["function"]:
            name = entry["function"]["name"]
            entry["function"]["name"] = name.rpartition("_")[0] or name
    return chunks


@fault("chunks", "parallel.false")
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


@fault("chunks", "choice.none")
def call_from_nowhere(chunks: list[Json]) -> list[Json]:
    """Adds a call to an answer in words.

    A parser that runs although no tool may be called.
    """
    end = next(place for place, chunk in enumerate(chunks) if finishes(chunk))
    if any(entries(chunks)):
        return chunks
    function = {"name": "get_time", "arguments": "{}"}
    entry = {"index": 0, "id": "aB3dE6gH9", "type": "function", "function": function}
    choice = {**chunks[0]["choices"][0], "delta": {"tool_calls": [entry]}}
    return [*chunks[:end], {**chunks[0], "choices": [choice]}, *chunks[end:]]


@fault("body", "said.calls")
def complete_call_lost(body: Json) -> Json:
    """Leaves the last of several calls out of the complete answer.

    A pattern that needs something behind each call.
    """
    for choice in body["choices"]:
        if len(choice["message"].get("tool_calls", ())) > 1:
            choice["message"]["tool_calls"].pop()
    return body
