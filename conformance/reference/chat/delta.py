"""The deltas of a streamed choice."""

from __future__ import annotations

from conformance.base.jsonvalue import Json
from conformance.formats.stream import Arguments, Content, Event
from conformance.reference.reply import Reply
from conformance.reference.variant import Variant, Variants

Delta = tuple[Json, list[str]]
"""A delta, and the tokens that it reports."""


def deltas(reply: Reply, variants: Variants) -> list[Delta]:
    """Write all deltas of a choice; the last goes with the finish_reason."""
    written: list[Delta] = [({"role": "assistant", "content": ""}, [])]
    if Variant.BARE_ROLE in variants:
        del written[0][0]["content"]
    untold: list[str] = []
    for group, tokens in zip(reply.groups, reply.tokens, strict=True):
        untold += tokens
        for event in group:
            delta = _delta(event, reply)
            if _is_taken(written[-1][0], delta, variants):
                written[-1][1].extend(untold)
            else:
                written.append((delta, untold))
            untold = []
    if Variant.EMPTY_END in variants and len(written) > 1:
        written.append((_emptied(written[-1][0]), []))
    for delta, _ in written:
        _dress(delta, variants)
    if Variant.EMPTY_DELTAS in variants:
        written = [each for one in written for each in (one, _nothing())]
    if Variant.LAST_DATA_IN_FINISH not in variants:
        written.append(_nothing())
    written[-1][1].extend(untold)
    return written


def _nothing() -> Delta:
    return {}, []


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
