"""What a wire is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.base.jsonvalue import Json
from conformance.client.budget import Meter
from conformance.client.probe import Greeting
from conformance.terms.asked import Asked
from conformance.terms.case import Case, Ending, Mode
from conformance.terms.exchange import ClientView, Exchange
from conformance.terms.said import Script
from conformance.terms.server import Server

Ids = tuple[int, ...]
"""Of tokens."""

SPARE_TOKENS = 16
"""More tokens than a script has characters: its end, and marks spelt out by a vocabulary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """How token ids are asked for and read, where a server shows them."""

    shown: Callable[[Json], Json]
    """Asks in a body that the answer's token ids be shown."""
    spelled: Callable[[Json], Json]
    """Asks the same of a server that knows no field for it, and shows none."""
    said: Callable[[Any], Ids | None]
    """Gives all that the model said; `None` if they are not shown, or not all of them."""
    of_script: Callable[[Any], Ids]
    """Gives those of a complete answer to `shown` or `spelled`; empty if there are none."""
    lettered: Callable[[Json], Json]
    """Asks in a body that the bytes of each token of the answer be shown."""
    letters: Callable[[Any], bytes | None]
    """Gives all that the model said in an answer to `lettered`; `None` if it is not shown."""
    prompt: Callable[[Any], Ids]
    """Gives those of the prompt, shown beside an answer or instead of one."""
    bare: Callable[[Json], Json]
    """Changes a body so that the prompt does not begin the model's next turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """An endpoint's protocol: from a case to a body, and from bytes to an answer.

    Its rules are in `rules/NAME`, its half of the reference server in `reference/NAME`.
    """

    name: str
    """That of its folder."""
    path: str
    """Where a model answers."""
    ask: Callable[[Case, Mode, Server, Script | None], Json]
    """Writes the body of a request; without a script the model answers as it likes."""
    request: Callable[[Case], Json]
    """Writes what a case asks, except for model, stream and script."""
    sampled: Callable[[Json, Server], Json]
    """Adds what makes a model's own answer end, repeatable, and its tokens known."""
    limited: Callable[[Json, int], Json]
    """Limits the answer to so many tokens, unless the case sets a limit of its own."""
    ended: Callable[[Json, int], Json]
    """Limits the answer to so many tokens in any case."""
    read: Callable[[Exchange], Any]
    """Reads any bytes at all. It gives an `Answer`, with more in it for the wire's own rules."""
    refusal: Callable[[Any], str | None]
    """Gives the script plugin's own words in an answer, if it refused a script."""
    is_too_long: Callable[[Any, Server], bool]
    """Whether a server refused a request because of the tokens that the suite asked for."""
    follow_up: Callable[[Case, Any], Case | None]
    """Writes the case that follows an answer, if the case has one and the answer its calls."""
    client: Callable[[Exchange], ClientView]
    """Lets the official client read an answer as if it came from the network just now."""
    asked: Callable[[Json], Asked]
    """Reads a body in the words of every wire."""
    misfit: Callable[[Json], str | None]
    """Says what keeps the rules from reading a body that the suite did not write, if anything."""
    supposed: Callable[[Any], Json]
    """Supposes which body was answered, where nobody knows it."""
    field_problem: Callable[[Case], tuple[str, str] | None]
    """Names a field of its own in a case, and what is wrong with it, if anything."""
    neutral: Mapping[str, str]
    """Its own name of an option to the name in case files."""
    endings: Mapping[str, Sequence[Ending]]
    """Its own word for an ending to those that it may mean."""
    meter: Meter
    greeting: Greeting
    tokens: Tokens

    def curl(self, request: Json, url: str) -> str:
        """Write a request to a server's URL, which goes up to `/v1`, as a command for a shell."""
        body = json.dumps(request).replace("'", "'\\''")
        at = f"{url}{self.path.removeprefix('/v1')}"
        return f"curl -sN {at} -H 'content-type: application/json' -d '{body}'"
