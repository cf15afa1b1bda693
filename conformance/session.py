"""One run against one server: ask ahead, wait, judge."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from conformance import assemble, sdk, turn
from conformance.assemble import Answer, Choice
from conformance.casefile import CUTS, derive
from conformance.exchange import ASKED_FOR, Asker
from conformance.formats import FORMATS
from conformance.formats.format import text_of
from conformance.known import Known
from conformance.model import (
    Case,
    Exchange,
    Expectation,
    Json,
    Level,
    Mode,
    Outcome,
    Prompt,
    Script,
    Server,
    Text,
)
from conformance.modes import COMPLETE, PROMPT
from conformance.request import (
    SCRIPT_FIELD,
    NotApplicable,
    build,
    check_applies,
    is_bound,
    scripts_of,
)
from conformance.rules import Evidence
from conformance.verdict import Verdict, decide, judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An answer, and the script that was to be said in it."""

    answer: Answer
    script: Script | None
    prompt: Prompt | None = None
    echo: Heard | None = None


Baseline = Mapping[tuple[str, str], Mapping[str, Outcome]]
"""What each rule came to in each item, by case and mode, when it was asked before."""

NO_BASELINE: Baseline = {}

Future = concurrent.futures.Future[Heard]


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
        before: Baseline = NO_BASELINE,
        level: Level = Level.MUST,
        asker: Asker,
    ) -> None:
        """Start the thread; ask nothing yet. The session closes the asker."""
        self.server = server
        self._known = known
        self._before = before
        self._level = level
        self._asked: dict[tuple[str, str], Future] = {}
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
        stay together, so that little is asked in vain if the run must end early.
        """
        for item in sorted(items, key=_effort, reverse=True):
            self._ask(item)

    def judge(self, item: Item) -> Judged:
        """Wait for an item's exchange and judge it."""
        try:
            heard = self._ask(item).result()
        except NotApplicable as reason:
            return Judged(item=item, verdict=Verdict(outcome=Outcome.NA, reason=str(reason)))
        answer, exchange = heard.answer, heard.answer.exchange
        if trouble := self._trouble(item, heard):
            verdict = Verdict(outcome=Outcome.ERROR, reason=trouble)
            return Judged(item=item, verdict=verdict, answer=answer)
        scripted = heard.script is not None
        refused = item.case.expect.refused
        evidence = Evidence(
            answer=answer,
            request=exchange.request,
            expect=item.case.expect if scripted or refused else Expectation(),
            said=text_of(heard.script) if heard.script is not None else None,
            format=FORMATS[self.server.format],
            complete=self._complete(item) if scripted and item.mode.stream else None,
            client=sdk.read(exchange) if exchange.status == 200 and not heard.prompt else None,
            prompt=heard.prompt,
            implementation=self.server.implementation,
            parser=self.server.parser,
            echo=self._next(item, heard),
        )
        verdict = decide(
            judge(evidence),
            known=self._known,
            case=item.case,
            mode=item.mode,
            bar=self._level,
            unexercised=_unexercised(item, evidence),
            sampled=not (scripted or refused or heard.prompt),
            before=self._before.get(item.key, {}),
        )
        return Judged(item=item, verdict=verdict, answer=answer)

    def _next(self, item: Item, heard: Heard) -> Evidence | None:
        """Put the answer to the answer together with what it must be."""
        if heard.echo is None or item.case.echo is None:
            return None
        answer, scripted = heard.echo.answer, heard.echo.script is not None
        # Not from the request, whose limit of tokens is the suite's own and cuts nothing.
        says, options = item.case.echo.says, turn.options(item.case)
        expect = derive(says, options) if scripted else Expectation()
        return Evidence(answer=answer, request=answer.exchange.request, expect=expect)

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
        if is_bound(item.case, self.server):
            return f"{told} (a grammar that forbids the script may be why)"
        return None  # the server's own failure over a good request

    def _complete(self, item: Item) -> Answer | None:
        """Give the answer to the same case asked without `stream`, if it is a good one."""
        try:
            answer = self._ask(Item(case=item.case, mode=COMPLETE)).result().answer
        except NotApplicable:
            return None
        good = answer.exchange.error is None and answer.exchange.status == 200
        return answer if good else None

    def _ask(self, item: Item) -> Future:
        if item.key not in self._asked:
            self._asked[item.key] = asyncio.run_coroutine_threadsafe(self._run(item), self._loop)
        return self._asked[item.key]

    async def _run(self, item: Item) -> Heard:
        ASKED_FOR.set(f"{item.case.id} {item.mode.name}")
        check_applies(item.case, item.mode, self.server)
        if item.mode == PROMPT:
            return await self._read_prompt(item.case)
        script = await self._script(item.case, item.mode.cut)
        body = build(item.case, item.mode, self.server, script)
        answer = assemble.read(await self._asker.ask(body))
        if script is not None and (reason := refusal(answer)):
            raise NotApplicable(f"the server's tokenizer cannot say the script: {reason}")
        following = turn.answered(item.case, answer)
        echo = await self._run(Item(case=following, mode=item.mode)) if following else None
        return Heard(script=script, answer=answer, echo=echo)

    async def _read_prompt(self, case: Case) -> Heard:
        """Ask which prompt the case makes; raises `NotApplicable` where the server cannot tell."""
        path = self.server.prompts or ""
        body = build(case, PROMPT, self.server, None)
        answer = assemble.read(await self._asker.render(path, body))
        if answer.exchange.status != 200 or answer.exchange.error:
            return Heard(script=None, answer=answer)
        text = await self._asker.detokenize(prompt_ids(answer))
        if text is None:
            raise NotApplicable(f"{path} and /detokenize do not show the prompt")
        without = body | {"add_generation_prompt": False}
        shorter = assemble.read(await self._asker.render(path, without))
        bare = await self._asker.detokenize(prompt_ids(shorter))
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
            body = build(case, mode, self.server, script) | {"return_token_ids": True}
            exchange = await self._asker.ask(body)
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
        tokens = token_ids(assemble.read(exchange))
        if len(tokens) < 2:
            return True  # a server that shows no tokens has none that a grammar could bind
        if case.cut_after is None:
            tokens = tokens[:-1]  # the end of the sequence
        said = await self._asker.detokenize(tokens)
        if said is None or said == script:
            return True
        limited = case.cut_after is not None or bool(CUTS & case.options.keys())
        return limited and script.startswith(said)


