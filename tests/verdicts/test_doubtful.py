"""A 500 to a scripted request under a grammar: the server's own failure, or the script's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conformance.base.sse import Read
from conformance.client.sender import Asker
from conformance.runs.session import Session
from conformance.terms.asked import Choice, Options
from conformance.terms.case import COMPLETE, Case
from conformance.terms.exchange import Exchange
from conformance.terms.outcome import Outcome
from conformance.terms.said import Call
from conformance.verdicts.item import Item
from conformance.verdicts.known_issues import Known
from conformance.wires.wire import SPARE_TOKENS
from tests.evidence import SCRIPTED

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
FAILURE = b'{"error": {"message": "EngineCore died", "type": "InternalServerError", "code": 500}}'
ANSWER = json.dumps({"choices": [{"index": 0, "message": {"content": "Hi"}}]}).encode()


def case(choice: Choice) -> Case:
    return Case(
        id="choice/one",
        about="A call.",
        path=Path("choice.yaml"),
        line=1,
        messages=({"role": "user", "content": "Look."},),
        tools=(TOOL,),
        options=Options(choice=choice),
        says=(Call(name="look", arguments="{}"),),
    )


class Server500:
    """Answers 500 to what has a script, and `unscripted` to the rest."""

    def __init__(self, unscripted: int) -> None:
        self.unscripted = unscripted
        self.bodies: list[Any] = []

    async def send(self, path: str, body: Any) -> Exchange:
        self.bodies.append(body)
        status = 500 if "vllm_xargs" in body else self.unscripted
        data = FAILURE if status == 500 else ANSWER
        headers = (("content-type", "application/json"),)
        return Exchange(request=body, status=status, headers=headers, reads=(Read(0.0, data),))

    async def close(self) -> None:
        pass


def judged(choice: Choice, unscripted: int) -> tuple[Outcome, dict[str, Outcome], list[Any]]:
    sender = Server500(unscripted)
    session = Session(SCRIPTED, known=Known(), asker=Asker(sender))
    try:
        verdict = session.judge(Item(case=case(choice), mode=COMPLETE)).verdict
    finally:
        session.close()
    outcomes = {one.rule.id: one.outcome for one in verdict.judgements}
    return verdict.outcome, outcomes, sender.bodies


def test_a_request_that_fails_without_its_script_too_is_the_servers_failure() -> None:
    outcome, rules, bodies = judged("required", unscripted=500)
    assert outcome is Outcome.FAIL
    assert rules["http.ok"] is Outcome.FAIL
    alone = bodies[-1]
    assert "vllm_xargs" not in alone
    assert alone["max_completion_tokens"] == SPARE_TOKENS


def test_a_request_that_only_its_script_makes_fail_is_in_error() -> None:
    outcome, rules, _ = judged("required", unscripted=200)
    assert (outcome, rules) == (Outcome.ERROR, {})


def test_where_no_grammar_binds_a_failure_needs_no_second_question() -> None:
    outcome, _, bodies = judged("auto", unscripted=200)
    assert outcome is Outcome.FAIL
    assert len(bodies) == 1
