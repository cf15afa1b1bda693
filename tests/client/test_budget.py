"""What a run costs is told before, counted while it goes on, and kept within a limit."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from conformance.base.jsonvalue import Json
from conformance.base.schema import validator
from conformance.base.sse import Read
from conformance.casefiles import casefile
from conformance.client import budget
from conformance.client.budget import Budget, BudgetProblem, Cost, Purse
from conformance.client.sender import DETOKENIZE, NotAsked
from conformance.commands import main
from conformance.runs import plan
from conformance.terms.exchange import Exchange
from conformance.wires.chat import cost
from conformance.wires.registry import DEFAULT
from tests.pytest_run import COMPLETED, FAILED, NOTHING_TESTED, REFERENCE, USAGE_ERROR, Run, errors

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

CHAT = DEFAULT.path
MESSAGES = [{"role": "user", "content": "x" * 400}]
BODY: Json = {"model": "m", "messages": MESSAGES, "max_completion_tokens": 50}
PROMPT = cost.prompt_of(BODY)


def complete(usage: Json = None, content: str = "a" * 80) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}}
    document = {"choices": [{**choice, "finish_reason": "stop"}]}
    return json.dumps(document | ({"usage": usage} if usage else {})).encode()


def usage(prompt: int, answer: int) -> Json:
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


def exchange(body: bytes = b"", request: Json = BODY, status: int | None = 200) -> Exchange:
    return Exchange(request=request, status=status, reads=(Read(0.1, body),) if body else ())


class Server:
    """Counts what is under way, and answers each request alike."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.asked = 0

    async def send(self, path: str, body: Json) -> Exchange:
        self.asked += 1
        await asyncio.sleep(0.001)
        return exchange(self.body, body)

    async def close(self) -> None:
        pass


def spend(whole: Budget, count: int, body: bytes, path: str = CHAT) -> tuple[list[Any], Purse, int]:
    async def spent() -> tuple[list[Any], Purse, int]:
        server = Server(body)
        purse = Purse(server, whole, {DEFAULT.path: DEFAULT.meter})
        sends = (purse.send(path, BODY) for _ in range(count))
        return await asyncio.gather(*sends, return_exceptions=True), purse, server.asked

    return asyncio.run(spent())


@pytest.mark.parametrize(
    ("text", "most", "unit"),
    [("50000", 50000, "tokens"), ("50_000tokens", 50000, "tokens"), ("3requests", 3, "requests")],
)
def test_a_budget_is_read(text: str, most: int, unit: str) -> None:
    assert budget.read(text) == Budget(most=most, unit=unit)


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "many", "5 dollars", "9" * 13])
def test_a_word_that_is_not_a_budget_is_refused(text: str) -> None:
    with pytest.raises(BudgetProblem, match=r"allowed: 50000 \(tokens\), or 300requests"):
        budget.read(text)


def test_usage_says_what_an_exchange_cost() -> None:
    found = cost.used(exchange(complete(usage(123, 45))))
    assert found == Cost(requests=1, prompt=123, answer=45)
    stream = b'data: {"choices": []}\n\ndata: {"choices": [], "usage": %b}\n\ndata: [DONE]\n\n'
    told = stream % json.dumps(usage(7, 8)).encode()
    found = cost.used(exchange(told, {**BODY, "stream": True}))
    assert found == Cost(requests=1, prompt=7, answer=8)


def test_without_usage_the_cost_is_estimated() -> None:
    assert cost.used(exchange(complete())) == Cost(requests=1, prompt=PROMPT, answer=20)
    assert cost.used(exchange(complete({"prompt_tokens": "many"}))).answer == 20
    cut = Exchange(request=BODY, status=200, reads=(Read(0, b"{"),), error="cut")
    assert cost.used(cut) == Cost(requests=1, prompt=PROMPT, answer=50)
    assert cost.used(exchange(b"no", status=400)) == Cost(requests=1)


def test_several_choices_may_cost_several_times_as_much() -> None:
    assert cost.limit_of({**BODY, "n": 3}) == 150
    assert cost.limit_of({"messages": []}) == cost.UNLIMITED


def test_no_request_is_sent_that_could_exceed_the_budget() -> None:
    cost = PROMPT + 30
    whole = Budget(most=5 * cost + 25, unit="tokens")
    answers, purse, asked = spend(whole, 20, complete(usage(PROMPT, 30)))
    # After the fifth there is less left than a sixth answer of 50 tokens may take.
    assert asked == 5
    assert [isinstance(one, Exchange) for one in answers].count(True) == 5
    assert purse.spent == Cost(requests=5, prompt=5 * PROMPT, answer=150)
    told = f"the budget of {whole} would not cover it"
    assert {str(one) for one in answers if isinstance(one, NotAsked)} == {told}


def test_prompts_that_are_longer_than_estimated_are_reckoned_with() -> None:
    whole = Budget(most=10 * PROMPT, unit="tokens")
    _, purse, asked = spend(whole, 20, complete(usage(3 * PROMPT, 0)))
    assert asked < 20
    late = purse.spent.tokens - whole.most
    assert late < 20 * 3 * PROMPT  # what was under way before the first answer told it


def test_a_budget_of_requests_is_kept_to_the_request() -> None:
    _, purse, asked = spend(Budget(most=7, unit="requests"), 20, complete())
    assert (asked, purse.spent.requests) == (7, 7)


