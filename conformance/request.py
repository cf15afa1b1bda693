"""From a case, a mode and a server to the request that is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from conformance.assemble import Answer
from conformance.base.jsonvalue import Json
from conformance.formats import FORMATS, Inexpressible
from conformance.formats.format import text_of
from conformance.modes import CHARACTERS, PROMPT
from conformance.terms.case import Case, Mode
from conformance.terms.said import Call, Piece, Script
from conformance.terms.server import Server

SCRIPT_FIELD = "conformance_script"
SPARE_TOKENS = 16
SEED = 1
STRANGE = "\u2021\u2620\u2702\ua66e"
"""Characters that hardly any text has."""


class NotApplicable(Exception):
    """A case says nothing on this server in this mode; the message says why."""


def scripts_of(case: Case, server: Server) -> list[Script]:
    """Write what the model says, in each shape that a server may want; raises `NotApplicable`.

    The first is the model's own. Where a tool is forced, vLLM binds some models to another shape:
    calls without white space between them (hermes from 0.30), or bare JSON: a list of calls, whose
    arguments are called `parameters` (hermes before 0.30) or `arguments` (mistral before v11), or
    the arguments alone for a named function.
    """
    own = script_in(case, server.format)
    return [own, *(_forced_shapes(case, own) if case.says is not None else ())]


def script_in(case: Case, format: str) -> Script:
    """Write what the model says in its own format; raises `NotApplicable`."""
    if case.says is None:
        if format not in case.raw:
            raise NotApplicable(f"the case spells out no text for {format}")
        return case.raw[format]
    try:
        return FORMATS[format].write(case.says)
    except Inexpressible as problem:
        raise NotApplicable(f"{format}: {problem}") from None


def formats_of(case: Case) -> list[str]:
    """List the formats in which a case says something."""
    found = []
    for name in FORMATS:
        if name in case.omits:
            continue
        if case.says is not None or case.raw:
            try:
                script_in(case, name)
            except NotApplicable:
                continue
        found.append(name)
    return found


def is_bound(case: Case, server: Server) -> bool:
    """Whether a grammar may bind what the model says, so that a script must be heard first."""
    choice = case.options.get("tool_choice", "auto")
    return bool(case.tools) and (
        choice not in ("auto", "none")
        or case.options.get("parallel_tool_calls") is False
        or any(tool["function"].get("strict") for tool in case.tools)
        or FORMATS[server.format].grammar
    )


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
    # Nothing else stops a model that a grammar keeps from its script, or that is asked although
    # the request makes no sense.
    limit = SPARE_TOKENS if case.expect.refused else None
    if server.emission == "sampled" and not case.expect.refused and mode != PROMPT:
        limit = server.room
        body |= _for_sampling(body, server)
    if script is not None:
        limit = len(text_of(script).encode("utf-8", "surrogatepass")) + SPARE_TOKENS
        cut = mode.cut
        if case.cut_after is not None:
            limit, cut = tokens_until(script, case.cut_after), "characters"
        body["vllm_xargs"] = {SCRIPT_FIELD: encode(script, cut)}
    if limit is not None and not {"max_tokens", "max_completion_tokens"} & body.keys():
        body["max_completion_tokens"] = limit
    return body


def _for_sampling(body: Mapping[str, Json], server: Server) -> dict[str, Json]:
    """Give the fields that make a model's answer repeatable, and its tokens known."""
    fields: dict[str, Json] = {"seed": body.get("seed", SEED)}
    if server.tokens:
        fields["return_token_ids"] = True
        if body.get("stream"):
            # The count tells whether all ids of a stream were shown.
            fields["stream_options"] = {"include_usage": True, **(body.get("stream_options") or {})}
    return fields


def never(length: int, script: Script | None) -> str:
    """Give a stop string of so many characters that is not in a script."""
    said = text_of(script or ())
    return next(sign for sign in STRANGE if sign not in said) * length


def tokens_until(script: Script, text: str) -> int:
    """Count the tokens of a script of ASCII characters up to the end of a text in it.

    A mark counts as one; where a vocabulary spells it out, the script is cut a little sooner.
    Raises `NotApplicable` if the script does not hold the text.
    """
    whole = text_of(script)
    if text not in whole:
        raise NotApplicable(f"the format does not write {text!r}, where the case is cut")
    left, tokens = whole.index(text) + len(text), 0
    for piece in script:
        if left > 0:
            tokens += min(left, len(piece.text)) if piece.kind == "text" else 1
        left -= len(piece.text)
    return tokens


def check_applies(case: Case, mode: Mode, server: Server) -> None:
    """Raise `NotApplicable` where a case says nothing."""
    if case.cut_after is not None and mode.cut != "tokens":
        raise NotApplicable("a case with cut_after is cut to characters in every mode")
    names = [server.format, mode.name]
    if mode.cut != "tokens" and mode not in case.modes:
        names.append(CHARACTERS.name)  # the case is about tokens, which this mode cuts anew too
    for omitted in names:
        if omitted in case.omits:
            raise NotApplicable(case.omits[omitted])
    # A prompt is the template's, whatever a model would make of it.
    if server.emission == "sampled" and not case.sampled and mode != PROMPT:
        raise NotApplicable("only a scripted model says this")


def _forced_shapes(case: Case, own: Script) -> list[Script]:
    calls = [item for item in case.says or () if isinstance(item, Call)]
    choice = case.options.get("tool_choice", "auto")
    if not calls or choice in ("auto", "none"):
        return []
    texts = [_listed(calls, key) for key in ("parameters", "arguments")]
    if isinstance(choice, dict):
        texts.insert(0, calls[0].arguments)
    adjacent = tuple(piece for piece in own if piece.text.strip())
    bare: list[Script] = [(Piece("text", text),) for text in texts]
    return [adjacent, *bare] if adjacent != own else bare


def _listed(calls: Sequence[Call], key: str) -> str:
    objects = (f'{{"name": {json.dumps(call.name)}, "{key}": {call.arguments}}}' for call in calls)
    return f"[{', '.join(objects)}]"


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
    """Whether a server refused a request because of the room that the suite asked for."""
    limit = answer.exchange.request.get("max_completion_tokens")
    refused = answer.exchange.status == 400 and "context length" in answer.text
    return refused and limit == server.room


def encode(script: Script, cut: str) -> str:
    """Write a script as the text that `conformance.replay` takes."""
    pieces = [[piece.kind, piece.text] for piece in script]
    return json.dumps({"v": 1, "pieces": pieces, "cut": cut}, separators=(",", ":"))
