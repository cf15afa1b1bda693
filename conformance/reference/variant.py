"""Choices that the specification, or the habit of servers and clients, leaves to a server."""

from __future__ import annotations

from enum import StrEnum


class Variant(StrEnum):
    """A permitted choice other than the default's."""

    BARE_ROLE = "bare-role"
    """The first delta has the role alone, without an empty content."""
    LAST_DATA_IN_FINISH = "last-data-in-finish"
    """The chunk with the finish_reason has the last data, not an empty delta."""
    HEADER_WITH_ARGUMENTS = "header-with-arguments"
    """A call's name comes with its first arguments, not in a delta of its own."""
    WHOLE_CALLS = "whole-calls"
    """A call comes in one delta."""
    NO_EMPTY_ARGUMENTS = "no-empty-arguments"
    """A delta with the name alone has no `arguments` key."""
    TYPE_AGAIN = "type-again"
    """Each delta of a call has the type, not the first only."""
    NULL_CONTENT = "null-content"
    """A delta with a call has a null content."""
    EMPTY_DELTAS = "empty-deltas"
    """A delta is followed by an empty one, as where tokens are told that are no text."""
    EMPTY_END = "empty-end"
    """The last data is followed by more of the same that is empty."""
    EXTRA_FIELDS = "extra-fields"
    """Chunks, deltas and messages have fields of the server's own."""
    NO_LOGPROBS = "no-logprobs"
    """Choices of a stream have no `logprobs` key."""
    CHOICES_IN_TURN = "choices-in-turn"
    """Several choices are streamed one after the other, not side by side."""
    USAGE_ONLY_AT_END = "usage-only-at-end"
    """Chunks before the one with the usage have no `usage` key."""
    NULL_USAGE = "null-usage"
    """Chunks have a null `usage` that was not asked for."""
    STOP_WHEN_NAMED = "stop-when-named"
    """A call that a named tool_choice demanded ends with `stop`."""
    CUT_CALLS_WITHHELD = "cut-calls-withheld"
    """A call that was cut short is not given, complete or streamed."""
    LONG_IDS = "long-ids"
    """Calls have ids such as `chatcmpl-tool-…`, where the format has no form of its own."""
    EMPTY_CONTENT = "empty-content"
    """A complete answer of calls alone has an empty content, not null."""
    NULL_CALLS = "null-calls"
    """A complete answer without calls has a null `tool_calls`."""
    ESCAPES = "escapes"
    """JSON has escapes for all that is not ASCII."""
    COMMENTS = "comments"
    """Comments stand between the events, to keep the connection."""
    CRLF = "crlf"
    """Lines end with CR and LF."""
    NO_SPACE = "no-space"
    """No space follows `data:`."""


Variants = frozenset[Variant]
