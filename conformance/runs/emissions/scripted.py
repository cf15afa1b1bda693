"""Scripted: the server says exactly what each case wants, so that every failure is its own."""

from __future__ import annotations

from dataclasses import replace

from conformance.base.jsonvalue import Json
from conformance.formats.format import text_of
from conformance.runs.channel import Channel
from conformance.runs.emissions.emission import (
    Emission,
    Foreseen,
    Received,
    Strategy,
    failure,
    follow_up,
    no_answer,
)
from conformance.runs.emissions.known_text import (
    Untried,
    blame_nobody,
    choose_once,
    expected,
    in_order,
    is_compared,
    the_only,
    uncut,
    whole,
)
from conformance.scripting import NotApplicable, is_bound, scripts_of
from conformance.terms.case import CHARACTERS, COMPLETE, Case, Mode
from conformance.terms.said import Script
from conformance.terms.server import Server
from conformance.verdicts import relevance
from conformance.verdicts.item import Item
from conformance.wires.answer import Answer
from conformance.wires.wire import SPARE_TOKENS, Wire


async def ask(channel: Channel, item: Item) -> Received:
    """Make the model say the case's script, and ask what comes of that."""
    case, wire = item.case, channel.wire
    try:
        script = await _script(channel, case, item.mode.cut)
    except Untried as failed:
        return Received(answer=failed.answer, trouble=str(failed))
    answer = await channel.ask(wire.ask(case, item.mode, channel.server, script))
    if reason := wire.refusal(answer):
        raise NotApplicable(f"the server's tokenizer cannot say the script: {reason}")
    stumbled = await _stumbled(channel, item, answer)
    following = await follow_up(channel, item, answer, ask)
    return Received(
        answer=answer,
        expect=expected(case, script),
        said=text_of(script),
        trouble=no_answer(answer, following) or stumbled,
        follow_up=following,
    )


async def _stumbled(channel: Channel, item: Item, answer: Answer) -> str | None:
    """Say so if a grammar may have made the server fail over the script.

    It did not if the request fails without its script too: then the failure is the server's own,
    over a good request.
    """
    failed = failure(answer)
    if failed is None or not is_bound(item.case, channel.server):
        return None
    wire = channel.wire
    body = wire.ended(wire.ask(item.case, item.mode, channel.server, None), SPARE_TOKENS)
    if (await channel.ask(body)).exchange.status == 500:
        return None
    return f"{failed} (a grammar that forbids the script may be why)"


async def _script(channel: Channel, case: Case, cut: str) -> Script:
    """Choose the script; raises `NotApplicable` where the server allows none."""
    scripts = scripts_of(case, channel.server)
    if not is_bound(case, channel.server):
        return scripts[0]
    # The tokens are cut as they will be: a grammar may forbid what one character alone begins.
    mode = replace(COMPLETE, cut=cut if case.cut_after is None else CHARACTERS.cut)
    asked = [channel.wire.ask(uncut(case), mode, channel.server, script) for script in scripts]
    trials = [channel.wire.tokens.shown(body) for body in asked]
    unsaid = "a grammar of the server forbids what the model would say"
    return await choose_once(channel, case.id, scripts, trials, _tried, _is_said, unsaid=unsaid)


async def _tried(channel: Channel, body: Json) -> Answer:
    """Ask for a trial's answer with its tokens, in each way that a server may show them."""
    tokens = channel.wire.tokens
    for asked in (body, tokens.spelled(body)):
        answer = await whole(channel, asked)
        if answer.exchange.status != 200 or tokens.of_script(answer):
            break
    return answer


async def _is_said(channel: Channel, answer: Answer, script: str) -> bool:
    """Whether the model said the script to its end, or as far as a limit of the wire's lets it."""
    ids = list(channel.wire.tokens.of_script(answer))
    if len(ids) < 2:
        return True  # a server that shows no tokens has no grammar that could bind them
    # The last one is the end of the sequence, or where a limit of the wire's has cut it.
    said = await channel.asker.detokenize(ids[:-1])
    limited = any(turn.ending == "limit" for turn in answer.turns)
    return said is None or said == script or (limited and script.startswith(said))


def foresee(wire: Wire, case: Case, mode: Mode, server: Server) -> Foreseen:
    """Foresee the script, and those that are tried where a grammar may forbid it."""
    scripts = scripts_of(case, server)
    bound = is_bound(case, server)
    tried = scripts if bound else []
    return Foreseen(
        body=wire.ask(case, mode, server, scripts[0]),
        says=text_of(scripts[0]),
        trials=tuple(wire.ask(uncut(case), COMPLETE, server, one) for one in tried),
    )


def plays(mode: Mode, server: Server) -> bool:
    """Take every mode: a script can be cut in any way."""
    return True


def about(server: Server) -> str:
    """Describe such a server."""
    return "the server says exactly what each case wants"


EMISSION = Emission(
    name="scripted",
    about=about,
    strategy=Strategy(
        ask=ask,
        foresee=foresee,
        plays=plays,
        is_compared=is_compared,
        relevance=(relevance.not_sent_back, relevance.in_one_chunk),
    ),
    in_order=in_order,
    sum_up=the_only,
    blame=blame_nobody,
)
