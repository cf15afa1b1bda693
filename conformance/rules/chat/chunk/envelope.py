"""The envelope: what every chunk and every choice in it has."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.rules.rule import MUST, SHOULD, Evidence, Findings, rule
from conformance.terms.outcome import brief
from conformance.wires.chat.choices import Chunk

BLAME = "server"
SPEC = "https://platform.openai.com/docs/api-reference/chat-streaming"


def _chunks(evidence: Evidence) -> Iterator[Chunk]:
    return (chunk for chunk in evidence.answer.chunks if chunk.error is None)


@rule("chunk.object", MUST, "stream")
def object_name(evidence: Evidence) -> Findings:
    """Every chunk says `"object": "chat.completion.chunk"`.

    Why: openai-python's stream helper drops chunks that do not, and then asserts.
    Says: The object type, which is always `chat.completion.chunk`.
    Wrong: {"object": "chat.completion", …}
    Right: {"object": "chat.completion.chunk", …}
    """
    for chunk in _chunks(evidence):
        if chunk.value.get("object") != "chat.completion.chunk":
            actual = chunk.value.get("object")
            yield chunk.finding("object", expected="chat.completion.chunk", actual=brief(actual))


@rule("chunk.required-fields", MUST, "stream")
def required_fields(evidence: Evidence) -> Findings:
    """Every chunk has a string id, an integer created and a string model.

    Why: the specification requires them, and openai-java throws where one is absent.
    Says: A unique identifier for the chat completion. Each chunk has the same ID.
    Wrong: {"object": "chat.completion.chunk", "choices": []}
    Right: {"id": "chatcmpl-1", "created": 1700000000, "model": "m", …}
    """
    kinds = {"id": str, "created": int, "model": str}
    for chunk in _chunks(evidence):
        for field, kind in kinds.items():
            value = chunk.value.get(field)
            if type(value) is not kind:
                yield chunk.finding(
                    field, expected=f"a value of type {kind.__name__}", actual=brief(value)
                )


@rule("chunk.id.constant", MUST, "stream")
def id_constant(evidence: Evidence) -> Findings:
    """All chunks of an answer have one id, and it is not empty.

    Why: openai-go refuses every chunk whose id differs from the first.
    Says: A unique identifier for the chat completion. Each chunk has the same ID.
    Wrong: chatcmpl-1, then chatcmpl-2
    Right: chatcmpl-1 throughout
    """
    first: str | None = None
    for chunk in _chunks(evidence):
        found = chunk.value.get("id")
        if not isinstance(found, str):
            continue
        first = found if first is None else first
        if not found or found != first:
            yield chunk.finding(
                "id", expected=repr(first) if found else "not empty", actual=brief(found)
            )


def _constant(evidence: Evidence, field: str, kind: type) -> Findings:
    # Values of another type cannot be compared.
    chunks = [chunk for chunk in _chunks(evidence) if type(chunk.value.get(field)) is kind]
    for chunk in chunks:
        found, first = chunk.value[field], chunks[0].value[field]
        if found != first:
            yield chunk.finding(field, expected=brief(first), actual=brief(found))


@rule("chunk.created.constant", SHOULD, "stream")
def created_constant(evidence: Evidence) -> Findings:
    """All chunks of an answer have one `created`.

    Why: the specification says that each chunk has the same timestamp; logs are ordered by it.
    Says: Each chunk has the same timestamp.
    Wrong: 1700000000, then 1700000001
    Right: 1700000000 throughout
    """
    yield from _constant(evidence, "created", int)


@rule("chunk.model.constant", SHOULD, "stream")
def model_constant(evidence: Evidence) -> Findings:
    """All chunks of an answer name one model.

    Why: LangChain and openai-agents record it, and prices are looked up by it.
    Wrong: "qwen", then "/models/qwen"
    Right: "qwen" throughout
    """
    yield from _constant(evidence, "model", str)


@rule("chunk.choices.array", MUST, "stream")
def choices_array(evidence: Evidence) -> Findings:
    """`choices` is an array in every chunk, the usage chunk included.

    Why: openai-python raises TypeError, openai-node "chunk.choices is not iterable".
    Wrong: {"usage": {…}, "choices": null}
    Right: {"usage": {…}, "choices": []}
    """
    for chunk in _chunks(evidence):
        if not isinstance(chunk.value.get("choices"), list):
            yield chunk.finding(
                "choices", expected="an array", actual=brief(chunk.value.get("choices", "absent"))
            )


@rule(
    "chunk.choice.required",
    MUST,
    "stream",
    spec="https://github.com/openai/openai-openapi/blob/master/openapi.yaml",
)
def choice_required(evidence: Evidence) -> Findings:
    """Every choice has an integer index, an object delta and a finish_reason key.

    Why: openai-python raises on a null delta or an absent index; LangChain loses finish_reason. An
        absent finish_reason breaks no client that was run, but the schema of the specification,
        from which others are generated, requires all three.
    Says: required: [delta, finish_reason, index]
    Wrong: {"index": 0, "delta": null, "finish_reason": "stop"}
    Right: {"index": 0, "delta": {}, "finish_reason": "stop"}
    """
    for chunk in _chunks(evidence):
        listed = chunk.value.get("choices")
        for place, choice in enumerate(listed if isinstance(listed, list) else []):
            where = f"choices[{place}]"
            if not isinstance(choice, dict):
                yield chunk.finding(where, expected="an object", actual=brief(choice))
                continue
            if type(choice.get("index")) is not int:
                yield chunk.finding(
                    f"{where}.index",
                    expected="an integer",
                    actual=brief(choice.get("index", "absent")),
                )
            if not isinstance(choice.get("delta"), dict):
                yield chunk.finding(
                    f"{where}.delta",
                    expected="an object",
                    actual=brief(choice.get("delta", "absent")),
                )
            if "finish_reason" not in choice:
                yield chunk.finding(
                    f"{where}.finish_reason", expected="null until the end", actual="'absent'"
                )


@rule("chunk.choice.unique", MUST, "stream")
def choice_unique(evidence: Evidence) -> Findings:
    """A chunk has a choice once.

    Why: clients of one choice read choices[0] of each chunk and lose the second; openai-python
        builds one choice too many where it is the first chunk.
    Wrong: "choices": [{"index": 0, …}, {"index": 0, …}]
    Right: "choices": [{"index": 0, …}]
    """
    for chunk in _chunks(evidence):
        seen: set[int] = set()
        for place, choice in chunk.choices:
            index = choice.get("index")
            if type(index) is not int:
                continue  # there is no index to know it by
            if index in seen:
                yield chunk.finding(
                    f"choices[{place}].index", expected="a choice of its own", actual=brief(index)
                )
            seen.add(index)
