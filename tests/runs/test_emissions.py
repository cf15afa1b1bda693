"""How an item is asked is chosen once, by the server's emission and the kind of request."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.base.jsonvalue import Json
from conformance.base.schema import misfit
from conformance.base.sse import Read
from conformance.casefiles.expectation import derive
from conformance.casefiles.modes import THOROUGH
from conformance.client.sender import DETOKENIZE, Asker
from conformance.runs import emissions
from conformance.runs.channel import Channel
from conformance.runs.emissions import (
    CLAIMING,
    EMISSIONS,
    check_applies,
    modes_of_case,
    modes_of_server,
    prompts,
    refused,
    scripted,
    strategy_for,
)
from conformance.runs.emissions.emission import Received, Strategy
from conformance.runs.plan import document, plan, server_of
from conformance.runs.session import Session
from conformance.scripting import NotApplicable
from conformance.terms.asked import NO_OPTIONS, Options
from conformance.terms.case import COMPLETE, PROMPT, STREAM, Case, Expectation, Mode
from conformance.terms.exchange import Exchange
from conformance.terms.outcome import Outcome
from conformance.terms.said import Text
from conformance.verdicts.item import Item
from conformance.verdicts.known_issues import Known
from conformance.wires.registry import DEFAULT
from conformance.wires.wire import SPARE_TOKENS
from tests.evidence import PARIS, SCRIPTED, TOOLS

SERVER = replace(SCRIPTED, takes_interval=True, render_path="/tokenize")
SAMPLED = replace(SERVER, emission="sampled")
CASE = Case(
    id="single/one",
    about="One call.",
    path=Path("single.yaml"),
    line=3,
    messages=({"role": "user", "content": "Hi"},),
    tools=tuple(TOOLS),
    says=(PARIS,),
)
SENSELESS = replace(
    CASE,
    says=None,
    expect=Expectation(refused=True),
    wire={"chat": {"tool_choice": "some"}},
)
STOP = Mode(name="stream-stop-8", stream=True, stop=8)


class Closed:
    """Refuses everything, and keeps what it was asked."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    async def send(self, path: str, body: Any) -> Exchange:
        self.bodies.append(body)
        return Exchange(request=body, status=400)

    async def close(self) -> None:
        pass


def all_asked(case: Case, mode: Mode, server: Any) -> list[Json]:
    """Give the bodies of the requests for an item."""
    sender = Closed()
    channel = Channel(server=server, asker=Asker(sender))
    asyncio.run(strategy_for(case, mode, server).ask(channel, Item(case=case, mode=mode)))
    return sender.bodies


def asked(case: Case, mode: Mode, server: Any) -> Json:
    """Give the body of the first request for an item."""
    return all_asked(case, mode, server)[0]


def names(*found: Mode) -> list[str]:
    return [mode.name for mode in found]


@pytest.mark.parametrize("server", [SERVER, SAMPLED], ids=lambda server: server.emission)
@pytest.mark.parametrize(
    ("case", "mode", "chosen"),
    [
        (CASE, COMPLETE, None),
        (CASE, STREAM, None),
        (CASE, PROMPT, prompts.STRATEGY),
        (SENSELESS, COMPLETE, refused.STRATEGY),
        (SENSELESS, PROMPT, refused.STRATEGY),
    ],
)
def test_an_item_has_the_strategy_of_its_server_unless_the_model_has_no_part(
    server: Any, case: Case, mode: Mode, chosen: Strategy | None
) -> None:
    wanted = chosen or EMISSIONS[server.emission].strategy
    assert strategy_for(case, mode, server) is wanted


def test_no_two_strategies_claim_one_item() -> None:
    for case in (CASE, SENSELESS):
        for mode in (*THOROUGH, PROMPT):
            assert sum(one.claims(case, mode) for one in CLAIMING) <= 1


def test_every_file_of_the_folder_is_an_emission_or_claims_items() -> None:
    folder = Path(emissions.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "emission", "known_text"}
    assert files == EMISSIONS.keys() | {"prompts", "refused"}
    assert len(CLAIMING) == len(files - EMISSIONS.keys())


@pytest.mark.parametrize("name", EMISSIONS)
def test_what_a_plan_says_of_an_emission_can_be_written(name: str) -> None:
    server = server_of("hermes", "hermes", name)
    assert misfit(document(plan([CASE], server), server), "planned") is None


def test_a_sampled_server_cannot_be_told_how_to_cut() -> None:
    assert names(*modes_of_server(SAMPLED)) == ["complete", "stream"]
    assert names(*modes_of_server(SAMPLED, "thorough")) == ["complete", "stream"]


def test_a_mode_that_the_server_cannot_be_asked_in_is_left_out() -> None:
    case = replace(CASE, modes=(PROMPT, STOP))
    assert modes_of_case(case, (COMPLETE,), SERVER) == [COMPLETE, PROMPT, STOP]
    closed = replace(SERVER, render_path=None)
    assert modes_of_case(case, (COMPLETE,), closed) == [COMPLETE, STOP]
    assert modes_of_case(case, (COMPLETE,), SAMPLED) == [COMPLETE, PROMPT]


