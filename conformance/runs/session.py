"""One run against one server: ask ahead, wait, judge.

Only the strategies in `emissions` know kinds of servers and of requests.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from conformance.base import statistics
from conformance.base.statistics import Rate
from conformance.base.tasks import break_off
from conformance.client.sender import CONCURRENCY, Asker
from conformance.formats import FORMATS
from conformance.rules import Evidence
from conformance.runs.channel import Channel, announce
from conformance.runs.emissions import check_applies, emission_of, strategy_for
from conformance.runs.emissions.emission import Counterpart, Received, Strategy
from conformance.runs.room import CASE, Room
from conformance.scripting import NotApplicable
from conformance.terms.case import COMPLETE, STREAM, Mode
from conformance.terms.outcome import Level, Outcome
from conformance.terms.server import Server
from conformance.verdicts import relevance
from conformance.verdicts.item import Item, Judged, is_clear
from conformance.verdicts.known_issues import Known
from conformance.verdicts.verdict import Verdict, decide, judge

Baseline = Mapping[tuple[str, str], Mapping[str, Outcome]]
"""What each rule came to in each item, by case and mode, when it was asked before."""

NO_BASELINE: Baseline = {}

Earlier = Mapping[tuple[str, str], Mapping[str, Rate]]
"""How often each rule was broken in each item of a sampled baseline."""

NO_RATES: Earlier = {}

Future = concurrent.futures.Future[Received]


class Session:
    """Asks one server, many items at a time, and judges each answer.

    The exchanges run on an event loop in a thread of their own; `judge` waits for its item's.
    """

    def __init__(
        self,
        server: Server,
        *,
        known: Known,
        before: Baseline = NO_BASELINE,
        earlier: Earlier = NO_RATES,
        level: Level = Level.MUST,
        asker: Asker,
        at_once: int = CONCURRENCY,
        repeat: int = 1,
        required_rate: float = statistics.REQUIRED_RATE,
    ) -> None:
        """Start the thread; ask nothing yet. The session closes the asker.

        Where answers vary, each item is asked up to `repeat` times, until its rate of wanted calls
        is clearly on one side of `required_rate`.
        """
        self.server = server
        self._emission = emission_of(server)
        self._known = known
        self._before = before
        self._earlier = earlier
        self._level = level
        self._repeat = repeat
        self._required_rate = required_rate
        self._asked: dict[str, dict[tuple[str, int], Future]] = defaultdict(dict)
        """By case, and by mode and attempt."""
        self._to_come: dict[str, set[str]] = defaultdict(set)
        """Modes of each case that are not judged yet."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._channel = Channel(server=server, asker=asker, room=Room(at_once))

    def close(self) -> None:
        """Break off what is under way and end the thread."""
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _shut(self) -> None:
        await break_off()
        await self._channel.asker.close()

    @property
    def holds(self) -> set[str]:
        """The ids of the cases whose answers are held, or under way."""
        return set(self._asked)

    def ask_ahead(self, items: Iterable[Item]) -> None:
        """Begin the exchanges of these items, as many for each as it needs in any case."""
        coming = list(items)
        for item in coming:
            self._to_come[item.case.id].add(item.mode.name)
        for item in self._emission.in_order(coming):
            fewest = min(self._times(item), statistics.fewest(self._required_rate))
            for attempt in range(1, fewest + 1):
                self._ask(replace(item, attempt=attempt))

    def judge(self, item: Item) -> Judged:
        """Wait for an item's exchange and judge it; where answers vary, as often as it takes.

        With the last item of a case that was asked ahead, the answers to that case are let go.
        """
        self._loop.call_soon_threadsafe(self._channel.room.hurry, item.case.id)
        try:
            return self._weigh(item)
        finally:
            self._to_come[item.case.id].discard(item.mode.name)
            if not self._to_come[item.case.id]:
                self._drop(item.case.id)

    def _weigh(self, item: Item) -> Judged:
        attempts: list[Judged] = []
        rest = [replace(item, attempt=number) for number in range(1, self._times(item) + 1)]
        while rest and not is_clear(attempts, self._required_rate):
            if len(attempts) >= statistics.fewest(self._required_rate):
                for one in rest:  # all at once: waiting for each in turn would take as many times
                    self._ask(one)
            attempts.append(self._judge(rest.pop(0)))
        for one in rest:
            self._forget(one)
        earlier = self._earlier.get(item.key, {})
        return self._emission.sum_up(item, attempts, earlier=earlier, level=self._level)

    def _times(self, item: Item) -> int:
        return self._repeat if self._strategy(item).varies else 1

    def _strategy(self, item: Item) -> Strategy:
        return strategy_for(item.case, item.mode, self.server)

    def _judge(self, item: Item) -> Judged:
        try:
            received = self._ask(item).result()
        except NotApplicable as reason:
            return Judged(item=item, verdict=Verdict(outcome=Outcome.NA, reason=str(reason)))
        if received.trouble is not None:
            verdict = Verdict(outcome=Outcome.ERROR, reason=received.trouble)
            blamed = self._emission.blame(verdict, received, False)
            return Judged(item=item, verdict=verdict, answer=received.answer, fault=blamed)
        return self._weighed(item, received)

    def _weighed(self, item: Item, received: Received) -> Judged:
        """Judge an answer that is whole."""
        strategy, reading = self._strategy(item), received.transcript.reading
        evidence = self._evidence(item, received)
        irrelevant = relevance.why_irrelevant(strategy.relevance, item, evidence, reading)
        verdict = decide(
            strategy.excuse(judge(evidence), evidence, reading),
            known=self._known,
            case=item.case,
            mode=item.mode,
            failing_level=self._level,
            irrelevant=irrelevant,
            varies=strategy.varies,
            said=reading.classes if reading else None,
            before=self._before.get(item.key, {}),
        )
        return Judged(
            item=item,
            verdict=verdict,
            answer=received.answer,
            fault=self._emission.blame(verdict, received, irrelevant is not None),
            said=reading.text if reading else None,
            called=strategy.called(item, evidence, reading),
        )

    def _evidence(self, item: Item, received: Received) -> Evidence:
        """Put an answer together with what is known about it."""
        complete, incomparable = self._beside(item, COMPLETE, received)
        plain = None
        if complete is None and self._is_asked(item, STREAM):
            plain, _ = self._beside(item, STREAM, received)
        return Evidence(
            answer=received.answer,
            request=received.answer.exchange.request,
            asked=self._channel.wire.asked(received.answer.exchange.request),
            expect=received.expect,
            said=received.said,
            format=FORMATS[self.server.format],
            complete=complete,
            plain=plain,
            incomparable=incomparable,
            client=self._strategy(item).view(self._channel.wire, received.answer),
            prompt=received.prompt,
            implementation=self.server.implementation,
            parser=self.server.parser,
            echo=self._next(received.follow_up),
        )

    def _next(self, received: Received | None) -> Evidence | None:
        """Put the follow-up answer together with what it must be."""
        if received is None:
            return None
        answer, request = received.answer, received.answer.exchange.request
        asked = self._channel.wire.asked(request)
        return Evidence(answer=answer, request=request, asked=asked, expect=received.expect)

    def _beside(self, item: Item, mode: Mode, received: Received) -> Counterpart:
        """Give the answer to the same case asked in another mode, if it is a good one."""
        strategy = self._strategy(item)
        if not item.mode.stream or item.mode == mode or not strategy.is_compared(self.server):
            return None, None
        try:
            other = self._ask(replace(item, mode=mode)).result()
        except NotApplicable:
            return None, None
        exchange = other.answer.exchange
        if exchange.error is not None or exchange.status != 200:
            return None, None
        return strategy.compare(other, received)

    def _is_asked(self, item: Item, mode: Mode) -> bool:
        begun = self._asked[item.case.id].get((mode.name, item.attempt))
        return begun is not None and not begun.cancelled()

    def _ask(self, item: Item) -> Future:
        asked, key = self._asked[item.case.id], (item.mode.name, item.attempt)
        if key not in asked:
            running = self._run(item)
            try:
                asked[key] = asyncio.run_coroutine_threadsafe(running, self._loop)
            except BaseException:  # Ctrl-C
                running.close()
                raise
        return asked[key]

    def _forget(self, item: Item) -> None:
        """Break off an exchange that is no longer needed, if it has begun."""
        begun = self._asked[item.case.id].get((item.mode.name, item.attempt))
        # The complete answer is what its streams are compared with.
        if begun is not None and item.mode != COMPLETE:
            begun.cancel()

    def _drop(self, case: str) -> None:
        del self._to_come[case]
        for begun in self._asked.pop(case, {}).values():
            begun.cancel()
        self._loop.call_soon_threadsafe(self._channel.room.drop, case)

    async def _run(self, item: Item) -> Received:
        CASE.set(item.case.id)
        announce(item)
        check_applies(item.case, item.mode, self.server)
        return await self._strategy(item).ask(self._channel, item)
