"""Measures what judging a recorded stream costs, compared with reading its JSON.

The floor is `json.loads` of every event. Each kind of answer is judged at two sizes, to show a cost
that grows faster than the answer. The official SDK is measured separately; it does not get answers
beyond a limit, since it would take minutes.

    python benchmarks/judge.py --chunks 500000
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import pairwise

from conformance.base.jsonvalue import Json
from conformance.commands import answer_file, judged_file
from conformance.commands.judged_file import Basis
from conformance.wires.chat import client


def chunk(delta: Json, finish_reason: str | None = None, index: int = 0) -> Json:
    """Write a chunk as short as a conforming one can be."""
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    envelope = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**envelope, "choices": [choice]}


def call(index: int, arguments: str) -> Json:
    """Write the first delta of a call."""
    function = {"name": "f", "arguments": arguments}
    entry = {"index": index, "id": f"call_{index}", "type": "function", "function": function}
    return {"tool_calls": [entry]}


def more(arguments: str) -> Json:
    """Write a later delta of call 0."""
    return {"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]}


ROLE = chunk({"role": "assistant", "content": ""})
END = chunk({}, "tool_calls")


def text(count: int) -> list[Json]:
    """An answer in words."""
    return [ROLE, *[chunk({"content": "word "})] * count, chunk({}, "stop")]


def one_call(count: int) -> list[Json]:
    """One call with very long arguments."""
    parts = [chunk(more("word "))] * count
    return [ROLE, chunk(call(0, '{"a": "')), *parts, chunk(more('"}')), END]


def many_calls(count: int) -> list[Json]:
    """A call in every chunk."""
    return [ROLE, *(chunk(call(index, "{}")) for index in range(count)), END]


def merged_calls(count: int) -> list[Json]:
    """A new call in every chunk, all at index 0: a fault in every chunk."""
    calls = (call(index, "{}")["tool_calls"][0] for index in range(count))
    return [ROLE, *(chunk({"tool_calls": [{**entry, "index": 0}]}) for entry in calls), END]


def text_inside_calls(count: int) -> list[Json]:
    """Text between the deltas of one call's arguments, again and again."""
    return [ROLE, chunk(call(0, "{")), *[chunk({"content": "a"}), chunk(more(" "))] * (count // 2)]


def many_choices(count: int) -> list[Json]:
    """A choice of its own in every chunk."""
    return [chunk({"role": "assistant", "content": "a"}, "stop", index) for index in range(count)]


def empty_chunks(count: int) -> list[Json]:
    """Nothing in every chunk: the most faults in the fewest bytes."""
    return [{}] * count


def one_wide_chunk(count: int) -> list[Json]:
    """As many calls, all in one chunk, and nothing in them."""
    return [ROLE, chunk({"tool_calls": [{}] * count}), END]


KINDS: tuple[Callable[[int], list[Json]], ...] = (
    text,
    one_call,
    many_calls,
    merged_calls,
    text_inside_calls,
    many_choices,
    empty_chunks,
    one_wide_chunk,
)


def body(chunks: list[Json]) -> bytes:
    """Write chunks as server-sent events."""
    lines = (f"data: {json.dumps(one, separators=(',', ':'))}\n\n" for one in chunks)
    return ("".join(lines) + "data: [DONE]\n\n").encode()


def measure(data: bytes) -> tuple[float, float, float]:
    """Give the CPU seconds of `json.loads`, of judging without the SDK, and of the SDK."""
    began = time.process_time()
    for event in data.decode().split("\n\n")[:-2]:
        json.loads(event.removeprefix("data: "))
    loaded = time.process_time()
    client.read(answer_file.read(data))
    read = time.process_time()
    judged_file.judge("it", data, Basis())
    judged = time.process_time()
    return loaded - began, judged - read - (read - loaded), read - loaded


def main() -> None:
    """Print each pair of sizes and their ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--chunks", type=int, default=500_000)
    chosen = parser.parse_args()
    heads = f"{'loads s':>9}{'judge s':>9}{'ratio':>7}{'SDK s':>7}"
    print(f"{'answer':<19}{'chunks':>8}{'MB':>7}{heads}")
    for kind in KINDS:
        seconds = []
        for count in (chosen.chunks // 2, chosen.chunks):
            data = body(kind(count))
            floor, judged, client = measure(data)
            seconds.append(judged)
            print(
                f"{kind.__name__:<19}{count:>8}{len(data) / 1e6:>7.1f}{floor:>9.2f}{judged:>9.2f}"
                f"{judged / floor:>7.1f}{client:>7.2f}",
                flush=True,
            )
        for half, whole in pairwise(seconds):
            print(f"{'':<19}twice the chunks, {whole / half:.1f} times the seconds")


if __name__ == "__main__":
    main()
