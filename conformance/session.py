"""One run against one server: ask ahead, wait, judge."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from conformance import assemble, sdk
from conformance.assemble import Answer
from conformance.exchange import Asker, Limits
from conformance.formats import FORMATS
from conformance.formats.format import text_of
from conformance.known import Known
from conformance.model import Case, Exchange, Expectation, Json, Level, Mode, Outcome, Server
from conformance.request import COMPLETE, NotApplicable, build, script_of
from conformance.rules import Evidence
from conformance.verdict import Verdict, decide, judge

Future = concurrent.futures.Future[Exchange]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A case in a mode."""

    case: Case
    mode: Mode

    @property
    def key(self) -> tuple[str, str]:
        """Name the item."""
        return (self.case.id, self.mode.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An item with all that there is to say about it."""

    item: Item
    verdict: Verdict
    answer: Answer | None = None


class Session:
    """Asks one server, many items at a time, and judges each answer.

    The exchanges run on an event loop in a thread of their own; `judge` waits for its item's.
    """

    def __init__(
        self,
        server: Server,
        *,
        known: Known,
        level: Level = Level.MUST,
        limits: Limits,
        concurrency: int = 32,
        api_key: str | None = None,
    ) -> None:
        """Start the thread; ask nothing yet."""
        self.server = server
        self._known = known
        self._level = level
        self._limits = limits
        self._asked: dict[tuple[str, str], Future] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._asker = Asker(server.url, api_key, limits, concurrency)

    def close(self) -> None:
        """Break off what is under way and end the thread."""
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _shut(self) -> None:
        under_way = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._asker.close()

    def ask_ahead(self, items: Iterable[Item]) -> None:
        """Begin the exchanges of these items, the longest scripts first.

        A long answer begun last would leave the server with one request to do.
        """
        bodies = []
        for item in items:
            try:
                bodies.append((item.key, build(item.case, item.mode, self.server)))
            except NotApplicable:
                continue
        for key, body in sorted(bodies, key=lambda pair: -_effort(pair[1])):
            self._ask(key, body)

    def judge(self, item: Item) -> Judged:
        """Wait for an item's exchange and judge it."""
        try:
            body = build(item.case, item.mode, self.server)
        except NotApplicable as reason:
            return Judged(item=item, verdict=Verdict(outcome=Outcome.NA, reason=str(reason)))
        exchange = self._wait(item.key, body)
        if exchange.error is not None:
            verdict = Verdict(outcome=Outcome.ERROR, reason=exchange.error)
            return Judged(item=item, verdict=verdict, answer=assemble.read(exchange))
        answer = assemble.read(exchange)
        scripted = self.server.emission == "scripted"
        evidence = Evidence(
            answer=answer,
            request=body,
            expect=item.case.expect if scripted else Expectation(),
            said=text_of(script_of(item.case, self.server)) if scripted else None,
            format=FORMATS[self.server.format],
            complete=self._complete(item) if scripted and item.mode.stream else None,
            client=sdk.read(exchange) if exchange.status == 200 else None,
        )
        verdict = decide(
            judge(evidence),
            known=self._known,
            case=item.case,
            mode=item.mode,
            bar=self._level,
            unexercised=_unexercised(item, evidence),
        )
        return Judged(item=item, verdict=verdict, answer=answer)

    def _complete(self, item: Item) -> Answer | None:
        """Give the answer to the same case asked without `stream`, if it is a good one."""
        try:
            body = build(item.case, COMPLETE, self.server)
        except NotApplicable:
            return None
        exchange = self._wait((item.case.id, COMPLETE.name), body)
        if exchange.error is not None or exchange.status != 200:
            return None
        return assemble.read(exchange)

    def _ask(self, key: tuple[str, str], body: Json) -> Future:
        if key not in self._asked:
            self._asked[key] = asyncio.run_coroutine_threadsafe(self._asker.ask(body), self._loop)
        return self._asked[key]

    def _wait(self, key: tuple[str, str], body: Json) -> Exchange:
        return self._ask(key, body).result()


def _effort(body: Json) -> int:
    characters = body.get("max_completion_tokens") or body.get("max_tokens") or 0
    cut = '"cut":"characters"' in (body.get("vllm_xargs") or {}).get("conformance_script", "")
    return int(characters) * (4 if cut else 1)


def _unexercised(item: Item, evidence: Evidence) -> str | None:
    answer = evidence.answer
    if answer.exchange.status != 200:
        return None
    if evidence.said is None:
        wanted = [call.name for call in item.case.expect.calls or ()]
        got = [[call.name for call in choice.calls] for choice in answer.choices]
        if item.case.expect.calls is not None and any(names != wanted for names in got):
            return f"the model called {got}, and the case is about {wanted}"
        return None
    fed_whole = item.mode.interval is not None and item.mode.interval >= 1000
    if item.mode.stream and not fed_whole and len(evidence.said) > 40:
        full = [delta for choice in answer.choices for _, delta in choice.deltas if _carries(delta)]
        if len(full) == 1:
            return "the stream came in one chunk"
    return None


def _carries(delta: Json) -> bool:
    return bool(delta.get("content") or delta.get("tool_calls"))