def test_a_request_that_is_refused_is_asked_complete_and_streamed_only() -> None:
    case = replace(SENSELESS, modes=(PROMPT, STOP))
    assert modes_of_case(case, THOROUGH, SERVER) == [COMPLETE, STREAM]
    assert modes_of_case(case, (COMPLETE, STREAM), SAMPLED) == [COMPLETE, STREAM]


@pytest.mark.parametrize("server", [SERVER, SAMPLED], ids=lambda server: server.emission)
def test_a_request_that_is_to_be_refused_has_a_limit_in_case_it_is_not(server: Any) -> None:
    body = asked(SENSELESS, COMPLETE, server)
    assert (body["tool_choice"], body["max_completion_tokens"]) == ("some", SPARE_TOKENS)
    assert not body.keys() & {"seed", "return_token_ids"}


def test_a_sampled_request_leaves_the_model_free_but_not_without_end() -> None:
    assert asked(CASE, COMPLETE, SAMPLED) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": TOOLS,
        "temperature": 0,
        "seed": 1,
        "max_completion_tokens": 1024,
    }
    short = asked(CASE, COMPLETE, replace(SAMPLED, answer_tokens=9))
    assert short["max_completion_tokens"] == 9
    own = asked(replace(CASE, options=Options(limit=7)), COMPLETE, SAMPLED)
    assert (own["max_tokens"], "max_completion_tokens" in own) == (7, False)


def test_a_sampled_request_asks_for_tokens_where_the_server_shows_them() -> None:
    shows = replace(SAMPLED, shows_token_ids=True)
    assert asked(CASE, COMPLETE, shows)["return_token_ids"] is True
    streamed = asked(CASE, STREAM, shows)
    assert streamed["stream_options"] == {"include_usage": True}
    assert "stream_options" not in asked(CASE, STREAM, SAMPLED)
    usage = {"stream_options": {"include_usage": False}}
    own = replace(CASE, options=Options(seed=7), wire={"chat": usage})
    body = asked(own, STREAM, shows)
    assert (body["stream_options"], body["seed"]) == ({"include_usage": False}, 7)
    nothing = replace(CASE, wire={"chat": {"stream_options": None}})
    assert asked(nothing, STREAM, shows)["stream_options"] == {"include_usage": True}


def test_a_prompt_is_asked_for_without_what_is_for_answers() -> None:
    body = asked(CASE, PROMPT, replace(SAMPLED, shows_token_ids=True))
    assert not body.keys() & {"seed", "return_token_ids", "max_completion_tokens"}


def test_a_prompt_can_be_read_even_of_a_case_that_no_model_can_be_asked() -> None:
    scripted_only = replace(CASE, sampled=False)
    check_applies(scripted_only, COMPLETE, SERVER)
    check_applies(scripted_only, PROMPT, SAMPLED)
    with pytest.raises(NotApplicable, match="only a script makes a model say that"):
        check_applies(scripted_only, COMPLETE, SAMPLED)


@pytest.mark.parametrize("server", [SERVER, SAMPLED], ids=lambda server: server.emission)
@pytest.mark.parametrize("case", [CASE, SENSELESS], ids=["call", "refused"])
@pytest.mark.parametrize("mode", [COMPLETE, STREAM], ids=lambda mode: mode.name)
def test_what_is_foreseen_is_what_is_asked(case: Case, mode: Mode, server: Any) -> None:
    foreseen = strategy_for(case, mode, server).foresee(DEFAULT, case, mode, server)
    assert foreseen.body == asked(case, mode, server)


@pytest.mark.parametrize(
    "cut", [{"options": Options(choice="required", stop="Par", limit=3)}, {"cut_after": '"Par'}]
)
def test_a_script_is_tried_without_what_cuts_it(cut: dict[str, Any]) -> None:
    case = replace(replace(CASE, options=Options(choice="required")), **cut)
    trial, *_, judged = all_asked(case, COMPLETE, SERVER)
    limits = [one.get("max_tokens") or one["max_completion_tokens"] for one in (trial, judged)]
    whole = asked(CASE, COMPLETE, SERVER)["max_completion_tokens"]
    assert limits[1] < limits[0] == whole
    assert "stop" not in trial
    assert trial["vllm_xargs"] == judged["vllm_xargs"]


def test_the_longest_scripts_are_asked_first_and_sampled_items_as_they_come() -> None:
    short, long = (Item(case=one, mode=COMPLETE) for one in (replace(CASE, says=()), CASE))
    assert list(EMISSIONS["scripted"].in_order([short, long])) == [long, short]
    assert list(EMISSIONS["sampled"].in_order([short, long])) == [short, long]


