"""The envelope: what every chunk and every choice in it has."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.rules.rule import MUST, SHOULD, Evidence, Findings, rule
from conformance.terms.outcome import Finding
from conformance.wires.chat.answers import Chunk


def _chunks(evidence: Evidence) -> Iterator[Chunk]:
    return (chunk for chunk in evidence.answer.chunks if chunk.error is None)


def _in(chunk: Chunk, field: str, *, expected: str, actual: object) -> Finding:
    return Finding(
        where=f"chunk {chunk.number} {field}",
        expected=expected,
        actual=repr(actual)[:80],
        chunk=chunk.number,
    )


@rule("chunk.object", MUST, "stream")
def object_name(evidence: Evidence) -> Findings:
    """Every chunk says `"object": "chat.completion.chunk"`.

    Why: openai-python's stream helper drops chunks that do not, and then asserts.
    Wrong: {"object": "chat.completion", …}
    Right: {"object": "chat.completion.chunk", …}
    """
    for chunk in _chunks(evidence):
        if chunk.value.get("object") != "chat.completion.chunk":
            actual = chunk.value.get("object")
            yield _in(chunk, "object", expected="chat.completion.chunk", actual=actual)


@rule("chunk.required-fields", MUST, "stream")
def required_fields(evidence: Evidence) -> Findings:
    """Every chunk has a string id, an integer created and a string model.

    Why: the specification requires them, and openai-java throws where one is absent.
    Wrong: {"object": "chat.completion.chunk", "choices": []}
    Right: {"id": "chatcmpl-1", "created": 1700000000, "model": "m", …}
    """
    kinds = {"id": str, "created": int, "model": str}
    for chunk in _chunks(evidence):
        for field, kind in kinds.items():
            value = chunk.value.get(field)
            if type(value) is not kind:
                yield _in(chunk, field, expected=f"a value of type {kind.__name__}", actual=value)


@rule("chunk.id.constant", MUST, "stream")
def id_constant(evidence: Evidence) -> Findings:
    """All chunks of an answer have one id, and it is not empty.

    Why: openai-go refuses every chunk whose id differs from the first.
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
            yield _in(chunk, "id", expected=repr(first) if found else "not empty", actual=found)


def _constant(evidence: Evidence, field: str, kind: type) -> Findings:
    # chunk.required-fields owns a value of another type
    chunks = [chunk for chunk in _chunks(evidence) if type(chunk.value.get(field)) is kind]
    for chunk in chunks:
        found, first = chunk.value[field], chunks[0].value[field]
        if found != first:
            yield _in(chunk, field, expected=repr(first)[:80], actual=found)


