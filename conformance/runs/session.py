"""One run against one server: ask ahead, wait, judge."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from conformance.base import statistics
from conformance.base.statistics import Rate
from conformance.casefiles import modes
from conformance.casefiles.expectation import derive
from conformance.client.sender import ASKED_FOR, Asker
from conformance.formats import FORMATS
from conformance.formats.format import text_of
from conformance.rules import Evidence
from conformance.scripting import NotApplicable, check_applies, is_bound, scripts_of
from conformance.terms.case import COMPLETE, PROMPT, Case, Expectation
from conformance.terms.exchange import Exchange, Prompt
from conformance.terms.outcome import Level, Outcome
from conformance.terms.said import Script
from conformance.terms.server import Server
from conformance.verdicts import blame, relevance, transcript
from conformance.verdicts.blame import Fault
from conformance.verdicts.item import Item, Judged, is_clear, summed_up
from conformance.verdicts.known_issues import Known
from conformance.verdicts.spoken import Reading
from conformance.verdicts.transcript import Hearing, hear
from conformance.verdicts.verdict import Verdict, decide, judge
from conformance.wires.answer import Answer
from conformance.wires.registry import DEFAULT
from conformance.wires.wire import SPARE_TOKENS, Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An answer, and the script that was to be said in it, or what a sampled model said."""

    answer: Answer
    script: Script | None
    hearing: Hearing | None = None
    prompt: Prompt | None = None
    echo: Heard | None = None
    unforced: bool = False
    """The request fails without its script too, so that no grammar stumbled over that."""

    @property
    def reading(self) -> Reading | None:
        """What the text of a sampled model comes to, where it is known."""
        return self.hearing.reading if self.hearing else None


Baseline = Mapping[tuple[str, str], Mapping[str, Outcome]]
"""What each rule came to in each item, by case and mode, when it was asked before."""

NO_BASELINE: Baseline = {}

Earlier = Mapping[tuple[str, str], Mapping[str, Rate]]
"""How often each rule was broken in each item of a sampled baseline."""

NO_RATES: Earlier = {}

