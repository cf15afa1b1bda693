"""Faults in what surrounds the deltas: the chunk, the choice, the role."""

from __future__ import annotations

from conformance.base.jsonvalue import Json
from conformance.reference.chat.faults.registry import choices, fault, finishes, messages


@fault("chunks", "chunk.object")
def object_of_another_kind(chunks: list[Json]) -> list[Json]:
    """Calls every chunk a `chat.completion`.

    openai-python's stream helper drops such chunks, and then asserts.
    """
    for chunk in chunks:
        chunk["object"] = "chat.completion"
    return chunks


@fault("chunks", "chunk.required-fields")
def created_with_a_fraction(chunks: list[Json]) -> list[Json]:
    """Writes the time with a fraction.

    The clock's own number; typed clients such as openai-java read an integer there.
    """
    for chunk in chunks:
        chunk["created"] += 0.5
    return chunks


@fault("chunks", "chunk.id.constant")
def id_of_each_chunk(chunks: list[Json]) -> list[Json]:
    """Gives every chunk an id of its own.

    openai-go refuses each one but the first.
    """
    for number, chunk in enumerate(chunks):
        chunk["id"] += f"-{number}"
    return chunks


@fault("chunks", "chunk.created.constant")
def clock_goes_on(chunks: list[Json]) -> list[Json]:
    """Writes the time of each chunk into it.

    The specification says that all chunks have the same timestamp.
    """
    for number, chunk in enumerate(chunks):
        chunk["created"] += number
    return chunks


@fault("chunks", "chunk.model.constant")
def model_changes(chunks: list[Json]) -> list[Json]:
    """Names the model by its path in the last chunk.

    LangChain and openai-agents record the name, and look its price up.
    """
    chunks[-1]["model"] = f"/models/{chunks[-1]['model']}"
    return chunks


@fault("chunks", "chunk.choices.array", "text/usage-asked")
def choices_null(chunks: list[Json]) -> list[Json]:
    """Writes null for the choices of the chunk with the usage.

    openai-node raises "chunk.choices is not iterable", openai-python TypeError.
    """
    for chunk in chunks:
        chunk["choices"] = chunk["choices"] or None
    return chunks


@fault("chunks", "chunk.choice.required")
def delta_null(chunks: list[Json]) -> list[Json]:
    """Writes null for the delta of the chunk with the finish_reason.

    openai-python raises AttributeError, LangChain loses the finish_reason.
    """
    for chunk in filter(finishes, chunks):
        for choice in chunk["choices"]:
            choice["delta"] = None
    return chunks


@fault("chunks", "choice.index.range", "limits/two-choices")
def choices_from_1(chunks: list[Json]) -> list[Json]:
    """Numbers choices from 1.

    openai-python raises IndexError when the first chunk is not of choice 0.
    """
    for choice in choices(chunks):
        choice["index"] += 1
    return chunks


@fault("chunks", "chunk.role.once")
def role_in_every_chunk(chunks: list[Json]) -> list[Json]:
    """Sends the role in every delta.

    openai-python joins them to "assistantassistantassistant".
    """
    for choice in choices(chunks):
        choice["delta"]["role"] = "assistant"
    return chunks


@fault("chunks", "chunk.role.once")
def role_never(chunks: list[Json]) -> list[Json]:
    """Sends no role.

    openai-node raises "missing role for choice 0", LangChain.js loses all calls.
    """
    for choice in choices(chunks):
        choice["delta"].pop("role", None)
    return chunks


@fault("chunks", "chunk.unknown-fields")
def list_of_its_own(chunks: list[Json]) -> list[Json]:
    """Adds a list of objects without an index to every delta.

    A field of the server's own, as gateways add; openai-python joins lists by index and raises.
    """
    for choice in choices(chunks):
        choice["delta"]["notes"] = [{"text": "as I heard it"}]
    return chunks


@fault("body", "msg.required")
def complete_role_never(body: Json) -> Json:
    """Leaves the role out of a complete answer.

    Typed clients, openai-node's and zod's among them, demand it.
    """
    for message in messages(body):
        del message["role"]
    return body


@fault("chunks", "chunk.choice.unique")
def choice_twice_in_a_chunk(chunks: list[Json]) -> list[Json]:
    """Puts an empty delta of the same choice into each chunk.

    A server joined two deltas to one chunk; openai-python makes a second choice of it.
    """
    for chunk in chunks:
        chunk["choices"] += [
            {**choice, "delta": {}, "finish_reason": None} for choice in chunk["choices"]
        ]
    return chunks


@fault("chunks", "usage.empty-choices")
def chunk_of_nothing(chunks: list[Json]) -> list[Json]:
    """Sends a chunk without choices in the middle of the stream.

    Azure's first chunk is such a one; code that reads choices[0] raises IndexError.
    """
    return [chunks[0], {**chunks[0], "choices": []}, *chunks[1:]]


@fault("body", "msg.nullable-keys")
def complete_refusal_never(body: Json) -> Json:
    """Leaves `refusal` out of a complete answer.

    The specification requires the key; types generated from it may require it, too.
    """
    for message in messages(body):
        del message["refusal"]
    return body


@fault("body", "content.refusal")
def complete_refusal_false(body: Json) -> Json:
    """Writes false where nothing was refused.

    openai-go and openai-java read text or null there, and fail.
    """
    for message in messages(body):
        message["refusal"] = False
    return body


@fault("body", "choice.index.range", "limits/two-choices")
def complete_choice_lost(body: Json) -> Json:
    """Leaves the last of several choices out of a complete answer.

    A client that asked for n answers, to take the best or to vote, reads n.
    """
    if len(body["choices"]) > 1:
        body["choices"].pop()
    return body
