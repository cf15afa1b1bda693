"""The deltas of a streamed choice."""

from __future__ import annotations

from conformance.model import Json
from conformance.reference.reader import Arguments, Content, Event
from conformance.reference.reply import Reply
from conformance.reference.variant import Variant, Variants


def deltas(reply: Reply, variants: Variants) -> list[Json]:
    """Write all deltas of a choice; the last goes with the finish_reason."""
    written: list[Json] = [{"role": "assistant", "content": ""}]
    if Variant.BARE_ROLE in variants:
        del written[0]["content"]
    for event in reply.events:
        delta = _delta(event, reply)
        if not _is_taken(written[-1], delta, variants):
            written.append(delta)
    if Variant.EMPTY_END in variants and len(written) > 1:
        written.append(_emptied(written[-1]))
    for delta in written:
        _dress(delta, variants)
    if Variant.EMPTY_DELTAS in variants:
        written = [each for delta in written for each in [delta, dict[str, Json]()]]
    if Variant.LAST_DATA_IN_FINISH not in variants:
        written.append({})
    return written


def _delta(event: Event, reply: Reply) -> Json:
    if isinstance(event, Content):
        return {"content": event.text}
    if isinstance(event, Arguments):
        return {"tool_calls": [{"index": event.call, "function": {"arguments": event.text}}]}
    entry = {
        "index": event.call,
        "id": reply.ids[event.call],
        "type": "function",
        "function": {"name": event.name, "arguments": ""},
    }
    return {"tool_calls": [entry]}


def _is_taken(last: Json, delta: Json, variants: Variants) -> bool:
    """Put arguments into the delta before them, where one may carry both."""
    if not (variants & {Variant.HEADER_WITH_ARGUMENTS, Variant.WHOLE_CALLS}):
        return False
    if not ("tool_calls" in last and "tool_calls" in delta):
        return False
    (before,), (after,) = last["tool_calls"], delta["tool_calls"]
    if "id" in after or "id" not in before:
        return False
    if before["function"]["arguments"] and Variant.WHOLE_CALLS not in variants:
        return False
    before["function"]["arguments"] += after["function"]["arguments"]
    return True


def _emptied(delta: Json) -> Json:
    if "tool_calls" not in delta:
        return {"content": ""}
    index = delta["tool_calls"][0]["index"]
    return {"tool_calls": [{"index": index, "function": {"arguments": ""}}]}


def _dress(delta: Json, variants: Variants) -> None:
    """Write what is beside the data."""
    for entry in delta.get("tool_calls", ()):
        if Variant.NO_EMPTY_ARGUMENTS in variants and "id" in entry:
            entry["function"] = {key: value for key, value in entry["function"].items() if value}
        if Variant.TYPE_AGAIN in variants:
            entry["type"] = "function"
        if Variant.NULL_CONTENT in variants:
            delta["content"] = None
    if Variant.EXTRA_FIELDS in variants:
        delta["reasoning"] = None
