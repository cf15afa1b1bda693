"""The deltas of calls: index, id, type and name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from conformance.base import jsonvalue
from conformance.base.jsonvalue import Json
from conformance.rules.chat import calls_of, choices_of
from conformance.rules.rule import MUST, SHOULD, Evidence, Findings, has_calls, rule
from conformance.rules.truth import names_nothing
from conformance.terms.outcome import brief
from conformance.wires.chat.choices import Choice, Entry, ToolCall

BLAME = "server"
SPEC = "https://platform.openai.com/docs/api-reference/chat-streaming"

_CLOSING = "]} \t\r\n"


def _lists(evidence: Evidence) -> Iterator[tuple[int, Choice, list[Json]]]:
    for choice in choices_of(evidence):
        for number, delta in choice.deltas:
            if isinstance(delta.get("tool_calls"), list) and delta["tool_calls"]:
                yield number, choice, delta["tool_calls"]


def _whole_calls(evidence: Evidence) -> Iterator[ToolCall]:
    """Give the calls whose first delta is at hand: no entry was left out as malformed."""
    return (call for choice in choices_of(evidence) if choice.whole for call in choice.calls)


@rule("chunk.tool-calls.single-entry", MUST, "stream", has_calls)
def single_entry(evidence: Evidence) -> Findings:
    """A chunk has data of one call only.

    Why: LlamaIndex and LangChain4j read the first entry and lose the second call; Spring AI 1.x
        raises "Currently only one tool call is supported per message!".
    Wrong: "tool_calls": [{"index": 0, …}, {"index": 1, …}]
    Right: two chunks, one entry each
    """
    for choice in choices_of(evidence):
        for number, indexes in choice.indexes:
            if len(calls := {*indexes}) > 1:
                yield choice.finding_in(
                    number,
                    "delta.tool_calls",
                    expected="one entry",
                    actual=f"{len(indexes)} entries of {len(calls)} calls",
                )


@rule("chunk.index.unique-in-chunk", MUST, "stream", has_calls)
def unique_in_chunk(evidence: Evidence) -> Findings:
    """A chunk has one entry for a call.

    Why: openai-python before 3 makes the second entry a phantom call and loses its arguments;
        LlamaIndex reads only the first and calls with {}. It closes arguments itself, so an entry
        that only closes them is left to chunk.index.unique-at-end.
    Wrong: "tool_calls": [{"index": 0, "id": …}, {"index": 0, "function": {"arguments": "{"}}]
    Right: "tool_calls": [{"index": 0, "id": …, "function": {"name": …, "arguments": "{"}}]
    """
    for number, choice, more, _ in _repeated(evidence):
        if more:
            yield choice.finding_in(
                number,
                "delta.tool_calls",
                expected="one entry for each index",
                actual=f"several of index {', '.join(map(str, more))[:80]}",
            )


@rule("chunk.index.unique-at-end", SHOULD, "stream", has_calls)
def unique_at_end(evidence: Evidence) -> Findings:
    """A call's last brackets are no second entry of a chunk.

    Why: LangChain4j reads the first entry only, and has arguments that are not JSON; LlamaIndex
        reads no more, and adds the brackets itself; Spring AI 1.x raises "Currently only one tool
        call is supported per message!".
    Wrong: "tool_calls": [{"index": 0, "function": {"arguments": "7"}},
        {"index": 0, "function": {"arguments": "}"}}]
    Right: "tool_calls": [{"index": 0, "function": {"arguments": "7}"}}]
    """
    for number, choice, _, closing in _repeated(evidence):
        if closing:
            yield choice.finding_in(
                number,
                "delta.tool_calls",
                expected="one entry for each index",
                actual=f"another that only closes index {', '.join(map(str, closing))[:80]}",
            )


def _repeated(evidence: Evidence) -> Iterator[tuple[int, Choice, list[int], list[int]]]:
    """Give of each chunk the indexes of several entries, by what those after the first bring.

    First come the indexes of which they bring more, then those whose arguments they only close.
    """
    for choice in choices_of(evidence):
        if all(len(indexes) < 2 for _, indexes in choice.indexes):
            continue
        ends = {call.index: _end(call) for call in choice.calls}
        before: Counter[int] = Counter()
        for number, indexes in choice.indexes:
            here = Counter(indexes) if len(indexes) > 1 else {}
            twice = sorted(index for index, times in here.items() if times > 1)
            closing = [index for index in twice if before[index] + 1 >= ends[index]]
            if twice:
                yield number, choice, [index for index in twice if index not in closing], closing
            before.update(indexes)


def _end(call: ToolCall) -> int:
    """Give the place of the entry from which on all only close the call's arguments."""
    at = len(call.entries)
    while at and _may_close(call.entries[at - 1]):
        at -= 1
    before = "".join(_arguments(entry) for entry in call.entries[:at])
    rest = "".join(_arguments(entry) for entry in call.entries[at:])
    return at if jsonvalue.closes(before, rest) else len(call.entries)


