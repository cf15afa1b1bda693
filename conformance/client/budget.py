"""What requests cost: estimated before they are sent, counted after, and kept within a limit."""

from __future__ import annotations

import asyncio
import json
import math
import re
from dataclasses import dataclass

from conformance.base.jsonvalue import Json
from conformance.client.sender import CHAT, NotAsked, Sender
from conformance.terms.exchange import Exchange
from conformance.wires.chat import answers

BYTES = 4
"""Of text to a token: English and JSON have 3 to 5, by the tokenizer."""
TEMPLATE = 250
"""Tokens that a chat template says about calls, beside the tools."""
UNLIMITED = 4096
"""Tokens of an answer whose request sets no limit; the suite sets one."""
_BUDGET = re.compile(r"([0-9]{1,12})(tokens|requests)?")


class BudgetProblem(Exception):
    """A text is no budget; the message says what is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What requests use, in requests and tokens."""

    requests: int = 0
    prompt: int = 0
    answer: int = 0

    @property
    def tokens(self) -> int:
        """Count all tokens."""
        return self.prompt + self.answer

    def __add__(self, other: Cost) -> Cost:
        """Add up."""
        return Cost(
            requests=self.requests + other.requests,
            prompt=self.prompt + other.prompt,
            answer=self.answer + other.answer,
        )

    def __rmul__(self, times: int) -> Cost:
        """Cost so many times as much."""
        return Cost(
            requests=times * self.requests, prompt=times * self.prompt, answer=times * self.answer
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much may be used, of one of the two."""

    most: int
    unit: str
    """`tokens` or `requests`."""

    def __str__(self) -> str:
        """Write it for people."""
        return f"{self.most:,} {self.unit}"

    def of(self, cost: Cost) -> int:
        """Give what counts of a cost."""
        return cost.tokens if self.unit == "tokens" else cost.requests


def read(text: str) -> Budget:
    """Read a budget, `50000`, `50000tokens` or `300requests`; raises `BudgetProblem`."""
    found = _BUDGET.fullmatch(text.replace("_", ""))
    if found is None or not int(found[1]):
        raise BudgetProblem(f"{text!r}; allowed: 50000 (tokens), or 300requests")
    return Budget(most=int(found[1]), unit=found[2] or "tokens")


def tokens_of(text: str) -> int:
    """Estimate the tokens of a text."""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / BYTES)


def prompt_of(body: Json) -> int:
    """Estimate the tokens of a prompt: messages and tools as JSON, and what a template adds."""
    tools = body.get("tools")
    said = tokens_of(json.dumps([body.get("messages"), tools], ensure_ascii=False))
    return said + (TEMPLATE if tools else 0)


def limit_of(body: Json) -> int:
    """Say how many tokens all answers to a request may have."""
    limits = (body.get(key) for key in ("max_completion_tokens", "max_tokens"))
    limit = next((one for one in limits if isinstance(one, int)), UNLIMITED)
    return limit * (body["n"] if isinstance(body.get("n"), int) else 1)


def used(exchange: Exchange) -> Cost:
    """Say what an exchange cost: as its `usage` tells, or estimated where it has none."""
    request = exchange.request
    most = Cost(requests=1, prompt=prompt_of(request), answer=limit_of(request))
    if exchange.status is None and exchange.error is not None and not exchange.reads:
        # Nothing came; a model may have been at work all the same, unless it was never reached.
        return Cost(requests=1) if "ConnectError" in exchange.error else most
    if exchange.status != 200:
        return Cost(requests=1)  # refused, and not charged for
    answer = answers.read(exchange)
    told = [answer.document, *(chunk.value for chunk in answer.chunks)]
    for document in reversed(told):
        usage = document.get("usage") if isinstance(document, dict) else None
        if isinstance(usage, dict):
            prompt, said = usage.get("prompt_tokens"), usage.get("completion_tokens")
            if type(prompt) is int and type(said) is int:
                return Cost(requests=1, prompt=prompt, answer=said)
    if exchange.error is not None:
        return most
    texts = [choice.content for choice in answer.choices]
    texts += [call.arguments for choice in answer.choices for call in choice.calls]
    estimate = max(len(answer.chunks), sum(map(tokens_of, texts)))
    return Cost(requests=1, prompt=most.prompt, answer=min(estimate, most.answer))


class Purse:
    """Sends as another sender does, as long as the budget lasts; then nothing more is asked."""

    def __init__(self, inner: Sender, budget: Budget) -> None:
        """Begin with the whole budget."""
        self._inner = inner
        self._budget = budget
        self._spent = Cost()
        self._reserved = Cost()
        self._changed = asyncio.Condition()
        self._empty = False
        self._rate = 1.0
        """Tokens that prompts had, to one that was estimated: the most so far."""

    @property
    def spent(self) -> Cost:
        """Say what was used so far."""
        return self._spent

    async def send(self, path: str, body: Json) -> Exchange:
        """Send, if the most that it may cost is left; raises `NotAsked`."""
        if path != CHAT:
            return await self._inner.send(path, body)  # no model answers there
        need = await self._reserve(body)
        cost = need
        try:
            exchange = await self._inner.send(path, body)
            cost = used(exchange)
            if exchange.status == 200:
                self._rate = max(self._rate, cost.prompt / prompt_of(body))
            return exchange
        except NotAsked:
            cost = Cost()
            raise
        finally:
            self._reserved += Cost(prompt=-need.prompt, answer=-need.answer, requests=-1)
            self._spent += cost
            async with self._changed:
                self._changed.notify_all()

    async def close(self) -> None:
        """Close the other sender."""
        await self._inner.close()

    async def _reserve(self, body: Json) -> Cost:
        async with self._changed:
            while True:
                prompt = math.ceil(prompt_of(body) * self._rate)
                need = Cost(requests=1, prompt=prompt, answer=limit_of(body))
                wanted = self._budget.of(self._spent + self._reserved + need)
                if not self._empty and wanted <= self._budget.most:
                    self._reserved += need
                    return need
                if self._empty or not self._reserved.requests:
                    self._empty = True
                    self._changed.notify_all()
                    raise NotAsked(f"the budget of {self._budget} would not cover it")
                # Those under way may cost less than they might.
                await self._changed.wait()
