"""Sampled: the model answers as it likes, and its choices are never the server's failure."""

from __future__ import annotations

from collections.abc import Iterable

from conformance.formats import FORMATS
from conformance.runs.channel import Channel
from conformance.runs.emissions.emission import (
    NO_TRANSCRIPT,
    NOTHING_KNOWN,
    Counterpart,
    Emission,
    Foreseen,
    Received,
    Strategy,
    failure,
    follow_up,
    no_answer,
    supposed,
)
from conformance.scripting import NotApplicable
from conformance.terms.case import Case, Mode
from conformance.terms.server import Server
from conformance.verdicts import blame, relevance, transcript
from conformance.verdicts.blame import Blame
from conformance.verdicts.item import Item, summed_up
from conformance.verdicts.transcript import Transcript
from conformance.verdicts.verdict import Verdict
from conformance.wires.answer import Answer
from conformance.wires.wire import Wire

READS = 3
"""Requests that read an answer's tokens: with and without the last, and its prompt's."""
WORDINESS = 2
"""Tokens that a real model says for each one that the case supposes: it explains itself."""


async def ask(channel: Channel, item: Item) -> Received:
    """Let the model answer, and read what it said from its tokens where they are shown."""
    server, wire = channel.server, channel.wire
    body = wire.sampled(wire.ask(item.case, item.mode, server, None), server)
    answer = await channel.ask(body)
    if wire.is_too_long(answer, server):
        raise NotApplicable(
            f"the prompt and {server.answer_tokens} tokens are more than the server's context"
        )
    known = await _transcript(channel, item.case, answer)
    following = await follow_up(channel, item, answer, ask)
    return Received(
        answer=answer,
        expect=known.reading.expect if known.reading else NOTHING_KNOWN,
        said=known.reading.text if known.reading else None,
        trouble=no_answer(answer, following) or failure(answer),
        transcript=known,
        follow_up=following,
    )


async def _transcript(channel: Channel, case: Case, answer: Answer) -> Transcript:
    if not channel.server.shows_token_ids:
        return NO_TRANSCRIPT
    wanted = [call.name for call in case.expect.calls or ()]
    format = FORMATS[channel.server.format]
    return await transcript.transcribe(channel.asker, channel.wire, answer, format, wanted=wanted)


def foresee(wire: Wire, case: Case, mode: Mode, server: Server) -> Foreseen:
    """Suppose that the model says what the case supposes, in more words."""
    body = wire.sampled(wire.ask(case, mode, server, None), server)
    return Foreseen(body=body, says=supposed(case), wordiness=WORDINESS, free=READS)


def plays(mode: Mode, server: Server) -> bool:
    """Take the modes in which the server cuts freely: the text is not known beforehand."""
    asked = (mode.interval, mode.steps, mode.drafts, mode.stop)
    return mode.cut == "tokens" and all(one is None for one in asked)


def why_not(case: Case) -> str | None:
    """Leave out what no model can be relied on to say."""
    return None if case.sampled else "only a script makes a model say that"


def shows_tokens(server: Server) -> bool:
    """Compare only where the tokens show whether the model said the same twice."""
    return server.shows_token_ids


def same_tokens(complete: Received, streamed: Received) -> Counterpart:
    """Hold a stream to the complete answer if both have the same tokens."""
    if complete.transcript.ids is None:
        return None, None
    different = transcript.difference(complete.transcript, streamed.transcript)
    return (None, different) if different else (complete.answer, None)


def in_order(items: Iterable[Item]) -> Iterable[Item]:
    """Keep the order of judgement, so that progress shows: nobody knows which answer is long."""
    return items


def blame_somebody(verdict: Verdict, received: Received, irrelevant: bool) -> Blame | None:
    """Say whose fault it is: the model has a part in every answer."""
    reading = received.transcript.reading
    made = any(turn.calls for turn in received.answer.turns)
    return blame.blame_for(
        verdict,
        reading,
        irrelevant=irrelevant,
        unshown=received.transcript.unshown,
        lost=reading is not None and "call" in reading.classes and not made,
    )


def about(server: Server) -> str:
    """Describe such a server."""
    known = (
        "what it said is read from its tokens"
        if server.shows_token_ids
        else "the truth is not known"
    )
    return f"the model answers as it likes; {known}"


EMISSION = Emission(
    name="sampled",
    about=about,
    strategy=Strategy(
        ask=ask,
        foresee=foresee,
        plays=plays,
        why_not=why_not,
        varies=True,
        is_compared=shows_tokens,
        compare=same_tokens,
        relevance=(relevance.other_calls, relevance.not_sent_back),
        excuse=blame.excuse,
        called=relevance.called,
    ),
    in_order=in_order,
    sum_up=summed_up,
    blame=blame_somebody,
)
