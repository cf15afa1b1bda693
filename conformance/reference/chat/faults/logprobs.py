"""Faults in the probabilities of tokens."""

from __future__ import annotations

from conformance.base.jsonvalue import Json
from conformance.reference.chat.faults.registry import choices, fault

ASKED = "kill-matrix/logprobs-asked"


@fault("request", "logprobs.present", ASKED)
def logprobs_ignored(request: Json) -> Json:
    """Gives no logprobs although they were asked for.

    A field that only the older endpoint reads; an empty list looks like certainty.
    """
    return {name: value for name, value in request.items() if name != "logprobs"}


@fault("chunks", "logprobs.align", ASKED)
def logprobs_of_held_back_text(chunks: list[Json]) -> list[Json]:
    """Loses the logprobs of every second delta.

    A parser holds text back, and sends it later without the logprobs of its tokens.
    """
    for choice in list(choices(chunks))[::2]:
        choice["logprobs"] = None
    return chunks


@fault("body", "logprobs.form", ASKED)
def logprobs_without_a_number(body: Json) -> Json:
    """Writes null for a probability of zero.

    JSON has no minus infinity; typed clients read a number there.
    """
    for choice in body["choices"]:
        for token in (choice["logprobs"] or {}).get("content", ()):
            token["logprob"] = None
    return body


@fault("body", "logprobs.count", ASKED)
def logprobs_of_some_tokens(body: Json) -> Json:
    """Leaves the last token out of the logprobs of a complete answer.

    An end that is counted and not shown; the sum is then not the score of the whole.
    """
    for choice in body["choices"]:
        if choice["logprobs"]:
            choice["logprobs"]["content"].pop()
    return body
