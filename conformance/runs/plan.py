"""Counts the requests of a run and estimates their cost, without any server."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from conformance.base import statistics
from conformance.base.jsonvalue import Json
from conformance.base.printable import counted
from conformance.client.budget import BYTES_TO_A_TOKEN, Cost, tokens_of
from conformance.engines import registry
from conformance.runs import emissions
from conformance.runs.emissions import strategy_for
from conformance.runs.emissions.emission import Foreseen, supposed
from conformance.runs.emissions.sampled import WORDINESS
from conformance.scripting import NotApplicable
from conformance.terms.case import Case, Mode
from conformance.terms.said import Call
from conformance.terms.server import ANSWER_TOKENS, Server
from conformance.wires.registry import DEFAULT

ATTEMPTS = statistics.fewest(statistics.REQUIRED_RATE)
"""Attempts after which `--repeat` stops asking an item whose answers agree."""
NOTHING = Cost()
HOW = (
    f"prompts: {DEFAULT.meter.how}",
    f"answers: a token for {BYTES_TO_A_TOKEN} bytes of the answer that the case supposes, "
    f"{WORDINESS} times as many if sampled; in stream-characters one for each character",
    "at most: every answer goes on to the limit that its request sets",
)
AGAIN = f"{ATTEMPTS} attempts at an item whose answers agree; at most: all of --repeat"


@dataclass(slots=True, kw_only=True)
class Plan:
    """The counts of a run."""

    repeat: int = 1
    """The most attempts at an item of a sampled model."""
    cases: int = 0
    items: int = 0
    """The cases in modes that the run asks."""
    idle: Counter[str] = field(default_factory=Counter)
    """Items that do not apply to such a server, by reason."""
    likely: Cost = NOTHING
    most: Cost = NOTHING
    free: int = 0
    """Requests that no model answers."""


def server_of(parser: str, format: str, emission: str, room: int = ANSWER_TOKENS) -> Server:
    """Assume a server of the usual engine that can do all that the suite asks for."""
    unstarted = registry.DEFAULT.suppose(
        model="model",
        parser=parser,
        format=format,
        emission=emission,
        render_path=DEFAULT.greeting.prompts[0],
    )
    return replace(unstarted, answer_tokens=room)


def plan(cases: Iterable[Case], server: Server, cuts: str = "default", *, repeat: int = 1) -> Plan:
    """Count the requests of a run of these cases."""
    found = Plan(repeat=repeat)
    asked = emissions.modes_of_server(server, cuts)
    for case in cases:
        found.cases += 1
        tried: set[str] = set()
        for mode in emissions.modes_of_case(case, asked, server):
            try:
                emissions.check_applies(case, mode, server)
                once = _once(case, mode, server, tried)
            except NotApplicable as reason:
                found.idle[str(reason)] += 1
                continue
            found.items += 1
            most = repeat if strategy_for(case, mode, server).varies else 1
            likely = min(most, ATTEMPTS)
            found.likely += likely * once.likely
            found.most += most * once.most
            found.free += likely * once.free
    return found


def _once(case: Case, mode: Mode, server: Server, tried: set[str]) -> Plan:
    """Count one attempt at one item; `tried` has the cuts whose scripts were tried before."""
    foreseen = strategy_for(case, mode, server).foresee(DEFAULT, case, mode, server)
    found = Plan(free=foreseen.free)
    if foreseen.body is None:
        return found
    answer = _answer(foreseen, mode)
    if foreseen.trials and mode.cut not in tried:
        tried.add(mode.cut)
        _count_trials(found, foreseen, answer)
    _count(found, foreseen.body, answer)
    if case.echo is not None and case.says is not None:
        calls = sum(isinstance(one, Call) for one in case.says)
        if calls == len(case.echo.results):
            said = "".join([supposed(case), *case.echo.results])
            message = {"role": "assistant", "content": said}
            longer = replace(
                case,
                messages=(*case.messages, message),
                options=case.options.for_next_turn(),
                says=case.echo.says,
            )
            next_turn = strategy_for(longer, mode, server).foresee(DEFAULT, longer, mode, server)
            _count_trials(found, next_turn, answer)  # with its own item's answer in it: not shared
            _count(found, next_turn.body, answer)
    return found


def _count_trials(found: Plan, foreseen: Foreseen, answer: int | None) -> None:
    """Count the requests that find out which script the server allows, if there are any."""
    if not foreseen.trials:
        return
    first, *others = foreseen.trials
    _count(found, first, answer)
    found.free += 1
    for other in others:  # asked only if a grammar forbids the first
        found.most += _most(other)


def _answer(foreseen: Foreseen, mode: Mode) -> int | None:
    """Estimate the tokens of an answer; `None` if there will be none."""
    if foreseen.says is None:
        return None
    characters = mode.cut == "characters"
    tokens = len(foreseen.says) if characters else tokens_of(foreseen.says)
    return foreseen.wordiness * tokens


def _count(found: Plan, body: Json, answer: int | None) -> None:
    """Count a request whose answer has about this many tokens."""
    most = _most(body)
    found.most += most
    if answer is None:
        found.likely += Cost(requests=1)
        return
    answers = DEFAULT.asked(body).options.answers or 1
    likely = min(most.answer, answer * answers)
    found.likely += Cost(requests=1, prompt=most.prompt, answer=likely)


def _most(body: Json) -> Cost:
    return Cost(requests=1, prompt=DEFAULT.meter.prompt(body), answer=DEFAULT.meter.limit(body))


def text(found: Plan, server: Server) -> str:
    """Write a plan for people."""
    likely, most = found.likely, found.most
    skipped = sum(found.idle.values())
    lines = [
        f"{server.emission}, {server.parser} parser, {server.format} format: "
        f"{counted(found.cases, 'case')}, {counted(found.items, 'item')}",
        f"requests  about {likely.requests:,} to the model, at most {most.requests:,}; "
        f"{found.free:,} that no model answers",
        f"tokens    about {likely.tokens:,}: {likely.prompt:,} of prompts, "
        f"{likely.answer:,} of answers",
        f"at most   {most.tokens:,}: {most.prompt:,} of prompts, {most.answer:,} of answers",
    ]
    if skipped:
        lines.append(
            f"{counted(skipped, 'more item does', 'more items do')} not apply to such a server"
        )
    lines.append("how this is estimated:")
    for line in how(found):
        lines += textwrap.wrap(line, 78, initial_indent="  ", subsequent_indent="    ")
    lines.append("in addition, up to 4 short requests find out what the server is")
    return "\n".join(lines)


def how(found: Plan) -> list[str]:
    """Say how a plan was estimated."""
    return [*HOW, AGAIN] if found.repeat > 1 else list(HOW)


def document(found: Plan, server: Server) -> Json:
    """Write a plan for programs."""
    return {
        "schema": 1,
        "emission": server.emission,
        "parser": server.parser,
        "format": server.format,
        "repeat": found.repeat,
        "max_tokens": server.answer_tokens,
        "cases": found.cases,
        "items": found.items,
        "idle": dict(sorted(found.idle.items())),
        "free_requests": found.free,
        "likely": _cost(found.likely),
        "most": _cost(found.most),
        "how": how(found),
    }


def _cost(cost: Cost) -> Json:
    return {"requests": cost.requests, "prompt_tokens": cost.prompt, "answer_tokens": cost.answer}