def refusal(answer: Answer) -> str | None:
    """Read the script plugin's own words, if it refused a script.

    New releases of vLLM answer a streamed request before they look at the script, and then put
    the refusal into the stream; the engine, where it is asked, can only say it.
    """
    for document in (answer.document, *(chunk.value for chunk in answer.chunks)):
        error = document.get("error") if isinstance(document, dict) else None
        told = error.get("message") if isinstance(error, dict) else None
        if isinstance(told, str) and told.startswith(f"{SCRIPT_FIELD}:"):
            return told
    said = answer.choices[0].content if answer.choices else ""
    return said if said.startswith(f"{SCRIPT_FIELD}:") else None


def token_ids(answer: Answer) -> list[int]:
    """Read the tokens of the first choice of a complete answer; empty if there are none."""
    try:
        found = answer.document["choices"][0]["token_ids"]
    except (LookupError, TypeError):
        return []
    return found if isinstance(found, list) else []


def prompt_ids(answer: Answer) -> list[int]:
    """Read the tokens of a prompt; empty if there are none."""
    document = answer.document if isinstance(answer.document, dict) else {}
    found = document.get("token_ids") or document.get("tokens")
    return found if isinstance(found, list) else []


def _effort(item: Item) -> int:
    says = item.case.says or ()
    return sum(len(part.text if isinstance(part, Text) else part.arguments) for part in says)


def _unexercised(item: Item, evidence: Evidence) -> str | None:
    answer = evidence.answer
    if answer.exchange.status != 200 or evidence.prompt is not None:
        return None
    if item.case.echo is not None and evidence.echo is None:
        return "the answer has not the calls that the results are for, so it was not sent back"
    if evidence.said is None:
        wanted = [call.name for call in item.case.expect.calls or ()]
        got = [[call.name for call in choice.calls] for choice in answer.choices]
        if item.case.expect.calls is not None and any(names != wanted for names in got):
            return f"the model called {got}, and the case is about {wanted}"
        return None
    fed_whole = item.mode.interval is not None and item.mode.interval >= 1000
    sent = max((_length(choice) for choice in answer.choices), default=0)
    if item.mode.stream and not fed_whole and sent > 40 and not evidence.truncated:
        full = [delta for choice in answer.choices for _, delta in choice.deltas if _carries(delta)]
        if len(full) == 1:
            return "the stream came in one chunk"
    return None


def _length(choice: Choice) -> int:
    return len(choice.content) + sum(len(call.arguments) for call in choice.calls)


def _carries(delta: Json) -> bool:
    return bool(delta.get("content") or delta.get("tool_calls"))
