"""What a fault is: a change at some step between the request and the bytes on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from starlette.responses import Response

from conformance.base.jsonvalue import Json
from conformance.reference.reply import Reply

USUAL = "hermes"
"""The format used for a fault that every format shows."""

Read = Callable[[Json], Json]
Bend = Callable[[Reply], Reply]
Chunks = Callable[[list[Json]], list[Json]]
Body = Callable[[Json], Json]
Wire = Callable[[list[bytes]], AsyncIterator[bytes]]
Respond = Callable[[Response], Response]
Refuse = Callable[[Json, Response], Response]
Render = Callable[[Json], str]
Prompt = Callable[[Render, Json], str]


def as_asked(request: Json) -> Json:
    """Leave the request as it is."""
    return request


def as_read(reply: Reply) -> Reply:
    """Leave the reply as it is."""
    return reply


def as_they_are(chunks: list[Json]) -> list[Json]:
    """Leave the chunks as they are."""
    return chunks


def as_it_is(body: Json) -> Json:
    """Leave the complete answer as it is."""
    return body


async def one_by_one(events: list[bytes]) -> AsyncIterator[bytes]:
    """Send each event, and end."""
    for event in events:
        yield event


def as_planned(response: Response) -> Response:
    """Leave the response as it is."""
    return response


def as_rendered(render: Render, request: Json) -> str:
    """Leave the prompt as it is."""
    return render(request)


def as_refused(request: Json, response: Response) -> Response:
    """Leave the response as it is, whatever the request."""
    return response


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that a server does wrong."""

    name: str
    about: str
    owner: str
    """The rule that catches it, or `error` if there is no whole answer to judge."""
    cases: tuple[str, ...] = ()
    """Shipped cases in which it shows."""
    format: str = USUAL
    """A format in which it shows."""
    request: Read = as_asked
    reply: Bend = as_read
    chunks: Chunks = as_they_are
    body: Body = as_it_is
    wire: Wire = one_by_one
    response: Respond = as_planned
    turn: Refuse = as_refused
    """Takes a good request and its answer."""
    prompt: Prompt = as_rendered
    """Takes the function that renders a request, and the request."""
    refusal: Refuse = as_refused
    """Takes a request that makes no sense, and the error that it gets."""


NONE = Fault(name="none", about="The server does everything right.", owner="")
