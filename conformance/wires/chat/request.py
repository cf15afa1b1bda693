"""From a case, a mode and a server to the body of a chat completion."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence

from conformance.base.jsonvalue import Json
from conformance.formats.format import text_of
from conformance.scripting import SCRIPT_FIELD, encode, never, tokens_until
from conformance.terms.case import Case, Mode
from conformance.terms.said import Script
from conformance.terms.server import Server
from conformance.wires.chat.answers import Answer
from conformance.wires.chat.fields import of_options
from conformance.wires.wire import SPARE_TOKENS

SEED = 1
STEPS = 100
"""Steps of different lengths; all that follow are as the last one."""
LONGEST_STEP = 8
"""Tokens: enough for a mark and what stands on both of its sides, and still a stream."""


def build(case: Case, mode: Mode, server: Server, script: Script | None) -> Json:
    """Write the body of the request; without a script the model answers as it likes."""
    body: dict[str, Json] = {"model": server.model, **asked_in(case)}
    # vLLM refuses several choices of a greedy model; a script leaves nothing to chance anyway.
    body.setdefault("temperature", 1 if (body.get("n") or 1) > 1 else 0)
    if mode.stream:
        body["stream"] = True
    else:
        body.pop("stream_options", None)  # a complete answer always has the usage that they ask for
    if mode.interval is not None:
        body["stream_interval"] = mode.interval
    if mode.stop is not None:
        body["stop"] = never(mode.stop, script)
    if script is not None:
        # Nothing else stops a model that a grammar keeps from its script.
        limit = len(text_of(script).encode("utf-8", "surrogatepass")) + SPARE_TOKENS
        cut = mode.cut
        if case.cut_after is not None:
            limit, cut = tokens_until(script, case.cut_after), "characters"
        body["vllm_xargs"] = {SCRIPT_FIELD: encode(script, cut)}
        body = limited(body, limit)
        if mode.interval is not None and not server.takes_interval:
            body = in_steps(body, (1, mode.interval))
        if mode.steps is not None:
            body = in_steps(body, uneven(case.id, mode.steps))
        if mode.drafts is not None:
            body = with_drafts(body, mode.drafts)
    return body


def asked_in(case: Case) -> dict[str, Json]:
    """Write what a case asks, except for model, stream and script."""
    body: dict[str, Json] = {"messages": list(case.messages)}
    if case.tools:
        body["tools"] = list(case.tools)
    own = case.wire.get("chat", {})
    return body | of_options(case.options, own) | dict(own)


def hello(model: str, script: Script | None) -> Json:
    """Write a short request to a server of which nothing is known yet."""
    body: dict[str, Json] = {
        "model": model,
        "messages": [{"role": "user", "content": "Hello"}],
        "max_completion_tokens": 4 if script is None else 64,
        "temperature": 0,
    }
    if script is not None:
        body["vllm_xargs"] = {SCRIPT_FIELD: encode(script, "tokens")}
    return body


def conversation(model: str, messages: Sequence[Json], tokens: int) -> Json:
    """Write a request for an answer of at most so many tokens to some messages."""
    body = {"model": model, "messages": list(messages), "temperature": 0}
    return ended(body, tokens)


def in_steps(body: Json, steps: Sequence[int]) -> Json:
    """Ask that a script be said several tokens at a time; an engine of ours can, and no other."""
    return _said(body, {"steps": list(steps)})


def uneven(case: str, seed: int) -> list[int]:
    """Draw how many tokens each step has: the same for the same case and seed."""
    dice = random.Random(f"{case} {seed}")
    return [dice.randint(1, LONGEST_STEP) for _ in range(STEPS)]


def with_drafts(body: Json, count: int) -> Json:
    """Ask that so many tokens of a script be guessed ahead; an engine of ours may, and no other."""
    return _said(body, {"drafts": count})


def _said(body: Json, how: Mapping[str, Json]) -> Json:
    """Say how a request's script is said, beside what it says."""
    script = {**json.loads(body["vllm_xargs"][SCRIPT_FIELD]), **how}
    return {**body, "vllm_xargs": {SCRIPT_FIELD: json.dumps(script, separators=(",", ":"))}}


def with_tool(body: Json) -> Json:
    """Add a tool that nobody needs, for a template that cannot do without any.

    It has all that a tool can have: templates, and engines that render them, differ in what they
    take for granted.
    """
    place = {"type": "string", "description": "Where to look."}
    parameters = {"type": "object", "properties": {"place": place}, "required": ["place"]}
    about = {"name": "look", "description": "Look.", "parameters": parameters}
    return {**body, "tools": [{"type": "function", "function": about}]}


def limited(body: Json, tokens: int) -> Json:
    """Limit the answer to so many tokens, unless the case sets a limit of its own."""
    own = {"max_tokens", "max_completion_tokens"} & body.keys()
    return body if own else ended(body, tokens)


def ended(body: Json, tokens: int) -> Json:
    """Limit the answer to so many tokens in any case."""
    return {**body, "max_completion_tokens": tokens}


def sampled(body: Json, server: Server) -> Json:
    """Add what makes a model's own answer end, repeatable, and its tokens known."""
    fields: dict[str, Json] = {"seed": body.get("seed", SEED)}
    if server.shows_token_ids:
        fields["return_token_ids"] = True
        if body.get("stream"):
            # The count shows whether all ids of a stream came.
            fields["stream_options"] = {"include_usage": True, **(body.get("stream_options") or {})}
    return limited({**body, **fields}, server.answer_tokens)


def refusal(answer: Answer) -> str | None:
    """Read the script plugin's own words, if it refused a script.

    New releases of vLLM answer a streamed request before they look at the script, and then put
    the refusal into the stream. The engine can refuse only in the text of its answer.
    """
    for document in (answer.document, *(chunk.value for chunk in answer.chunks)):
        error = document.get("error") if isinstance(document, dict) else None
        message = error.get("message") if isinstance(error, dict) else None
        if isinstance(message, str) and message.startswith(f"{SCRIPT_FIELD}:"):
            return message
    said = answer.choices[0].content if answer.choices else ""
    return said if said.startswith(f"{SCRIPT_FIELD}:") else None


def is_too_long(answer: Answer, server: Server) -> bool:
    """Whether a server refused a request because of the tokens that the suite asked for."""
    limit = answer.exchange.request.get("max_completion_tokens")
    refused = answer.exchange.status == 400 and "context length" in answer.text
    return refused and limit == server.answer_tokens
