"""From a case, a mode and a server to the body of a chat completion."""

from __future__ import annotations

from conformance.base.jsonvalue import Json
from conformance.formats.format import text_of
from conformance.scripting import SCRIPT_FIELD, encode, never, tokens_until
from conformance.terms.case import Case, Mode
from conformance.terms.said import Script
from conformance.terms.server import Server
from conformance.wires.chat.answers import Answer

SPARE_TOKENS = 16


SEED = 1


def build(case: Case, mode: Mode, server: Server, script: Script | None) -> Json:
    """Write the body of the request; without a script the model answers as it likes."""
    body: dict[str, Json] = {"model": server.model, "messages": list(case.messages)}
    if case.tools:
        body["tools"] = list(case.tools)
    body |= case.options
    body |= case.body
    # vLLM refuses several choices of a greedy model; a script leaves nothing to chance anyway.
    body.setdefault("temperature", 1 if (body.get("n") or 1) > 1 else 0)
    if mode.stream:
        body["stream"] = True
    else:
        body.pop("stream_options", None)  # a complete answer always has what they ask for
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
    return body


def limited(body: Json, tokens: int) -> Json:
    """Limit the answer to so many tokens, unless the case sets a limit of its own."""
    own = {"max_tokens", "max_completion_tokens"} & body.keys()
    return body if own else {**body, "max_completion_tokens": tokens}


def sampled(body: Json, server: Server) -> Json:
    """Add what makes a model's own answer end, repeatable, and its tokens known."""
    fields: dict[str, Json] = {"seed": body.get("seed", SEED)}
    if server.shows_token_ids:
        fields["return_token_ids"] = True
        if body.get("stream"):
            # The count tells whether all ids of a stream were shown.
            fields["stream_options"] = {"include_usage": True, **(body.get("stream_options") or {})}
    return limited({**body, **fields}, server.answer_tokens)


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


def is_too_long(answer: Answer, server: Server) -> bool:
    """Whether a server refused a request because of the tokens that the suite asked for."""
    limit = answer.exchange.request.get("max_completion_tokens")
    refused = answer.exchange.status == 400 and "context length" in answer.text
    return refused and limit == server.answer_tokens