def test_what_no_model_answers_costs_nothing() -> None:
    _, purse, asked = spend(Budget(most=1, unit="requests"), 9, b"{}", DETOKENIZE)
    assert (asked, purse.spent) == (9, Cost())


def test_a_run_that_the_budget_stops_is_not_whole_and_not_green(run: Run) -> None:
    found = run(*REFERENCE, "--budget", "4requests")
    assert found.ret == NOTHING_TESTED
    facts = run.results["run"]
    told = "the budget of 4 requests would not cover it"
    assert (facts["complete"], facts["unasked"]) == (False, {told: 6})
    assert run.totals == {"pass": 4}
    found.stdout.fnmatch_lines([f"6 items were not asked: {told}", "*4 passed, 6 skipped*"])


def test_a_run_that_stays_within_its_budget_is_as_ever(run: Run) -> None:
    assert run(*REFERENCE, "--budget", "1000000").ret == COMPLETED
    assert run.results["run"]["complete"]


def test_findings_go_before_the_end_of_the_budget(run: Run) -> None:
    assert run(*REFERENCE, "--budget", "8requests", "--fault", "name-twice").ret == FAILED
    assert not run.results["run"]["complete"]


def test_a_wrong_budget_is_one_clear_message(run: Run) -> None:
    found = run(*REFERENCE, "--budget", "much")
    assert found.ret == USAGE_ERROR
    assert errors(found) == ["ERROR: --budget: 'much'; allowed: 50000 (tokens), or 300requests"]


@pytest.mark.parametrize("emission", ["scripted", "sampled"])
def test_a_plan_counts_the_requests_that_a_run_then_sends(run: Run, emission: str) -> None:
    cases = casefile.load(run.folder / "mine.yaml")
    server = plan.server_of("hermes", "hermes", emission)
    found = plan.plan(cases, server)
    assert found.likely.requests == found.items
    enough = f"{found.likely.requests}requests"
    scarce = f"{found.likely.requests - 1}requests"
    assert run(*REFERENCE, "--emission", emission, "--budget", enough).ret == COMPLETED
    assert run.results["run"]["selected"] == found.items
    assert run(*REFERENCE, "--emission", emission, "--budget", scarce).ret == NOTHING_TESTED
    assert 0 < found.likely.tokens <= found.most.tokens


def test_a_plan_counts_the_attempts_that_a_run_then_makes(run: Run) -> None:
    cases = casefile.load(run.folder / "mine.yaml")
    server = plan.server_of("hermes", "hermes", "sampled")
    once, often = (plan.plan(cases, server, repeat=times) for times in (1, 9))
    assert often.items == once.items
    assert often.likely.requests == 4 * once.likely.requests
    assert often.most.tokens == 9 * once.most.tokens
    asked = (*REFERENCE, "--emission", "sampled", "--repeat", "9", "--budget")
    assert run(*asked, f"{often.likely.requests}requests").ret == COMPLETED
    assert run(*asked, f"{often.likely.requests - 1}requests").ret == NOTHING_TESTED


def test_a_plan_counts_the_trials_of_follow_ups_which_no_two_items_share(run: Run) -> None:
    place = casefile.shipped() / "turns.yaml"
    cases = [case for case in casefile.load(place) if case.id == "turns/own-answer-back"]
    server = plan.server_of("mistral", "mistral-v11", "scripted")
    found = plan.plan(cases, server)
    items = [f"{place}::own-answer-back[{mode}]" for mode in ("complete", "stream")]
    asked = ("--reference", "--parser", "mistral", "--format", "mistral-v11", *items, "--budget")
    assert found.items == len(items)
    assert run(*asked, f"{found.likely.requests}requests").ret == COMPLETED
    assert run(*asked, f"{found.likely.requests - 1}requests").ret == NOTHING_TESTED


def test_a_plan_repeats_only_what_a_model_says() -> None:
    cases = casefile.load(casefile.shipped() / "single.yaml")
    server = plan.server_of("hermes", "hermes", "scripted")
    assert plan.plan(cases, server, repeat=9) == replace(plan.plan(cases, server), repeat=9)


def test_a_plan_is_printed_with_how_it_was_estimated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["plan", "--emission", "scripted"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("scripted, hermes parser, hermes format: ")
    assert "how this is estimated:" in lines
    assert max(map(len, lines)) <= 80
    assert main.main(["plan", "--parser", "mistral-v11", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    validator("planned").validate(found)
    assert (found["emission"], found["parser"], found["format"]) == (
        "sampled",
        "mistral",
        "mistral-v11",
    )
    assert 0 < found["likely"]["prompt_tokens"] <= found["most"]["prompt_tokens"]
    assert main.main(["plan", "--parser", "hermez"]) == main.USAGE_ERROR
    assert main.main(["plan", "--repeat", "9"]) == 0
    assert "all of --repeat" in capsys.readouterr().out


def test_a_plan_knows_how_long_a_sampled_answer_may_be() -> None:
    cases = casefile.load(casefile.shipped() / "single.yaml")
    short, usual = (
        plan.plan(cases, plan.server_of("hermes", "hermes", "sampled", room))
        for room in (100, 1024)
    )
    assert (short.most.answer, usual.most.answer) == (
        100 * short.most.requests,
        1024 * usual.most.requests,
    )
