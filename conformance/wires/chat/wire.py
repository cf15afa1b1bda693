"""`/v1/chat/completions`, in the words of every wire."""

from __future__ import annotations

from conformance.base.jsonvalue import Json
from conformance.client.probe import Greeting
from conformance.terms.exchange import ClientView, Exchange
from conformance.wires.chat import answers, choices, cost, fields, follow_up, request, token_ids
from conformance.wires.wire import Tokens, Wire


def _text(document: Json) -> str | None:
    try:
        return str(document["choices"][0]["message"]["content"])
    except (LookupError, TypeError):
        return None


def _client(exchange: Exchange) -> ClientView:
    # The SDK takes a second to import, and what only writes reports needs none.
    from conformance.wires.chat import client

    return client.read(exchange)


WIRE = Wire(
    name="chat",
    path="/v1/chat/completions",
    ask=request.build,
    request=request.asked_in,
    sampled=request.sampled,
    limited=request.limited,
    ended=request.ended,
    read=answers.read,
    refusal=request.refusal,
    is_too_long=request.is_too_long,
    follow_up=follow_up.answered,
    client=_client,
    asked=fields.asked,
    misfit=fields.misfit,
    supposed=fields.supposed,
    field_problem=fields.problem,
    neutral=fields.NEUTRAL,
    endings=choices.ENDINGS,
    meter=cost.METER,
    greeting=Greeting(
        path="/v1/chat/completions",
        hello=request.hello,
        conversation=request.conversation,
        in_steps=request.in_steps,
        with_drafts=request.with_drafts,
        with_tool=request.with_tool,
        shown=token_ids.shown,
        text=_text,
        ids=token_ids.of_document,
        schema="ChatCompletionRequest",
        # Older releases of vLLM have `/tokenize` alone.
        prompts=("/v1/chat/completions/render", "/tokenize"),
    ),
    tokens=Tokens(
        shown=token_ids.shown,
        spelled=token_ids.spelled,
        said=token_ids.said,
        of_script=token_ids.of_first_choice,
        lettered=token_ids.lettered,
        letters=token_ids.letters,
        prompt=token_ids.prompt,
        bare=token_ids.bare,
    ),
)
