"""Answers in which two rules find the same fault, beyond the samples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from conformance.base.jsonvalue import Json
from conformance.rules import Evidence
from conformance.terms.case import Expectation
from conformance.terms.said import Call, Text
from tests.evidence import PARIS, TOOLS, evidence, exchange

ENVELOPE = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
NAMED = {"type": "function", "function": {"name": "get_weather"}}
USAGE = {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6}
COUNTED: Json = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}


def events(choices: Sequence[Json], *more: Mapping[str, Json]) -> bytes:
    """Write a stream of one choice, and chunks after it."""
    chunks = [{**ENVELOPE, "choices": [{"index": 0, "finish_reason": None, **c}]} for c in choices]
    written = [*(json.dumps(one) for one in [*chunks, *({**ENVELOPE, **one} for one in more)])]
    return "".join(f"data: {one}\n\n" for one in [*written, "[DONE]"]).encode()


def call(*parts: str, name: str = "get_weather") -> list[Json]:
    """Write the deltas of a call."""
    first = {"index": 0, "id": "call_1", "type": "function"}
    texts = [{"index": 0, "function": {"arguments": part}} for part in parts]
    entries: list[Json] = [{**first, "function": {"name": name}}, *texts]
    return [{"delta": {"tool_calls": [entry]}} for entry in entries]


def text(said: str) -> Json:
    """Write a delta of text."""
    return {"delta": {"content": said}}


def end(reason: str) -> Json:
    """Write the last delta."""
    return {"delta": {}, "finish_reason": reason}


def document(
    *calls: Call, content: str | None = None, reason: str = "tool_calls", **more: Json
) -> bytes:
    """Write a complete answer."""
    listed = [
        {"id": "c", "type": "function", "function": {"name": one.name, "arguments": one.arguments}}
        for one in calls
    ]
    message = {"role": "assistant", "content": content} | ({"tool_calls": listed} if listed else {})
    choice = {"index": 0, "message": {**message, **more}, "finish_reason": reason}
    body = {**ENVELOPE, "object": "chat.completion", "choices": [choice], "usage": USAGE}
    return json.dumps(body).encode()


RIGHT = document(PARIS)


def judged(
    body: bytes,
    says: Sequence[Text | Call] | None = (PARIS,),
    *,
    complete: bytes | None = None,
    options: Json = None,
    **expect: tuple[str, ...],
) -> Evidence:
    """Put a stream together with what is known of it."""
    found = exchange(body, stream=True, options=options)
    made = evidence(found, says=says, complete=complete)
    return replace(made, expect=Expectation(**expect)) if expect else made  # type: ignore[arg-type]


def meetings() -> Iterator[Evidence]:
    """Give every such answer."""
    yield from _in_calls()
    yield from _in_text_and_reasons()
    yield from _in_what_is_swallowed()
    yield from _in_counts()


def _in_calls() -> Iterator[Evidence]:
    lost = ['{"city": "Pa\ufffd"}', "}"]
    leak = ['{"city": "Paris"}', "</tool_call>"]
    yield judged(events([*call(*lost), end("tool_calls")]))
    yield judged(events([*call(lost[0]), end("tool_calls")]))
    yield judged(events([*call(lost[0]), end("tool_calls")]), None, complete=RIGHT)
    yield judged(events([*call(*leak), end("tool_calls")]))
    for parts in (lost, leak):
        for says in (None, (PARIS,)):
            yield judged(events([*call(*parts), end("length")]), says, complete=RIGHT)
    whole = Expectation(ending=("limit",), finished=(PARIS,))
    for parts in (['{"city": "Paris"}', "{}"], ['{"city": "Pa"}']):
        yield replace(judged(events([*call(*parts), end("length")])), expect=whole)
    both = [PARIS, replace(PARIS, arguments="{}")]
    yield judged(events([*call('{"city": "Paris"}', "{}"), end("tool_calls")]), both)


def _in_text_and_reasons() -> Iterator[Evidence]:
    said: list[Text | Call] = [Text(text="I will look."), PARIS]
    whole = call('{"city":', ' "Paris"}')
    yield judged(events([text("I will\ufffd look."), *whole, end("tool_calls")]), said)
    between = [*whole[:2], text("Hm\ufffd."), whole[2], end("tool_calls")]
    yield judged(events(between), [Text(text="Hm."), PARIS])
    hi = [Text(text="Hi")]
    yield judged(events([text("Hi</tool_call>"), end("stop")]), hi)
    stopped = judged(events([text("Hi END"), end("stop")]), hi, options={"stop": "END"})
    yield replace(stopped, expect=Expectation(calls=(), content="Hi"))
    yield judged(events([text("Hi"), end("tool_calls"), end("tool_calls")]), hi)
    withheld = [*whole, end("content_filter"), end("content_filter")]
    yield judged(events(withheld), options={"tool_choice": NAMED, "tools": TOOLS})
    yield judged(events([*whole, end("stop"), end("length")]), None, complete=RIGHT)


def _in_what_is_swallowed() -> Iterator[Evidence]:
    right = events([*call('{"city": "Paris"}'), end("tool_calls")])
    for complete in (
        document(content="x", reason="stop"),
        document(replace(PARIS, arguments="{}")),
        document(PARIS, reason="stop"),
        document(PARIS, reasoning="Hm."),
    ):
        yield judged(right, None, complete=complete, keeps=("Oslo",))


def _in_counts() -> Iterator[Evidence]:
    hi, said = [text("Hi"), end("stop")], [Text(text="Hi")]
    complete = document(content="Hi", reason="stop")
    fewer = {**USAGE, "completion_tokens": 4, "total_tokens": 5}
    last = {"choices": [], "usage": fewer}
    asked = {"stream_options": {"include_usage": True}}
    yield judged(events(hi, {"choices": []}), said, options=asked)
    counted = events([{**hi[0], "token_ids": [1, 2, 3]}, hi[1]], last)
    yield judged(counted, said, complete=complete, options=COUNTED)
    so_far = [{"choices": [{"index": 0, **hi[0], "finish_reason": None}], "usage": USAGE}]
    yield judged(events(hi[1:], *so_far, last), said, complete=complete, options=COUNTED)
    logprobs = {"logprobs": {"content": [{"token": "Hi", "logprob": 0}]}}
    scored = [{**hi[0], **logprobs, "token_ids": [1, 2, 3]}, hi[1]]
    usage = {"choices": [], "usage": USAGE}
    yield judged(events(scored, usage), None, options={**asked, "logprobs": True})
    second = {"choices": [{"index": 1, **scored[0], "finish_reason": "stop"}]}
    yield judged(events(hi, second, usage), None, options={**asked, "logprobs": True, "n": 2})
