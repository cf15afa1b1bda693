"""Faults in the arguments of calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from conformance.base.jsonvalue import Json
from conformance.formats.stream import Arguments
from conformance.reference.chat.faults.registry import by_call, choices, entries, fault, messages
from conformance.reference.reply import Reply


def _is_cut(chunks: list[Json]) -> bool:
    return any(choice["finish_reason"] == "length" for choice in choices(chunks))


def _joined(call: list[Json]) -> str:
    return "".join(entry["function"]["arguments"] for entry in call)


def _put_whole(call: list[Json], arguments: Json) -> None:
    """Send arguments in the last delta of a call, and none before it."""
    for entry in call:
        entry["function"]["arguments"] = ""
    call[-1]["function"]["arguments"] = arguments


def _read(text: str, parse_float: Callable[[str], float] = float) -> dict[str, Json] | None:
    """Read arguments; `None` if they were cut short."""
    try:
        values: dict[str, Json] = json.loads(text, parse_float=parse_float)
    except ValueError:
        return None
    return values


@fault("chunks", "args.json")
def last_brace_lost(chunks: list[Json]) -> list[Json]:
    """Drops the last brace of every call's arguments.

    vLLM #32152, and the oldest bug of streaming parsers: what closes the arguments also closes
    the call.
    """
    for call in by_call(chunks):
        function = call[-1]["function"]
        function["arguments"] = function["arguments"].removesuffix("}")
    return chunks


@fault("chunks", "args.json")
def last_brace_twice(chunks: list[Json]) -> list[Json]:
    """Sends the brace that closes the call as one of the arguments.

    A parser that counts one brace too few; LlamaIndex then silently calls with {}.
    """
    for call in by_call(chunks):
        call[-1]["function"]["arguments"] += "}"
    return chunks


@fault("chunks", "args.json")
def arguments_sent_again(chunks: list[Json]) -> list[Json]:
    """Sends in each delta all arguments so far, not only what is new.

    Clients join deltas: LangChain and LlamaIndex repair the result to wrong arguments.
    """
    for call in by_call(chunks):
        so_far = ""
        for entry in call:
            so_far += entry["function"]["arguments"]
            entry["function"]["arguments"] = so_far
    return chunks


@fault("chunks", "args.empty-object")
def stream_arguments_never(chunks: list[Json]) -> list[Json]:
    """Streams the names of calls and none of their arguments.

    vLLM #9693 where the arguments came before the name, #39615 where all came in one delta.
    """
    for entry in entries(chunks):
        entry["function"]["arguments"] = ""
    return chunks


@fault("chunks", "args.no-premature-json")
def empty_object_first(chunks: list[Json]) -> list[Json]:
    """Sends `{}` before the arguments.

    A dump of what the parser knew at the time; the AI SDK runs the tool with {}.
    """
    for call in by_call(chunks):
        call[0]["function"]["arguments"] = "{}" + call[0]["function"]["arguments"]
    return chunks


@fault("chunks", "args.empty-object", "parallel/empty-between")
def empty_arguments_as_nothing(chunks: list[Json]) -> list[Json]:
    """Sends `""` where a call's arguments are `{}`.

    Code that asks whether there are arguments, but tests whether they are true; the AI SDK never
    emits such a call.
    """
    for call in by_call(chunks):
        if _joined(call) == "{}":
            for entry in call:
                entry["function"]["arguments"] = ""
    return chunks


@fault("chunks", "args.empty-object", "parallel/empty-between")
def empty_arguments_never(chunks: list[Json]) -> list[Json]:
    """Sends no `arguments` at all where they are `{}`.

    Spring AI raises "toolInput cannot be null or empty".
    """
    for call in by_call(chunks):
        if _joined(call) == "{}":
            for entry in call:
                del entry["function"]["arguments"]
    return chunks


@fault("chunks", "args.no-null-delta")
def arguments_null(chunks: list[Json]) -> list[Json]:
    """Sends null for the arguments beside a call's name.

    The specification knows no null there.
    """
    for call in by_call(chunks):
        call[0]["function"]["arguments"] = None
    return chunks


@fault("chunks", "args.string")
def arguments_as_object(chunks: list[Json]) -> list[Json]:
    """Sends the arguments as an object, not as text.

    pydantic-ai cannot apply dict deltas, openai-agents and LangChain raise.
    """
    for call in by_call(chunks):
        values = _read(_joined(call))
        if values is not None:
            _put_whole(call, values)
    return chunks


@fault("body", "args.string")
def complete_arguments_as_object(body: Json) -> Json:
    """Gives the arguments of a complete answer as an object.

    The model wrote an object, and nobody turned it into text.
    """
    for message in messages(body):
        for call in message.get("tool_calls", ()):
            values = _read(call["function"]["arguments"])
            if values is not None:
                call["function"]["arguments"] = values
    return body


@fault("chunks", "args.object")
def arguments_in_quotes(chunks: list[Json]) -> list[Json]:
    """Writes the arguments as JSON twice over.

    A dump of text that is JSON already; zod and LangChain refuse the string.
    """
    for call in by_call(chunks):
        for entry in call:
            entry["function"]["arguments"] = json.dumps(entry["function"]["arguments"])[1:-1]
        call[0]["function"]["arguments"] = '"' + call[0]["function"]["arguments"]
        call[-1]["function"]["arguments"] += '"'
    return chunks


@fault("body", "args.schema", "arguments/last-integer")
def numbers_as_text(body: Json) -> Json:
    """Gives every value of the arguments as text.

    Parsers of formats that are not JSON do so if they do not look up the type in the schema.
    """
    for message in messages(body):
        for call in message.get("tool_calls", ()):
            values = _read(call["function"]["arguments"])
            if values is not None:
                texts = {key: str(value) for key, value in values.items()}
                call["function"]["arguments"] = json.dumps(texts)
    return body


@fault("body", "args.integer", "arguments/last-integer")
def integers_as_decimals(body: Json) -> Json:
    """Gives every integer of the arguments a decimal point.

    A parser that reads every number as a float, and writes 3.0 for 3.
    """
    for message in messages(body):
        for call in message.get("tool_calls", ()):
            values = _read(call["function"]["arguments"])
            if values is not None:
                spelled = {
                    key: float(value) if type(value) is int else value
                    for key, value in values.items()
                }
                call["function"]["arguments"] = json.dumps(spelled)
    return body


@fault("chunks", "said.arguments")
def first_argument_lost(chunks: list[Json]) -> list[Json]:
    """Leaves the first argument out.

    vLLM #18108, where it is a number.
    """
    for call in by_call(chunks):
        values = _read(_joined(call))
        if values is not None:
            _put_whole(call, json.dumps(dict(list(values.items())[1:])))
    return chunks


@fault("body", "said.arguments", "arguments/number-spellings")
def fractions_as_integers(body: Json) -> Json:
    """Reads the arguments of a complete answer and writes every number as an integer.

    2.50 becomes 2.
    """
    for message in messages(body):
        for call in message.get("tool_calls", ()):
            values = _read(call["function"]["arguments"], lambda number: int(float(number)))
            if values is not None:
                call["function"]["arguments"] = json.dumps(values)
    return body


@fault("reply", "content.characters", "strings/emoji")
def characters_replaced(reply: Reply) -> Reply:
    """Replaces every character beyond the first 65,536.

    vLLM 0.32.0 with Mistral's Tekken: each token is decoded by itself, to U+FFFD for each half.
    """
    groups = [
        tuple(
            replace(event, text="".join(c if c <= "\uffff" else "\ufffd" * 2 for c in event.text))
            if isinstance(event, Arguments)
            else event
            for event in group
        )
        for group in reply.groups
    ]
    return replace(reply, groups=tuple(groups))


@fault("reply", "finish.truncated-args", "limits/call-cut")
def cut_arguments_closed(reply: Reply) -> Reply:
    """Closes the arguments of a call that was cut short, complete and streamed.

    A parser that repairs JSON in order to compare it, and sends what it has repaired.
    """
    return _extended(reply, '"}')


@fault("chunks", "equiv.arguments", "limits/call-cut")
def cut_arguments_held_back(chunks: list[Json]) -> list[Json]:
    """Never sends the last delta of a call that was cut short.

    A parser holds text back until it knows more, and forgets it when no more comes.
    """
    for entry in list(entries(chunks))[-1:] if _is_cut(chunks) else []:
        entry["function"]["arguments"] = ""
    return chunks


@fault("body", "equiv.arguments", "cuts/behind-the-first-brace")
def cut_arguments_invented(body: Json) -> Json:
    """Gives a call that a limit cut the arguments {}, in complete answers alone.

    vLLM 0.32.0 with Mistral's newer tokenizers; the client runs what it takes for a whole call.
    """
    for choice in body["choices"]:
        if choice["finish_reason"] == "length":
            for call in choice["message"].get("tool_calls", ())[-1:]:
                call["function"]["arguments"] = "{}"
    return body


@fault("chunks", "args.json", "cuts/between-calls")
def whole_arguments_closed_again(chunks: list[Json]) -> list[Json]:
    """Sends {} after the whole arguments of a call when a limit cuts the next one.

    vLLM 0.32.0 with Hermes: at the end the parser gives what has no arguments yet {}.
    """
    for entry in list(entries(chunks))[-1:] if _is_cut(chunks) else []:
        entry["function"]["arguments"] += "{}"
    return chunks


@fault("reply", "args.beginning", "limits/call-cut")
def cut_arguments_closed_twice(reply: Reply) -> Reply:
    """Closes the arguments of a call that was cut short by one brace too many.

    A parser that closes what it thinks is open; no further text can make it an object.
    """
    return _extended(reply, '"}}')


@fault("reply", "args.beginning", "limits/call-cut")
def cut_arguments_begin_with_a_colon(reply: Reply) -> Reply:
    """Begins the arguments of a call that was cut short with the colon before them.

    vLLM 0.32.0 with Mistral's older tokenizers, where a delta ends after the key "arguments".
    """
    first = next((event for event in reply.events if isinstance(event, Arguments)), None)
    if reply.finish_reason != "length" or first is None:
        return reply
    later = replace(first, text=f": {first.text}")
    groups = [
        tuple(later if event is first else event for event in group) for group in reply.groups
    ]
    return replace(reply, groups=tuple(groups))


def _extended(reply: Reply, more: str) -> Reply:
    """Add to the arguments of a call that was cut short."""
    last = [event for event in reply.events if isinstance(event, Arguments)][-1:]
    if reply.finish_reason != "length" or not last:
        return reply
    added = Arguments(last[0].call, more)
    return replace(reply, groups=(*reply.groups[:-1], (*reply.groups[-1], added)))


@fault("chunks", "args.liveness", "kill-matrix/long-argument")
def arguments_at_once(chunks: list[Json]) -> list[Json]:
    """Keeps the arguments of a call until they are whole.

    A parser that waits for the closing mark; nobody can watch a file while it is written.
    """
    for call in by_call(chunks):
        _put_whole(call, _joined(call))
    return chunks