def _may_close(entry: Entry) -> bool:
    """Whether an entry has no more than closing brackets and white space."""
    function = entry.value.get("function")
    return (
        isinstance(function, dict)
        and isinstance(function.get("arguments"), str | None)
        and not _arguments(entry).strip(_CLOSING)
        and not function.get("name")
        and not entry.value.get("id")
    )


def _arguments(entry: Entry) -> str:
    found = entry.function.get("arguments")
    return found if isinstance(found, str) else ""


@rule("chunk.index.present", MUST, "stream")
def index_present(evidence: Evidence) -> Findings:
    """`tool_calls` is a list, and every entry has an index, an integer from 0.

    Why: the specification requires it; openai-python raises TypeError, openai-node "invalid
        tool call index", LangChain makes one call two.
    Wrong: {"id": "call_1", "function": {…}}
    Right: {"index": 0, "id": "call_1", "function": {…}}
    """
    for choice in choices_of(evidence):
        for number, delta in choice.deltas:
            listed = delta.get("tool_calls") or []
            if not isinstance(listed, list):
                yield choice.finding_in(
                    number, "delta.tool_calls", expected="a list", actual=brief(listed)
                )
    for number, choice, entries in _lists(evidence):
        for place, entry in enumerate(entries):
            index = entry.get("index", "absent") if isinstance(entry, dict) else entry
            if type(index) is not int or index < 0:
                yield choice.finding_in(
                    number,
                    f"delta.tool_calls[{place}].index",
                    expected="an integer from 0",
                    actual=brief(index),
                )


@rule("chunk.index.contiguous", MUST, "stream", has_calls)
def index_contiguous(evidence: Evidence) -> Findings:
    """New calls are numbered 0, 1, 2 in the order in which they appear.

    Why: openai-python raises IndexError on a gap or a start at 1, openai-node reads undefined,
        openai-go and openai-java make a phantom call.
    Wrong: index 1 first
    Right: index 0, then 1
    """
    for choice in choices_of(evidence):
        indexes = list(dict.fromkeys(index for _, index in _order(choice)))
        if indexes != list(range(len(indexes))) and min(indexes) >= 0:
            yield choice.finding(
                "tool_calls",
                expected=f"indexes {list(range(len(indexes)))}",
                actual=f"{indexes}",
                chunk=_order(choice)[0][0],
            )


@rule("chunk.index.stable", MUST, "stream", has_calls)
def index_stable(evidence: Evidence) -> Findings:
    """An index serves one call only.

    Why: openai-python makes "get_weatherget_time" with both arguments of two calls at index 0,
        pydantic-ai merges them too, and openai-node and LiteLLM keep the second name only.
    Wrong: {"index": 0, "id": "call_1", …}, then {"index": 0, "id": "call_2", …}
    Right: {"index": 0, "id": "call_1", …}, then {"index": 1, "id": "call_2", …}
    """
    for call in calls_of(evidence):
        for entry in call.others:
            actual = (entry.value["id"], entry.function["name"])
            expected = f"{call.index} for {repr(call.id)[:40]} only"
            yield entry.finding("index", expected=expected, actual=brief(actual))


def _order(choice: Choice) -> list[tuple[int, int]]:
    return [(number, index) for number, found in choice.indexes for index in found]


@rule("chunk.index.sequential", MUST, "stream", has_calls)
def index_sequential(evidence: Evidence) -> Findings:
    """Calls are streamed one after the other.

    Why: openai-python takes a call as finished when the next begins, and parses it then;
        LlamaIndex starts a new call at each change of index.
    Wrong: index 0, 1, 0, 1
    Right: index 0, 0, 1, 1
    """
    for number, choice, before, after in _steps(evidence):
        if after < before:
            yield choice.finding_in(
                number,
                "delta.tool_calls",
                expected=f"index {before} or later",
                actual=f"index {after}",
            )


def _steps(evidence: Evidence) -> Iterator[tuple[int, Choice, int, int]]:
    for choice in choices_of(evidence):
        seen: set[int] = set()
        for (_, before), (number, after) in pairwise(_order(choice)):
            seen.add(before)
            if after in seen:
                yield number, choice, before, after


