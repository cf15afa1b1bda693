"""What a kind of emission is: how items are asked, and what is made of the answers.

An `Emission` is a server's: who decides what is said there. A `Strategy` is an item's: most items
have that of the server's emission. In some the model has no part, whatever the server is.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from conformance.base.jsonvalue import Json
from conformance.base.statistics import Rate
from conformance.casefiles.expectation import derive
from conformance.rules import Evidence
from conformance.runs.channel import Channel, announce
from conformance.terms.case import Case, Expectation, Mode
from conformance.terms.exchange import ClientView, Prompt
from conformance.terms.outcome import Level
from conformance.terms.said import Call
from conformance.terms.server import Server
from conformance.verdicts.blame import Blame
from conformance.verdicts.item import Item, Judged
from conformance.verdicts.relevance import Check
from conformance.verdicts.spoken import Reading
from conformance.verdicts.transcript import Transcript
from conformance.verdicts.verdict import Judgement, Verdict
from conformance.wires.answer import Answer
from conformance.wires.wire import Wire

NOTHING_KNOWN = Expectation()
NO_TRANSCRIPT = Transcript()


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What came of asking an item once, and all that is known of it."""

    answer: Answer
    expect: Expectation = NOTHING_KNOWN
    """The truth: what the answer must hold."""
    said: str | None = None
    """The truth as text: what the model said."""
    trouble: str | None = None
    """Why no answer can be judged, if so."""
    transcript: Transcript = NO_TRANSCRIPT
    """What the tokens show of an answer without a script."""
    prompt: Prompt | None = None
    """What was asked for instead of an answer."""
    follow_up: Received | None = None
    """What came when the answer was sent back with results of its calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What one attempt at an item will ask, as far as that is known without a server."""

    body: Json | None = None
    """The request that the model answers; `None` if no model is asked."""
    says: str | None = None
    """What it is likely to answer; `None` if it is likely to be refused, and not charged for."""
    wordiness: int = 1
    """Tokens that the model says for each one of `says`."""
    trials: tuple[Json, ...] = ()
    """Requests that find out which script the server allows; the first is always sent."""
    free: int = 0
    """Requests that no model answers."""


class SumUp(Protocol):
    """Weighs all attempts at an item."""

    def __call__(
        self, item: Item, attempts: Sequence[Judged], *, earlier: Mapping[str, Rate], level: Level
    ) -> Judged:
        """Weigh the attempts; `earlier` says how often each rule was broken in the baseline."""


Ask = Callable[[Channel, Item], Coroutine[Any, Any, Received]]
Counterpart = tuple[Answer | None, str | None]
"""The complete answer that a stream is compared with, or why there is none."""


def claims_nothing(case: Case, mode: Mode) -> bool:
    """Leave every item to the emission of the server."""
    return False


def asks_all(case: Case) -> str | None:
    """Allow every case."""
    return None


def is_not_compared(server: Server) -> bool:
    """Hold no stream to its complete answer."""
    return False


def same(complete: Received, streamed: Received) -> Counterpart:
    """Take the complete answer: the model said the same in it."""
    return complete.answer, None


def excuse_nothing(
    judgements: tuple[Judgement, ...], evidence: Evidence, reading: Reading | None
) -> tuple[Judgement, ...]:
    """Let every judgement stand."""
    return judgements


def wants_no_call(item: Item, evidence: Evidence, reading: Reading | None) -> bool | None:
    """Say that no call depended on the model."""
    return None


def as_client(wire: Wire, answer: Answer) -> ClientView | None:
    """Let a client read the answer, if there is one."""
    return wire.client(answer.exchange) if answer.exchange.status == 200 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How an item is asked, and what is made of the answer."""

    ask: Ask
    """Raises `NotApplicable` where the item makes no sense on this server."""
    foresee: Callable[[Wire, Case, Mode, Server], Foreseen]
    plays: Callable[[Mode, Server], bool]
    """Whether an item can be asked in this mode."""
    claims: Callable[[Case, Mode], bool] = claims_nothing
    """Items that are asked so whatever the emission of the server is."""
    why_not: Callable[[Case], str | None] = asks_all
    """Why a case cannot be asked so, if so."""
    varies: bool = False
    """The model has a part in the answer: it is asked again, and a pass does not prove a fix."""
    is_compared: Callable[[Server], bool] = is_not_compared
    """Whether the complete answer is asked for beside a stream."""
    compare: Callable[[Received, Received], Counterpart] = same
    """Gives what a stream must be like, from the complete and the streamed answer."""
    view: Callable[[Wire, Answer], ClientView | None] = as_client
    relevance: tuple[Check, ...] = ()
    """What an answer must be like in order to exercise its case."""
    excuse: Callable[[tuple[Judgement, ...], Evidence, Reading | None], tuple[Judgement, ...]] = (
        excuse_nothing
    )
    """Lets no rule fail for what may not be the server's fault."""
    called: Callable[[Item, Evidence, Reading | None], bool | None] = wants_no_call
    """Whether the model made the wanted call; `None` if none was wanted of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """Where the answers of a server come from, and what that means for a run of many items."""

    name: str
    about: Callable[[Server], str]
    """In words, for the head of a run."""
    strategy: Strategy
    in_order: Callable[[Iterable[Item]], Iterable[Item]]
    """The order in which items are asked ahead."""
    sum_up: SumUp
    blame: Callable[[Verdict, Received, bool], Blame | None]
    """Whose fault an outcome is; the last is true if the answer did not exercise its case."""


def no_answer(answer: Answer, follow_up: Received | None = None) -> str | None:
    """Say why an answer is missing or not whole, the item's or its follow-up's, if so."""
    if follow_up is not None and follow_up.answer.exchange.error is not None:
        return f"its own answer sent back: {follow_up.answer.exchange.error}"
    return answer.exchange.error


def failure(answer: Answer) -> str | None:
    """Say that the server failed over a request, if so."""
    failed = answer.exchange.status == 500
    return f"the server answered 500: {answer.text[:300]}" if failed else None


async def follow_up(
    channel: Channel,
    item: Item,
    answer: Answer,
    ask: Ask,
) -> Received | None:
    """Send an answer back with the results of its calls, if the case wants that and it has them."""
    following = channel.wire.follow_up(item.case, answer)
    if following is None or item.case.echo is None:
        return None
    # Not from the request, whose limit of tokens is the suite's own and cuts nothing.
    expect = derive(item.case.echo.says, following.options)
    again = replace(item, case=replace(following, expect=expect))
    announce(again)
    return await ask(channel, again)


def supposed(case: Case) -> str:
    """Give the text that a case supposes for an answer, without any format's own."""
    parts = case.says or ()
    return "".join(
        f"{part.name}{part.arguments}" if isinstance(part, Call) else part.text for part in parts
    )