def test_a_grammar_is_asked_once_for_all_items_that_share_a_script() -> None:
    sender = Closed()
    case = replace(CASE, options=Options(choice="required"))
    channel = Channel(server=SERVER, asker=Asker(sender))
    items = [Item(case=case, mode=mode) for mode in (COMPLETE, STREAM)]

    async def both() -> None:
        await asyncio.gather(*(scripted.ask(channel, item) for item in items))

    asyncio.run(both())
    trials = [body for body in sender.bodies if body.get("return_token_ids")]
    foreseen = scripted.foresee(DEFAULT, case, COMPLETE, SERVER)
    assert len(trials) == len(foreseen.trials) > 1
    assert len(sender.bodies) == len(trials) + len(items)


def test_a_script_is_tried_for_each_conversation_whichever_comes_first() -> None:
    """As follow-ups have: each holds the answer of its own item, with ids of its own."""
    case = replace(CASE, options=Options(choice="required"))
    other = replace(case, messages=(*case.messages, {"role": "user", "content": "And you?"}))
    found = []
    for order in ([case, other], [other, case]):
        sender = Closed()
        channel = Channel(server=SERVER, asker=Asker(sender))
        for one in order:
            asyncio.run(scripted.ask(channel, Item(case=one, mode=COMPLETE)))
        found.append(sorted(json.dumps(body) for body in sender.bodies))
    assert found[0] == found[1]


class Cut:
    """Breaks every answer off."""

    async def send(self, path: str, body: Any) -> Exchange:
        return Exchange(request=body, status=200, error="cut")

    async def close(self) -> None:
        pass


def test_an_answer_that_is_cut_when_a_script_is_tried_is_an_error_and_tries_no_other() -> None:
    case = replace(CASE, options=Options(choice="required"))
    channel = Channel(server=SERVER, asker=Asker(Cut()))
    found = asyncio.run(scripted.ask(channel, Item(case=case, mode=STREAM)))
    assert found.trouble == "when the script was tried: cut"


class Old:
    """Names tokens by id beside their logprobs alone, as vLLM did; a grammar allows one text."""

    def __init__(self, allowed: str) -> None:
        self.allowed = allowed
        self.bodies: list[Any] = []

    async def send(self, path: str, body: Any) -> Exchange:
        if path == DETOKENIZE:
            return written(body, {"prompt": self.allowed})
        self.bodies.append(body)
        tokens = [{"token": f"token_id:{place}"} for place in range(2)]
        spelled = body.get("return_tokens_as_token_ids")
        message = {"role": "assistant", "content": self.allowed}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        logprobs = {"content": tokens} if spelled else None
        return written(body, {"choices": [{**choice, "logprobs": logprobs}]})

    async def close(self) -> None:
        pass


def test_a_server_that_shows_ids_beside_logprobs_alone_is_heard_by_them() -> None:
    case = replace(CASE, options=Options(choice="required"))
    foreseen = scripted.foresee(DEFAULT, case, COMPLETE, SERVER)
    assert foreseen.says
    sender = Old(foreseen.says)
    channel = Channel(server=SERVER, asker=Asker(sender))
    found = asyncio.run(scripted.ask(channel, Item(case=case, mode=COMPLETE)))
    assert (found.said, len(sender.bodies)) == (foreseen.says, 3)
    channel = Channel(server=SERVER, asker=Asker(Old("[ ]")))
    with pytest.raises(NotApplicable, match="a grammar of the server forbids"):
        asyncio.run(scripted.ask(channel, Item(case=case, mode=COMPLETE)))


def written(body: Json, document: Json) -> Exchange:
    headers = (("content-type", "application/json"),)
    reads = (Read(0.0, json.dumps(document).encode()),)
    return Exchange(request=body, status=200, headers=headers, reads=reads)


class Fluent:
    """Says good night, whatever it is asked."""

    async def send(self, path: str, body: Any) -> Exchange:
        message = {"role": "assistant", "content": "Good night."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return written(body, {"object": "chat.completion", "choices": [choice]})

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(("says", "broken"), [("Good night.", False), ("Good day.", True)])
def test_a_session_takes_an_emission_that_it_does_not_know(
    monkeypatch: pytest.MonkeyPatch, says: str, broken: bool
) -> None:
    async def ask(channel: Channel, item: Item) -> Received:
        body = channel.wire.ask(item.case, item.mode, channel.server, None)
        return Received(answer=await channel.ask(body), expect=item.case.expect, said=says)

    like = EMISSIONS["scripted"]
    copied = replace(like, name="copied", strategy=replace(like.strategy, ask=ask))
    monkeypatch.setitem(EMISSIONS, "copied", copied)
    said = (Text(text=says),)
    case = replace(CASE, tools=(), says=said, expect=derive(said, NO_OPTIONS))
    server = replace(SERVER, emission="copied")
    session = Session(server, known=Known(), asker=Asker(Fluent()))
    try:
        verdict = session.judge(Item(case=case, mode=COMPLETE)).verdict
    finally:
        session.close()
    failed = {one.rule.id for one in verdict.of(Outcome.FAIL)}
    assert ("said.content" in failed) == broken
