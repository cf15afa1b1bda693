"""What an answer costs to judge grows with its size and no faster.

Eight times the answer may take sixteen times the CPU time, which no cost that grows with the square
of the size keeps to. A disturbed measurement is taken again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from benchmarks.judge import END, KINDS, ROLE, body, call, chunk, more
from conformance.base.jsonvalue import Json
from conformance.commands import judged_file
from conformance.commands.judged_file import Basis
from conformance.formats import FORMATS
from conformance.terms.exchange import ClientView, Exchange
from conformance.wires.chat import client

SIZE = 1_500
TIMES = 8
ALLOWED = 2 * TIMES


def without_an_id(count: int) -> bytes:
    entry = {"index": 0, "type": "function", "function": {"name": "f", "arguments": " "}}
    return body([ROLE, chunk({"tool_calls": [entry]}), *[chunk(more(" "))] * count, END])


def white_space_after_the_arguments(count: int) -> bytes:
    return body([ROLE, chunk(call(0, "{}")), *[chunk(more(" " * 50))] * count, END])


def calls_in_one_chunk(count: int) -> bytes:
    entries = [call(index // 2, "{}")["tool_calls"][0] for index in range(4 * count)]
    return body([ROLE, chunk({"tool_calls": entries}), END])


def markup_at_the_end(count: int) -> bytes:
    return body([ROLE, *[chunk({"content": "a" * 50})] * count, chunk({"content": "<tool_call>"})])


def names_again_and_again(count: int) -> bytes:
    return body([ROLE, *[chunk(call(0, ""))] * count, END])


def lines_without_a_blank_one(count: int) -> bytes:
    return b"data: {}\n" * 8 * count


def heads_before_the_answer(count: int) -> bytes:
    return b"HTTP/1.1 100 Continue\n\n" * 20 * count + b"data: [DONE]\n\n"


def brackets_in_brackets(count: int) -> bytes:
    return b'data: {"a": ' + b"[" * 50 * count + b"\n\n"


def quotes_without_an_end(count: int) -> bytes:
    return b'data: {"a": "' + b'\\"' * 50 * count + b"[" * 500 + b"\n\n"


def complete_calls(count: int) -> bytes:
    calls = [call(index, "{}")["tool_calls"][0] for index in range(4 * count)]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    document = {**chunk({}), "object": "chat.completion", "choices": [choice]}
    return json.dumps(document).encode()


def streamed(kind: Callable[[int], list[Json]]) -> Callable[[int], bytes]:
    return lambda count: body(kind(count))


ANSWERS = {kind.__name__: streamed(kind) for kind in KINDS} | {
    kind.__name__: kind
    for kind in (
        without_an_id,
        white_space_after_the_arguments,
        calls_in_one_chunk,
        markup_at_the_end,
        names_again_and_again,
        lines_without_a_blank_one,
        heads_before_the_answer,
        brackets_in_brackets,
        quotes_without_an_end,
        complete_calls,
    )
}


def seconds(data: bytes) -> float:
    began = time.process_time()
    found = judged_file.judge("it", data, Basis(format=FORMATS["hermes"]))
    taken = time.process_time() - began
    assert found.outcome != "error", found.reason
    return taken


@pytest.mark.slow
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_the_cost_of_judging_is_linear_in_the_size(
    answer: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(exchange: Exchange) -> ClientView:
        return ClientView(client="none", unread="its cost is its own")

    monkeypatch.setattr(client, "read", unread)
    small, large = answer(SIZE), answer(TIMES * SIZE)
    ratios = []
    for _ in range(5):
        ratios.append(seconds(large) / min(seconds(small) for _ in range(3)))
        if ratios[-1] < ALLOWED:
            break
    assert min(ratios) < ALLOWED
