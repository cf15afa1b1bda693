"""Refused: the request makes no sense, so the model says nothing, and an error is the truth."""

from __future__ import annotations

from conformance.base.jsonvalue import Json
from conformance.runs.channel import Channel
from conformance.runs.emissions.emission import Foreseen, Received, Strategy, no_answer
from conformance.terms.case import COMPLETE, STREAM, Case, Mode
from conformance.terms.server import Server
from conformance.verdicts.item import Item
from conformance.wires.wire import SPARE_TOKENS, Wire


async def ask(channel: Channel, item: Item) -> Received:
    """Send the request, with a limit in case it is taken."""
    answer = await channel.ask(body(channel.wire, item.case, item.mode, channel.server))
    return Received(answer=answer, expect=item.case.expect, trouble=no_answer(answer))


def body(wire: Wire, case: Case, mode: Mode, server: Server) -> Json:
    """Write the request, with a limit: nothing else stops a model that is asked all the same."""
    return wire.limited(wire.ask(case, mode, server, None), SPARE_TOKENS)


def foresee(wire: Wire, case: Case, mode: Mode, server: Server) -> Foreseen:
    """Foresee one request that is not charged for."""
    return Foreseen(body=body(wire, case, mode, server))


def claims(case: Case, mode: Mode) -> bool:
    """Take the cases that are to be refused."""
    return case.expect.refused


def plays(mode: Mode, server: Server) -> bool:
    """Take two modes: how an answer is cut makes no difference to a request that has none."""
    return mode in (COMPLETE, STREAM)


STRATEGY = Strategy(ask=ask, foresee=foresee, plays=plays, claims=claims)