@rule("chunk.created.constant", SHOULD, "stream")
def created_constant(evidence: Evidence) -> Findings:
    """All chunks of an answer have one `created`.

    Why: the specification says that each chunk has the same timestamp; logs are ordered by it.
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
            yield _in(
                chunk,
                "choices",
                expected="an array",
                actual=chunk.value.get("choices", "absent"),
            )


@rule("chunk.choice.required", MUST, "stream")
def choice_required(evidence: Evidence) -> Findings:
    """Every choice has an integer index, an object delta and a finish_reason key.

    Why: openai-python raises on a null delta or an absent index; LangChain loses finish_reason;
        the specification requires all three.
    Wrong: {"index": 0, "delta": null, "finish_reason": "stop"}
    Right: {"index": 0, "delta": {}, "finish_reason": "stop"}
    """
    for chunk in _chunks(evidence):
        listed = chunk.value.get("choices")
        for place, choice in enumerate(listed if isinstance(listed, list) else []):
            where = f"choices[{place}]"
            if not isinstance(choice, dict):
                yield _in(chunk, where, expected="an object", actual=choice)
                continue
            if type(choice.get("index")) is not int:
                yield _in(
                    chunk,
                    f"{where}.index",
                    expected="an integer",
                    actual=choice.get("index", "absent"),
                )
            if not isinstance(choice.get("delta"), dict):
                yield _in(
                    chunk,
                    f"{where}.delta",
                    expected="an object",
                    actual=choice.get("delta", "absent"),
                )
            if "finish_reason" not in choice:
                yield _in(
                    chunk,
                    f"{where}.finish_reason",
                    expected="null until the end",
                    actual="absent",
                )


@rule("choice.index.range", MUST, "any")
def choice_range(evidence: Evidence) -> Findings:
    """Choices are numbered 0 to n-1 and first appear in that order.

    Why: openai-python raises IndexError when the first chunk is not of choice 0, and who asked for
        n answers reads n.
    Wrong: n is 2, and the first chunk has index 1
    Right: index 0 first, then 1
    """
    wanted = list(range(evidence.request.get("n") or 1))
    seen = list(dict.fromkeys(_indexes(evidence)))
    # finish.present owns an answer without any choice
    if seen and seen != wanted and not evidence.answer.damaged:
        yield Finding(where="choices", expected=f"indexes {wanted}", actual=f"{seen}")


def _indexes(evidence: Evidence) -> Iterator[int]:
    if evidence.answer.stream is None:
        yield from (choice.index for choice in evidence.choices)
    for chunk in _chunks(evidence):
        for _, choice in chunk.choices:
            if type(choice.get("index")) is int:
                yield choice["index"]


@rule("chunk.choice.unique", MUST, "stream")
def choice_unique(evidence: Evidence) -> Findings:
    """A chunk has a choice once.

    Why: clients of one choice read choices[0] of each chunk and lose the second; openai-python
        builds a choice too many where it is the first chunk.
    Wrong: "choices": [{"index": 0, …}, {"index": 0, …}]
    Right: "choices": [{"index": 0, …}]
    """
    for chunk in _chunks(evidence):
        seen: set[int] = set()
        for place, choice in chunk.choices:
            index = choice.get("index")
            if type(index) is not int:
                continue  # chunk.choice.required
            if index in seen:
                yield _in(
                    chunk,
                    f"choices[{place}].index",
                    expected="a choice of its own",
                    actual=index,
                )
            seen.add(index)


@rule("chunk.content.string", MUST, "stream")
def content_string(evidence: Evidence) -> Findings:
    """The text in a delta is a string or null.

    Why: clients join it; openai-python and LangChain raise on a list or an object.
    Wrong: {"delta": {"content": {"text": "Hi"}}}
    Right: {"delta": {"content": "Hi"}}
    """
    for choice in evidence.choices:
        for number, delta in choice.deltas:
            if not isinstance(delta.get("content"), str | None):
                yield Finding(
                    where=f"chunk {number} choice {choice.index} delta.content",
                    expected="a string or null",
                    actual=repr(delta["content"])[:80],
                    chunk=number,
                )


@rule("chunk.unknown-fields", MUST, "stream")
def unknown_fields(evidence: Evidence) -> Findings:
    """A list of objects that comes in several deltas has an index in each object.

    Why: openai-python merges lists of any name, and raises "Expected list delta entry to have an
        'index' key".
    Wrong: {"delta": {"steps": [{"text": "a"}]}}, then {"delta": {"steps": [{"text": "b"}]}}
    Right: {"delta": {"steps": [{"index": 0, "text": "a"}]}}, or a string
    """
    for choice in evidence.choices:
        seen: set[str] = set()
        for number, delta in choice.deltas:
            for field, value in delta.items():
                if field in ("tool_calls", "content") or not isinstance(value, list):
                    continue  # chunk.index.present and chunk.content.string
                objects = [item for item in value if isinstance(item, dict)]
                if field in seen and any(type(item.get("index")) is not int for item in objects):
                    yield Finding(
                        where=f"chunk {number} choice {choice.index} delta.{field}",
                        expected="objects with an index",
                        actual=repr(value)[:80],
                        chunk=number,
                    )
                if objects:
                    seen.add(field)


@rule("chunk.role.once", MUST, "stream")
def role_once(evidence: Evidence) -> Findings:
    """The role is `assistant`, in a choice's first chunk and in no other.

    Why: openai-python joins repeated roles to "assistantassistant"; without a role openai-node
        raises and LangChain.js loses all calls.
    Wrong: {"delta": {"role": "assistant", "content": "a"}} in every chunk
    Right: {"delta": {"role": "assistant", "content": ""}} first, no role afterwards
    """
    for choice in evidence.choices:
        for place, (number, delta) in enumerate(choice.deltas):
            role = delta.get("role")
            if role is None and place == 0 and evidence.answer.damaged:
                continue  # the role may have been in what could not be read
            expected = "'assistant'" if place == 0 else "no role"
            if role != ("assistant" if place == 0 else None):
                yield Finding(
                    where=f"chunk {number} choice {choice.index} delta.role",
                    expected=expected,
                    actual=repr(role),
                    chunk=number,
                )
