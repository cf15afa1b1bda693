"""What chat completions cost: estimated before they are sent, counted after."""

from __future__ import annotations

import json

from conformance.base.jsonvalue import Json
from conformance.client.budget import BYTES_TO_A_TOKEN, Cost, Meter, tokens_of
from conformance.terms.exchange import Exchange
from conformance.wires.chat import answers

TEMPLATE = 250
"""Tokens that a chat template says about calls, beside the tools."""


UNLIMITED = 4096
"""Tokens of an answer whose request sets no limit; the suite sets one."""


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
    """Say what an exchange cost: as its `usage` says, or estimated where it has none."""
    request = exchange.request
    most = Cost(requests=1, prompt=prompt_of(request), answer=limit_of(request))
    if exchange.status is None and exchange.error is not None and not exchange.reads:
        # Nothing came, but a model may have been at work, unless the server was never reached.
        return Cost(requests=1) if "ConnectError" in exchange.error else most
    if exchange.status != 200:
        return Cost(requests=1)  # refused, and not charged for
    answer = answers.read(exchange)
    documents = [answer.document, *(chunk.value for chunk in answer.chunks)]
    for document in reversed(documents):
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


METER = Meter(
    prompt=prompt_of,
    limit=limit_of,
    used=used,
    how=f"a token for {BYTES_TO_A_TOKEN} bytes of messages and tools as JSON, and "
    f"{TEMPLATE} for the template's words about tools",
)
