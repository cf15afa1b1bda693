"""What is common to servers whose words are known beforehand, whoever puts them into the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from conformance.base.jsonvalue import Json
from conformance.base.statistics import Rate
from conformance.casefiles import modes
from conformance.client.sender import ASKED_FOR
from conformance.formats.format import text_of
from conformance.runs.channel import Channel
from conformance.runs.emissions.emission import Received
from conformance.scripting import NotApplicable, finished_calls
from conformance.terms.case import Case, Expectation
from conformance.terms.outcome import Level
from conformance.terms.said import Script
from conformance.terms.server import Server
from conformance.verdicts.blame import Blame
from conformance.verdicts.item import Item, Judged
from conformance.verdicts.verdict import Verdict
from conformance.wires.answer import Answer


class Untried(Exception):
    """No whole answer came when a script was tried: which one the server allows is not known."""

    def __init__(self, answer: Answer) -> None:
        """Keep the answer."""
        super().__init__(f"when the script was tried: {answer.exchange.error}")
        self.answer = answer


def expected(case: Case, script: Script) -> Expectation:
    """Add the calls that the limit left whole, which only the script shows."""
    if case.cut_after is None or case.says is None:
        return case.expect
    return replace(case.expect, finished=finished_calls(case.says, script, case.cut_after))


def uncut(case: Case) -> Case:
    """Leave out what cuts the answer: it would hide what a grammar says of the rest."""
    options = replace(case.options, limit=None, stop=None)
    return replace(case, options=options, cut_after=None)


async def whole(channel: Channel, body: Json) -> Answer:
    """Ask for a trial's answer; raises `Untried` if it is not whole."""
    answer = await channel.ask(body)
    if answer.exchange.error is not None:
        raise Untried(answer)
    return answer


Tried = Callable[[Channel, Json], Awaitable[Answer]]
"""Asks for the answer of a trial."""
IsSaid = Callable[[Channel, Answer, str], Awaitable[bool]]
"""Whether the model said a text in an answer."""


async def choose_once(
    channel: Channel,
    id: str,
    scripts: Sequence[Script],
    trials: Sequence[Json],
    tried: Tried,
    is_said: IsSaid,
    *,
    unsaid: str,
) -> Script:
    """Try which script is said to the end, as `choose` does, once for all items of the same trials.

    Items that would try others share nothing with them. A follow-up has its own item's answer in
    it: were one tried for all, which one would be luck, and another on each tape.
    """
    key = hashlib.sha256(json.dumps(trials).encode("ascii")).hexdigest()
    pairs = list(zip(scripts, trials, strict=True))
    return await channel.once(
        (id, key), lambda: choose(channel, id, pairs, tried, is_said, unsaid=unsaid)
    )


async def choose(
    channel: Channel,
    id: str,
    trials: Sequence[tuple[Script, Json]],
    tried: Tried,
    is_said: IsSaid,
    *,
    unsaid: str,
) -> Script:
    """Try which script is said to the end: a grammar of the server may forbid some.

    A script that is refused decides nothing: if every one is, the case's own exchange will show
    what is wrong. Raises `NotApplicable` with `unsaid` where something else was said, and `Untried`
    where an answer is not whole: another script might be said, and its like fail for what is not
    the server's fault.
    """
    ASKED_FOR.set(f"{id} script")
    diverted = False
    for script, body in trials:
        answer = await tried(channel, body)
        if answer.exchange.status != 200:
            continue
        if await is_said(channel, answer, text_of(script)):
            return script
        diverted = True
    if diverted:
        raise NotApplicable(unsaid)
    return trials[0][0]


def is_compared(server: Server) -> bool:
    """Hold every stream to the complete answer, in which the model said the same."""
    return True


def in_order(items: Iterable[Item]) -> Iterable[Item]:
    """Put the longest scripts first.

    A long answer begun last would leave the server with one request to do. The modes of a case
    stay together, so that few answers are wasted if the run must end early.
    """
    return sorted(items, key=lambda item: modes.length(item.case), reverse=True)


def the_only(
    item: Item, attempts: Sequence[Judged], *, earlier: Mapping[str, Rate], level: Level
) -> Judged:
    """Take the one attempt that there is: the same script would be said again."""
    (one,) = attempts
    return one


def blame_nobody(verdict: Verdict, received: Received, irrelevant: bool) -> Blame | None:
    """Leave the fault unnamed: it can only be the server's."""
    return None
