"""Faults in what says which call a delta belongs to: index, id, type, name."""

from __future__ import annotations

from conformance.base.jsonvalue import Json
from conformance.reference.chat.faults.registry import (
    by_call,
    choices,
    entries,
    fault,
    like,
    messages,
)


@fault("chunks", "chunk.name.once")
def name_twice(chunks: list[Json]) -> list[Json]:
    """Sends the name in every delta of a call.

    vLLM #14951; clients that join names get "get_weatherget_weather".
    """
    for call in by_call(chunks):
        for entry in call:
            entry["function"]["name"] = call[0]["function"]["name"]
    return chunks


@fault("chunks", "chunk.name.once")
def name_in_parts(chunks: list[Json]) -> list[Json]:
    """Sends the second half of a name in the next delta.

    openai-node, LiteLLM and openai-agents keep the last part, the AI SDK the first.
    """
    for first, second, *_ in by_call(chunks):
        name = first["function"]["name"]
        first["function"]["name"] = name[: len(name) // 2]
        second["function"]["name"] = name[len(name) // 2 :]
    return chunks


@fault("chunks", "chunk.first-delta.name")
def arguments_before_name(chunks: list[Json]) -> list[Json]:
    """Sends a call's name in its last delta.

    The AI SDK raises "Expected 'function.name' to be a string.".
    """
    for call in by_call(chunks):
        call[-1]["function"]["name"] = call[0]["function"].pop("name")
    return chunks


@fault("chunks", "chunk.id.once")
def id_changes(chunks: list[Json]) -> list[Json]:
    """Sends a new id in every delta of a call.

    LangChain makes a call of each delta, openai-python joins the ids.
    """
    for call in by_call(chunks):
        for number, entry in enumerate(call):
            entry["id"] = f"{call[0]['id'][:-5]}{number:05}"
    return chunks


@fault("chunks", "chunk.id.once")
def id_null(chunks: list[Json]) -> list[Json]:
    """Sends a null id in every delta of a call but the first.

    vLLM PR 38640: AI_TypeValidationError; Effect silently drops such a chunk.
    """
    for entry in entries(chunks):
        entry.setdefault("id", None)
    return chunks


@fault("chunks", "chunk.first-delta.id")
def id_never(chunks: list[Json]) -> list[Json]:
    """Sends no id.

    vLLM #18412; the AI SDK raises "Expected 'id' to be a string.", LiteLLM drops the call.
    """
    for entry in entries(chunks):
        entry.pop("id", None)
    return chunks


@fault("chunks", "id.unique")
def ids_alike(chunks: list[Json]) -> list[Json]:
    """Gives all calls of an answer one id.

    Mistral refuses the next turn: "Not the same number of function calls and responses".
    """
    calls = by_call(chunks)
    for call in calls:
        call[0]["id"] = calls[0][0]["id"]
    return chunks


@fault("chunks", "id.equiv-shape")
def ids_of_another_kind(chunks: list[Json]) -> list[Json]:
    """Makes other ids for a stream than for a complete answer.

    Two code paths that each make ids; a template accepts one kind and refuses the other.
    """
    for entry in entries(chunks):
        if "id" in entry:
            entry["id"] = f"chatcmpl-tool-{entry['id'].removeprefix('call_')}"
    return chunks


@fault("body", "id.format", format="mistral")
def ids_not_of_nine_signs(body: Json) -> Json:
    """Makes ids that the model's own template refuses.

    vLLM #9019 and #10821: the next turn fails, as Mistral's ids are nine letters and digits.
    """
    for message in messages(body):
        for call in message.get("tool_calls", ()):
            call["id"] = f"chatcmpl-tool-{call['id']}"
    return body


@fault("chunks", "chunk.first-delta.type")
def type_never(chunks: list[Json]) -> list[Json]:
    """Leaves the type of a call out.

    vLLM #16340; openai-node raises "tool call snapshot missing 'type'".
    """
    for entry in entries(chunks):
        entry.pop("type", None)
    return chunks


@fault("chunks", "chunk.type.not-null")
def type_null(chunks: list[Json]) -> list[Json]:
    """Sends a null type in every delta of a call but the first.

    A data model that writes all its fields; openai-python takes the null over and asserts on it.
    """
    for entry in entries(chunks):
        entry.setdefault("type", None)
    return chunks


@fault("chunks", "chunk.function.object")
def function_never(chunks: list[Json]) -> list[Json]:
    """Adds an entry with nothing but its index to the end of each call.

    LangChain raises AttributeError, openai-java "Tool call chunk missing function.".
    """
    last = {id(call[-1]): call[-1]["index"] for call in by_call(chunks)}
    bent: list[Json] = []
    for chunk in chunks:
        bent.append(chunk)
        for entry in entries([chunk]):
            if id(entry) in last:
                bent.append(like(chunk, {"tool_calls": [{"index": entry["index"]}]}))
    return bent


@fault("chunks", "chunk.index.present")
def index_never(chunks: list[Json]) -> list[Json]:
    """Leaves the index out.

    openai-python raises TypeError, LangChain splits one call into three.
    """
    for entry in entries(chunks):
        del entry["index"]
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


@fault("chunks", "chunk.index.contiguous")
def index_from_1(chunks: list[Json]) -> list[Json]:
    """Numbers calls from 1.

    A counter that is raised before it is used; openai-node reads the type of undefined.
    """
    for entry in entries(chunks):
        entry["index"] += 1
    return chunks


@fault("chunks", "chunk.index.sequential")
def calls_interleaved(chunks: list[Json]) -> list[Json]:
    """Sends the last delta of the first call after the header of the second.

    openai-python takes a call as finished when the next begins; LlamaIndex counts one call more.
    """
    places = [place for place, chunk in enumerate(chunks) if any(entries([chunk]))]
    second = next((p for p in places if next(entries([chunks[p]]))["index"] == 1), None)
    if second is not None:
        chunks[second - 1 : second + 1] = chunks[second], chunks[second - 1]
    return chunks


@fault("chunks", "chunk.index.unique-in-chunk")
def header_and_arguments_apart(chunks: list[Json]) -> list[Json]:
    """Sends a call's header and its first arguments as two entries of one chunk.

    vLLM 0.32.0; openai-python before 3 makes a phantom call of the second entry.
    """
    for first, second, *_ in by_call(chunks):
        for choice in choices(chunks):
            listed = choice["delta"].get("tool_calls", [])
            if listed and listed[0] is first:
                listed.append(second)
    taken = {id(call[1]) for call in by_call(chunks)}
    return [c for c in chunks if not any(id(entry) in taken for entry in list(entries([c]))[:1])]


@fault("chunks", "chunk.index.unique-at-end")
def last_brackets_apart(chunks: list[Json]) -> list[Json]:
    """Sends the last brackets of a call's arguments as a second entry of their chunk.

    vLLM 0.32.0 (mistral from v11); LangChain4j reads the first entry only.
    """
    last = {id(call[-1]) for call in by_call(chunks)}
    for choice in choices(chunks):
        listed = choice["delta"].get("tool_calls", [])
        for entry in [entry for entry in listed if id(entry) in last]:
            text = entry["function"]["arguments"]
            entry["function"]["arguments"] = text.rstrip("]}")
            brackets = text[len(text.rstrip("]}")) :]
            listed.append({"index": entry["index"], "function": {"arguments": brackets}})
    return chunks


@fault("chunks", "chunk.tool-calls.single-entry")
def two_calls_in_a_chunk(chunks: list[Json]) -> list[Json]:
    """Sends all calls, each whole, in one chunk.

    vLLM 0.32.0, where a delta has many tokens; LlamaIndex and LangChain4j read the first entry.
    """
    first: dict[int, Json] = {}
    bent: list[Json] = []
    for chunk in chunks:
        for choice in chunk["choices"]:
            here = first.get(choice["index"])
            if here is not None and choice["delta"].get("tool_calls"):
                _add(here["tool_calls"], choice["delta"]["tool_calls"])
                break
            if choice["delta"].get("tool_calls"):
                first[choice["index"]] = choice["delta"]
        else:
            bent.append(chunk)
    return bent


def _add(listed: list[Json], more: list[Json]) -> None:
    """Add entries to a list in which each call has one."""
    for entry in more:
        if "id" in entry:
            listed.append(entry)
        else:
            listed[-1]["function"]["arguments"] += entry["function"]["arguments"]


@fault("chunks", "chunk.tool-calls.not-empty", "text/no-call")
def empty_list_of_calls(chunks: list[Json]) -> list[Json]:
    """Sends an empty `tool_calls` beside text.

    Spring AI takes it for a turn of tools and swallows the text.
    """
    for choice in choices(chunks):
        if choice["delta"].get("content"):
            choice["delta"]["tool_calls"] = []
    return chunks


@fault("body", "msg.tool_calls-absent", "text/no-call")
def complete_empty_list_of_calls(body: Json) -> Json:
    """Writes an empty `tool_calls` into a complete answer without calls.

    Sent back as part of the conversation, it is refused by strict servers.
    """
    for message in messages(body):
        message.setdefault("tool_calls", [])
    return body


@fault("body", "msg.tool_call.shape")
def complete_type_never(body: Json) -> Json:
    """Leaves the type of each call out of a complete answer.

    pydantic-ai raises ValidationError, the AI SDK "Invalid JSON response".
    """
    for message in messages(body):
        for call in message.get("tool_calls", ()):
            del call["type"]
    return body


@fault("chunks", "id.place")
def id_in_the_function(chunks: list[Json]) -> list[Json]:
    """Writes an id into `function`, beside the one that belongs to the call.

    A model's own id for a call, handed on; a client that reads it answers a call nobody made.
    """
    for call in by_call(chunks):
        call[0]["function"]["id"] = "0"
    return chunks
