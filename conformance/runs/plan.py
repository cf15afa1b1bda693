"""Counts the requests of a run and estimates their cost, without any server."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from conformance.base import statistics
from conformance.base.jsonvalue import Json
from conformance.casefiles import modes
from conformance.client.budget import Cost
from conformance.client.probe import RENDER
from conformance.formats.format import text_of
from conformance.scripting import NotApplicable, check_applies, is_bound, scripts_of
from conformance.terms.case import COMPLETE, PROMPT, Case, Mode
from conformance.terms.said import Call, Script
from conformance.terms.server import ROOM, Server
from conformance.wires.chat import cost, follow_up
from conformance.wires.chat.request import build

FREE = 4
"""Requests that read a prompt: with and without its end, as tokens and as text."""
READS = 3
"""Requests that read a sampled answer's tokens: all, all but the last, and its prompt's."""
ATTEMPTS = statistics.fewest(statistics.DEFAULT_BAR)
"""Attempts after which `--repeat` asks an item no more, if its answers agree."""
WORDY = 2
"""Tokens that a real model says for each one that the case supposes: it explains itself."""
NOTHING = Cost()
HOW = (
    f"prompts: a token for {cost.BYTES} bytes of messages and tools as JSON, and "
    f"{cost.TEMPLATE} for the template's words about tools",
    f"answers: a token for {cost.BYTES} bytes of the answer that the case supposes, "
    f"{WORDY} times as many if sampled; in stream-characters one for each character",
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


def server_of(parser: str, format: str, emission: str, room: int = ROOM) -> Server:
    """Suppose a vLLM, which can do all that the suite asks for."""
    return Server(
        url="http://127.0.0.1/v1",
        model="model",
        implementation="vllm",
        version=None,
        parser=parser,
        format=format,
        emission="scripted" if emission == "scripted" else "sampled",
        intervals=True,
        prompts=RENDER,
        room=room,
    )


def plan(cases: Iterable[Case], server: Server, cuts: str = "default", *, repeat: int = 1) -> Plan:
    """Count the requests of a run of these cases."""
    found = Plan(repeat=repeat)
    asked = modes.of_server(server, cuts)
    for case in cases:
        found.cases += 1
        heard: set[str] = set()
        for mode in modes.of_case(case, asked, server):
            try:
                check_applies(case, mode, server)
                once = _once(case, mode, server, heard)
            except NotApplicable as reason:
                found.idle[str(reason)] += 1
                continue
            found.items += 1
            most = repeat if modes.varies(case, mode, server) else 1
            likely = min(most, ATTEMPTS)
            found.likely += likely * once.likely
            found.most += most * once.most
            found.free += likely * once.free
    return found


def _once(case: Case, mode: Mode, server: Server, heard: set[str]) -> Plan:
    """Count one attempt at one item."""
    found = Plan()
    if mode == PROMPT:
        found.free += FREE
        return found
    if modes.varies(case, mode, server):
        found.free += READS
    silent = server.emission == "sampled" or case.expect.refused
    scripts = [] if silent else scripts_of(case, server)
    script = scripts[0] if scripts else None
    body = build(case, mode, server, script)
    if script is not None and is_bound(case, server) and mode.cut not in heard:
        heard.add(mode.cut)
        first, *others = (build(case, COMPLETE, server, one) for one in scripts)
        _count(found, first, script, mode)
        found.free += 1
        for other in others:  # asked only if a grammar forbids the first
            found.most += _most(other)
    _count(found, body, script, mode, case)
    if case.echo is not None and case.says is not None:
        calls = sum(isinstance(one, Call) for one in case.says)
        if calls == len(case.echo.results):
            said = "".join([_said(case), *case.echo.results])
            longer = {**body, **follow_up.options(case), "messages": [*body["messages"], said]}
            _count(found, longer, script, mode, case)
    return found


def _count(
    found: Plan, body: Json, script: Script | None, mode: Mode, case: Case | None = None
) -> None:
    most = _most(body)
    if script is not None:
        text = text_of(script)
        answer = len(text) if mode.cut == "characters" else cost.tokens_of(text)
    elif case is not None and case.expect.refused:
        most = Cost(requests=1, prompt=most.prompt, answer=most.answer)
        found.likely += Cost(requests=1)
        found.most += most
        return
    else:
        answer = WORDY * cost.tokens_of(_said(case) if case else "")
    choices = body["n"] if isinstance(body.get("n"), int) else 1
    likely = min(most.answer, answer * choices)
    found.likely += Cost(requests=1, prompt=most.prompt, answer=likely)
    found.most += most


def _most(body: Json) -> Cost:
    return Cost(requests=1, prompt=cost.prompt_of(body), answer=cost.limit_of(body))


def _said(case: Case) -> str:
    parts = case.says or ()
    return "".join(
        f"{part.name}{part.arguments}" if isinstance(part, Call) else part.text for part in parts
    )


def text(found: Plan, server: Server) -> str:
    """Write a plan for people."""
    likely, most = found.likely, found.most
    skipped = sum(found.idle.values())
    lines = [
        f"{server.emission}, {server.parser} parser, {server.format} format: "
        f"{found.cases} cases, {found.items} items",
        f"requests  about {likely.requests:,} to the model, at most {most.requests:,}; "
        f"{found.free:,} that no model answers",
        f"tokens    about {likely.tokens:,}: {likely.prompt:,} of prompts, "
        f"{likely.answer:,} of answers",
        f"at most   {most.tokens:,}: {most.prompt:,} of prompts, {most.answer:,} of answers",
    ]
    if skipped:
        lines.append(f"{skipped} more items do not apply to such a server")
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
        "max_tokens": server.room,
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
