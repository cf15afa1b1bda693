"""Copied: a model says again what stands in its prompt, so any server says what each case wants."""

from __future__ import annotations

from dataclasses import replace

from conformance.base.jsonvalue import Json
from conformance.copying import asking
from conformance.copying.asking import NotSaid
from conformance.formats import FORMATS
from conformance.formats.format import text_of
from conformance.runs.channel import Channel
from conformance.runs.emissions.emission import (
    Emission,
    Foreseen,
    Received,
    Strategy,
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
from conformance.scripting import NotApplicable, scripts_of, tokens_until
from conformance.terms.case import CHARACTERS, COMPLETE, Case, Mode
from conformance.terms.said import Script
from conformance.terms.server import Server
from conformance.verdicts import relevance
from conformance.verdicts.item import Item
from conformance.wires.answer import Answer
from conformance.wires.wire import SPARE_TOKENS, Wire


async def ask(channel: Channel, item: Item) -> Received:
    """Put the case's script into its last message, and ask what comes of that."""
    case = item.case
    try:
        script = await _script(channel, case)
    except Untried as failed:
        return Received(answer=failed.answer, trouble=str(failed))
    answer = await channel.ask(_body(channel.wire, case, item.mode, channel.server, script))
    following = await follow_up(channel, item, answer, ask)
    return Received(
        answer=answer,
        expect=expected(case, script),
        said=text_of(script),
        trouble=no_answer(answer, following),
        follow_up=following,
    )


async def _script(channel: Channel, case: Case) -> Script:
    """Choose the script that the model is heard to say; raises `NotApplicable` if it says none.

    Each case is tried once, whatever its mode: nobody knows which grammars a server has.
    """
    wire = channel.wire
    scripts = scripts_of(case, channel.server)
    asked = [_body(wire, uncut(case), COMPLETE, channel.server, script) for script in scripts]
    trials = [wire.tokens.lettered(wire.tokens.shown(body)) for body in asked]
    unsaid = "a grammar or the template kept the model from saying its text"
    return await choose_once(channel, case.id, scripts, trials, whole, _is_said, unsaid=unsaid)


async def _is_said(channel: Channel, answer: Answer, script: str) -> bool:
    """Whether the model said the script to its end, as far as the server shows what it said."""
    end = FORMATS[channel.server.format].end
    ids = list(channel.wire.tokens.of_script(answer))
    if said := await channel.asker.detokenize(ids):
        return said.removesuffix(end) == script
    letters = channel.wire.tokens.letters(answer)
    if letters is None:
        return True  # the server was seen to copy before the run, and shows no more
    return letters.removesuffix(end.encode()) == script.encode("utf-8", "surrogatepass")


def _body(wire: Wire, case: Case, mode: Mode, server: Server, script: Script) -> Json:
    """Write the request; raises `NotApplicable` where the model cannot say the script."""
    if server.copies is None:
        raise NotApplicable("where the model looks was not measured")
    end = FORMATS[server.format].end
    try:
        messages = asking.dressed(case.messages, script, server.copies, end=end)
    except NotSaid as reason:
        raise NotApplicable(str(reason)) from None
    body = wire.ask(replace(case, messages=messages), mode, server, None)
    limit = len(text_of(script).encode("utf-8", "surrogatepass")) + SPARE_TOKENS
    return wire.limited(body, tokens_until(script, case.cut_after) if case.cut_after else limit)


def foresee(wire: Wire, case: Case, mode: Mode, server: Server) -> Foreseen:
    """Foresee the script, and one trial of each shape that it may have."""
    scripts = scripts_of(case, server)
    return Foreseen(
        body=_body(wire, case, mode, server, scripts[0]),
        says=text_of(scripts[0]),
        trials=tuple(_body(wire, uncut(case), COMPLETE, server, one) for one in scripts),
    )


def plays(mode: Mode, server: Server) -> bool:
    """Take the modes in which the server cuts freely: the model says bytes, and nothing larger."""
    return mode.cut == "tokens"


def why_not(case: Case) -> str | None:
    """Leave out what makes no sense if the text is cut into characters."""
    return "it is not for a text of bytes" if CHARACTERS.name in case.omits else None


def about(server: Server) -> str:
    """Describe such a server."""
    looks = server.copies.distances if server.copies else {}
    places = ", ".join(f"{count} tokens after {role}" for role, count in looks.items())
    return f"the model says again what stands in its prompt, so much at most: {places or 'unknown'}"


EMISSION = Emission(
    name="copied",
    about=about,
    strategy=Strategy(
        ask=ask,
        foresee=foresee,
        plays=plays,
        why_not=why_not,
        is_compared=is_compared,
        relevance=(relevance.not_sent_back, relevance.in_one_chunk),
    ),
    in_order=in_order,
    sum_up=the_only,
    blame=blame_nobody,
)