Future = concurrent.futures.Future[Heard]


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
        wire: Wire = DEFAULT,
        repeat: int = 1,
        bar: float = statistics.DEFAULT_BAR,
    ) -> None:
        """Start the thread; ask nothing yet. The session closes the asker.

        A sampled model is asked each item up to `repeat` times, until its rate of wanted calls is
        clearly on one side of `bar`.
        """
        self.server = server
        self._wire = wire
        self._known = known
        self._before = before
        self._earlier = earlier
        self._level = level
        self._repeat = repeat
        self._bar = bar
        self._asked: dict[tuple[str, str, int], Future] = {}
        self._choosing: dict[tuple[str, str], asyncio.Future[Script]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._asker = asker

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

        A long answer begun last would leave the server with one request to do. The modes of a case
        stay together, so that little is asked in vain if the run must end early. How long a model
        talks is its own affair: it is asked in the order of judgement, so that progress shows.
        """
        if self.server.emission == "scripted":
            items = sorted(items, key=lambda item: modes.length(item.case), reverse=True)
        for item in items:
            for attempt in range(1, min(self._times(item), statistics.fewest(self._bar)) + 1):
                self._ask(replace(item, attempt=attempt))

    def judge(self, item: Item) -> Judged:
        """Wait for an item's exchange and judge it; a sampled one as often as it takes."""
        if self.server.emission == "scripted":
            return self._judge(item)
        attempts: list[Judged] = []
        rest = [replace(item, attempt=number) for number in range(1, self._times(item) + 1)]
        while rest and not is_clear(attempts, self._bar):
            if len(attempts) >= statistics.fewest(self._bar):
                for one in rest:  # all at once: waiting for each in turn would take as many times
                    self._ask(one)
            attempts.append(self._judge(rest.pop(0)))
        for one in rest:
            self._forget(one)
        return summed_up(item, attempts, earlier=self._earlier.get(item.key, {}), level=self._level)

    def _times(self, item: Item) -> int:
        return self._repeat if modes.varies(item.case, item.mode, self.server) else 1

    def _judge(self, item: Item) -> Judged:
        try:
            heard = self._ask(item).result()
        except NotApplicable as reason:
            return Judged(item=item, verdict=Verdict(outcome=Outcome.NA, reason=str(reason)))
        answer = heard.answer
        if trouble := self._trouble(item, heard):
            verdict = Verdict(outcome=Outcome.ERROR, reason=trouble)
            return Judged(item=item, verdict=verdict, answer=answer, fault=self._fault(verdict))
        evidence, reading = self._evidence(item, heard), heard.reading
        scripted = heard.script is not None
        judgements = judge(evidence)
        if not scripted and not heard.prompt:
            judgements = blame.excuse(judgements, evidence, reading)
        unexercised = relevance.missed(item, evidence, reading)
        verdict = decide(
            judgements,
            known=self._known,
            case=item.case,
            mode=item.mode,
            bar=self._level,
            unexercised=unexercised,
            sampled=not (scripted or item.case.expect.refused or heard.prompt),
            said=reading.classes if reading else None,
            before=self._before.get(item.key, {}),
        )
        return Judged(
            item=item,
            verdict=verdict,
            answer=answer,
            fault=self._fault(verdict, heard, unexercised=unexercised is not None),
            said=reading.text if reading else None,
            called=None if scripted else relevance.called(item, evidence, reading),
        )

    def _evidence(self, item: Item, heard: Heard) -> Evidence:
        """Put an answer together with what is known about it."""
        exchange = heard.answer.exchange
        reading = heard.reading
        expect = Expectation()
        said = reading.text if reading else None
        if heard.script is not None:
            expect, said = item.case.expect, text_of(heard.script)
        elif item.case.expect.refused:
            expect = item.case.expect
        elif reading is not None:
            expect = reading.expect
        complete, unlike = self._complete(item, heard) if item.mode.stream else (None, None)
        return Evidence(
            answer=heard.answer,
            request=exchange.request,
            expect=expect,
            said=said,
            format=FORMATS[self.server.format],
            complete=complete,
            unlike=unlike,
            client=self._wire.client(exchange)
            if exchange.status == 200 and not heard.prompt
            else None,
            asked=self._wire.asked(exchange.request),
            prompt=heard.prompt,
            implementation=self.server.implementation,
            parser=self.server.parser,
            echo=self._next(item, heard),
        )

    def _fault(
        self, verdict: Verdict, heard: Heard | None = None, *, unexercised: bool = False
    ) -> Fault | None:
        """Say whose fault it is, of a sampled server; a scripted model has none of its own."""
        if self.server.emission == "scripted":
            return None
        hearing = (heard.hearing if heard else None) or Hearing()
        made = heard is not None and any(turn.calls for turn in heard.answer.turns)
        return blame.of(
            verdict,
            hearing.reading,
            unexercised=unexercised,
            unshown=hearing.unshown,
            lost=hearing.reading is not None and "call" in hearing.reading.classes and not made,
        )

    def _next(self, item: Item, heard: Heard) -> Evidence | None:
        """Put the answer to the answer together with what it must be."""
        if heard.echo is None or item.case.echo is None:
            return None
        answer, reading = heard.echo.answer, heard.echo.reading
        expect = reading.expect if reading else Expectation()
        if heard.echo.script is not None:
            # Not from the request, whose limit of tokens is the suite's own and cuts nothing.
            expect = derive(item.case.echo.says, item.case.options.for_next_turn())
        request = answer.exchange.request
        asked = self._wire.asked(request)
        return Evidence(answer=answer, request=request, asked=asked, expect=expect)

    def _trouble(self, item: Item, heard: Heard) -> str | None:
        """Say why there is no answer to judge, if so."""
        if heard.echo is not None and heard.echo.answer.exchange.error is not None:
            return f"its own answer sent back: {heard.echo.answer.exchange.error}"
        exchange = heard.answer.exchange
        if exchange.error is not None or exchange.status != 500:
            return exchange.error
        if item.case.expect.refused or item.mode == PROMPT:
            return None
        told = f"the server answered 500: {heard.answer.text[:300]}"
        if heard.script is None:
            return told
        if is_bound(item.case, self.server) and not heard.unforced:
            return f"{told} (a grammar that forbids the script may be why)"
        return None  # the server's own failure over a good request

    def _complete(self, item: Item, heard: Heard) -> tuple[Answer | None, str | None]:
        """Give the answer to the same case asked without `stream`, if it is a good one.

        Of a sampled model, only one of the same tokens, or why there is none.
        """
        sampled = heard.script is None
        if sampled and (heard.hearing is None or not self.server.tokens):
            return None, None
        try:
            other = self._ask(replace(item, mode=COMPLETE)).result()
        except NotApplicable:
            return None, None
        answer = other.answer
        if answer.exchange.error is not None or answer.exchange.status != 200:
            return None, None
        if sampled and (other.hearing is None or other.hearing.ids is None):
            return None, None
        if sampled and heard.hearing is not None and other.hearing is not None:
            unlike = transcript.apart(other.hearing, heard.hearing)
            return (None, unlike) if unlike else (answer, None)
        return answer, None

    def _ask(self, item: Item) -> Future:
        key = (*item.key, item.attempt)
        if key not in self._asked:
            self._asked[key] = asyncio.run_coroutine_threadsafe(self._run(item), self._loop)
        return self._asked[key]

    def _forget(self, item: Item) -> None:
        """Break off an exchange that is not needed any more, unless it was not begun."""
        begun = self._asked.get((*item.key, item.attempt))
        # The complete answer is what its streams are compared with.
        if begun is not None and item.mode != COMPLETE:
            begun.cancel()

    async def _run(self, item: Item) -> Heard:
        ASKED_FOR.set(f"{item.case.id} {item.mode.name} {item.attempt}")
        check_applies(item.case, item.mode, self.server)
        if item.mode == PROMPT:
            return await self._read_prompt(item.case)
        script = await self._script(item.case, item.mode.cut)
        body = self._wire.ask(item.case, item.mode, self.server, script)
        answer = self._wire.read(await self._asker.ask(self._wire.path, body))
        if script is not None and (reason := self._wire.refusal(answer)):
            raise NotApplicable(f"the server's tokenizer cannot say the script: {reason}")
        if script is None and self._wire.is_too_long(answer, self.server):
            raise NotApplicable(
                f"the prompt and {self.server.room} tokens are more than the server's context"
            )
        heard = await self._hear(item.case, answer) if script is None else None
        doubtful = script is not None and is_bound(item.case, self.server)
        failed = answer.exchange.status == 500
        unforced = doubtful and failed and await self._fails_unforced(item)
        following = self._wire.follow_up(item.case, answer)
        echo = await self._run(replace(item, case=following)) if following else None
        return Heard(script=script, answer=answer, hearing=heard, echo=echo, unforced=unforced)

    async def _fails_unforced(self, item: Item) -> bool:
        """Ask a request that was answered 500 again, and let the model say what it likes."""
        body = self._wire.ask(item.case, item.mode, self.server, None)
        body = self._wire.limited(body, SPARE_TOKENS)
        return (await self._asker.ask(self._wire.path, body)).status == 500

    async def _hear(self, case: Case, answer: Answer) -> Hearing | None:
        if not self.server.tokens or case.expect.refused:
            return None
        wanted = [call.name for call in case.expect.calls or ()]
        format = FORMATS[self.server.format]
        return await hear(self._asker, self._wire, answer, format, wanted=wanted)

    async def _read_prompt(self, case: Case) -> Heard:
        """Ask which prompt the case makes; raises `NotApplicable` where the server cannot tell."""
        path = self.server.prompts or ""
        body = self._wire.ask(case, PROMPT, self.server, None)
        answer = self._wire.read(await self._asker.ask(path, body))
        if answer.exchange.status != 200 or answer.exchange.error:
            return Heard(script=None, answer=answer)
        text = await self._asker.detokenize(list(self._wire.tokens.prompt(answer)))
        if text is None:
            raise NotApplicable(f"{path} and /detokenize do not show the prompt")
        without = self._wire.tokens.bare(body)
        shorter = self._wire.read(await self._asker.ask(path, without))
        bare = await self._asker.detokenize(list(self._wire.tokens.prompt(shorter)))
        return Heard(script=None, answer=answer, prompt=Prompt(text=text, bare=bare))

    async def _script(self, case: Case, cut: str) -> Script | None:
        """Choose the script; raises `NotApplicable` where the server lets none be said."""
        if self.server.emission == "sampled" or case.expect.refused:
            return None
        scripts = scripts_of(case, self.server)
        if not is_bound(case, self.server):
            return scripts[0]
        key = (case.id, cut)
        if key not in self._choosing:
            self._choosing[key] = asyncio.ensure_future(self._choose(case, cut, scripts))
        return await self._choosing[key]

    async def _choose(self, case: Case, cut: str, scripts: list[Script]) -> Script:
        """Try which script is said to the end: a grammar of the server may forbid some.

        A script that leads to no answer at all decides nothing: if every one does, the case's own
        exchange will tell what is wrong.
        """
        ASKED_FOR.set(f"{case.id} script")
        mode = replace(COMPLETE, cut=cut)
        diverted = False
        for script in scripts:
            body = self._wire.tokens.shown(self._wire.ask(case, mode, self.server, script))
            exchange = await self._asker.ask(self._wire.path, body)
            if exchange.error is not None or exchange.status != 200:
                continue
            if await self._is_said(case, exchange, text_of(script)):
                return script
            diverted = True
        if diverted:
            raise NotApplicable("a grammar of the server forbids what the model would say")
        return scripts[0]

    async def _is_said(self, case: Case, exchange: Exchange, script: str) -> bool:
        """Whether the model said the script to its end, or as far as the case lets it."""
        ids = list(self._wire.tokens.of_script(self._wire.read(exchange)))
        if len(ids) < 2:
            return True  # a server that shows no tokens has none that a grammar could bind
        if case.cut_after is None:
            ids = ids[:-1]  # the end of the sequence
        said = await self._asker.detokenize(ids)
        if said is None or said == script:
            return True
        limited = case.cut_after is not None or case.options.may_cut
        return limited and script.startswith(said)