@rule("chunk.function.object", MUST, "stream")
def function_object(evidence: Evidence) -> Findings:
    """Every entry has a `function` object.

    Why: openai-python and LlamaIndex assert on it, LangChain raises AttributeError, openai-java
        "Tool call chunk missing function.".
    Wrong: {"index": 0, "id": "call_1", "type": "function"}
    Right: {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f"}}
    """
    for number, choice, entries in _lists(evidence):
        for place, entry in enumerate(entries):
            found = entry.get("function", "absent") if isinstance(entry, dict) else entry
            if not isinstance(found, dict):
                where = f"delta.tool_calls[{place}].function"
                yield choice.finding_in(
                    number, f"{where}", expected="an object", actual=brief(found)
                )


@rule("chunk.first-delta.id", MUST, "stream", has_calls)
def first_delta_id(evidence: Evidence) -> Findings:
    """The first delta of a call has its id.

    Why: LiteLLM drops the call, openai-agents raises ModelBehaviorError.
    Wrong: {"index": 0, "type": "function", "function": {"name": "f"}}
    Right: {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f"}}
    """
    for call in _whole_calls(evidence):
        found = call.entries[0].value.get("id")
        if not isinstance(found, str) or not found:
            yield call.entries[0].finding(
                "id", expected="a string", actual=brief(call.entries[0].value.get("id", "absent"))
            )


@rule("chunk.id.once", MUST, "stream", has_calls)
def id_once(evidence: Evidence) -> Findings:
    """A call's id is sent once, and never null.

    Why: openai-python and LlamaIndex join repeated ids to "call_acall_a", Spring AI starts a new
        call for each; the specification knows no null id, and Effect drops such a chunk.
    Wrong: "id": "call_a" in every delta
    Right: "id": "call_a" in the first delta, no id afterwards
    """
    for call in calls_of(evidence):
        # An id that comes late comes once; an entry of another call has an id of its own.
        first = next((entry for entry in call.entries if entry.value.get("id")), None)
        for entry in call.own[1:]:
            if entry is not first and entry.value.get("id", "") != "":
                yield entry.finding(
                    "id", expected="no id after the first delta", actual=brief(entry.value["id"])
                )


@rule("chunk.first-delta.type", MUST, "stream", has_calls)
def first_delta_type(evidence: Evidence) -> Findings:
    """The first delta of a call has `"type": "function"`.

    Why: openai-node raises "tool call snapshot missing `type`", the AI SDK's provider for
        OpenAI refuses any other type.
    Wrong: {"index": 0, "id": "call_1", "function": {"name": "f"}}
    Right: {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f"}}
    """
    for call in _whole_calls(evidence):
        if call.entries[0].value.get("type") != "function":
            yield call.entries[0].finding(
                "type",
                expected="'function'",
                actual=brief(call.entries[0].value.get("type", "absent")),
            )


@rule("chunk.type.not-null", MUST, "stream", has_calls)
def type_not_null(evidence: Evidence) -> Findings:
    """A later delta has no type or the same one, never null.

    Why: openai-python takes the null over and then asserts on it.
    Wrong: {"index": 0, "type": null, "function": {"arguments": "{"}}
    Right: {"index": 0, "function": {"arguments": "{"}}
    """
    for call in calls_of(evidence):
        for entry in call.entries[1:]:
            if entry.value.get("type", "function") != "function":
                actual = entry.value["type"]
                yield entry.finding("type", expected="absent or 'function'", actual=brief(actual))


@rule("chunk.first-delta.name", MUST, "stream", has_calls)
def first_delta_name(evidence: Evidence) -> Findings:
    """The first delta of a call has its name.

    Why: the AI SDK raises "Expected 'function.name' to be a string.", openai-java takes the name
        from there only.
    Wrong: {"index": 0, "id": "call_1", "type": "function", "function": {"arguments": ""}}
    Right: {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f"}}
    """
    for call in _whole_calls(evidence):
        found = call.entries[0].function.get("name")
        if found == "" and not call.names and names_nothing(evidence):
            continue
        if not isinstance(found, str) or not found:
            yield call.entries[0].finding("function.name", expected="a name", actual=brief(found))


@rule("chunk.name.once", MUST, "stream", has_calls)
def name_once(evidence: Evidence) -> Findings:
    """A call's name is sent once and whole.

    Why: openai-python, LangChain and LlamaIndex join names to "get_weatherget_weather"; of a split
        name openai-node and LiteLLM keep the last part only.
    Wrong: "name": "get_weather" in every delta
    Right: "name": "get_weather" in the first delta, no name afterwards
    """
    for call in calls_of(evidence):
        # An entry of another call has a name of its own.
        named = [entry for entry in call.own if entry.function.get("name")]
        for entry in named[1:]:
            actual = entry.function["name"]
            yield entry.finding(
                "function.name", expected="no name after the first", actual=brief(actual)
            )
