"""Prompts: the model says nothing; the prompt that its template makes is read."""

from __future__ import annotations

from conformance.runs.channel import Channel
from conformance.runs.emissions.emission import Foreseen, Received, Strategy, no_answer
from conformance.scripting import NotApplicable
from conformance.terms.case import PROMPT, Case, Mode
from conformance.terms.exchange import ClientView, Prompt
from conformance.terms.server import Server
from conformance.verdicts.item import Item
from conformance.wires.answer import Answer
from conformance.wires.wire import Wire

FREE = 4
"""Requests that read a prompt back: with and without its end, as tokens and as text."""


async def ask(channel: Channel, item: Item) -> Received:
    """Ask which prompt the case makes; raises `NotApplicable` where the server cannot show it."""
    path = channel.server.render_path or ""
    body = channel.wire.ask(item.case, item.mode, channel.server, None)
    answer, text = await channel.show_prompt(path, body)
    if answer.exchange.status != 200 or answer.exchange.error:
        return Received(answer=answer, trouble=no_answer(answer))
    if text is None:
        raise NotApplicable(f"{path} and /detokenize do not show the prompt")
    _, bare = await channel.show_prompt(path, channel.wire.tokens.bare(body))
    return Received(answer=answer, prompt=Prompt(text=text, bare=bare))


def foresee(wire: Wire, case: Case, mode: Mode, server: Server) -> Foreseen:
    """Foresee requests that no model answers."""
    return Foreseen(free=FREE)


def claims(case: Case, mode: Mode) -> bool:
    """Take the mode that asks for a prompt, of all cases that make one."""
    return mode == PROMPT and not case.expect.refused


def plays(mode: Mode, server: Server) -> bool:
    """Take the mode where the server shows its prompts."""
    return server.render_path is not None


def no_client(wire: Wire, answer: Answer) -> ClientView | None:
    """Let no client read a prompt: it is not an answer."""
    return None


STRATEGY = Strategy(ask=ask, foresee=foresee, plays=plays, claims=claims, view=no_client)
