"""Answers of the Chat Completions API, complete and streamed."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest

from conformance.base.jsonvalue import Json
from conformance.formats.stream import Content, Header
from conformance.reference.chat.delta import deltas
from conformance.reference.reply import Reply, arguments
from conformance.reference.variant import Variant, Variants


def complete(request: Json, replies: Sequence[Reply], usage: Json, variants: Variants) -> Json:
    """Write the complete answer."""
    choices = [
        {
            "index": index,
            "message": _message(reply, variants),
            "logprobs": _logprobs(request, chain.from_iterable(reply.tokens)),
            "finish_reason": reply.finish_reason,
        }
        for index, reply in enumerate(replies)
    ]
    return {**_envelope(request, "chat.completion"), "choices": choices, "usage": usage}


def _message(reply: Reply, variants: Variants) -> Json:
    content = "".join(event.text for event in reply.events if isinstance(event, Content))
    headers = [event for event in reply.events if isinstance(event, Header)]
    message: Json = {"role": "assistant", "content": content, "refusal": None}
    if headers:
        message["content"] = content or ("" if Variant.EMPTY_CONTENT in variants else None)
        message["tool_calls"] = [
            {
                "id": id,
                "type": "function",
                "function": {
                    "name": header.name,
                    "arguments": arguments(reply.events, header.call),
                },
            }
            for id, header in zip(reply.ids, headers, strict=True)
        ]
    elif Variant.NULL_CALLS in variants:
        message["tool_calls"] = None
    if Variant.EXTRA_FIELDS in variants:
        message["reasoning"] = None
    return message


def chunks(
    request: Json, replies: Sequence[Reply], usage: Json, variants: Variants
) -> Iterator[Json]:
    """Write the chunks of a streamed answer."""
    envelope = _envelope(request, "chat.completion.chunk")
    asked = bool((request.get("stream_options") or {}).get("include_usage"))
    if Variant.NULL_USAGE in variants or (asked and Variant.USAGE_ONLY_AT_END not in variants):
        envelope["usage"] = None
    streams = [list(_choices(request, place, one, variants)) for place, one in enumerate(replies)]
    side_by_side = Variant.CHOICES_IN_TURN not in variants
    ordered = chain.from_iterable(zip_longest(*streams) if side_by_side else streams)
    for choice in filter(None, ordered):
        yield {**envelope, "choices": [choice]}
    if asked:
        yield {**envelope, "choices": [], "usage": usage}


def _choices(request: Json, index: int, reply: Reply, variants: Variants) -> Iterator[Json]:
    written = deltas(reply, variants)
    for place, (delta, tokens) in enumerate(written):
        last = place == len(written) - 1
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": _logprobs(request, tokens),
            "finish_reason": reply.finish_reason if last else None,
        }
        if Variant.NO_LOGPROBS in variants and not choice["logprobs"]:
            del choice["logprobs"]
        if Variant.EXTRA_FIELDS in variants:
            choice |= {"stop_reason": None, "matched_stop": None}
        yield choice


def _logprobs(request: Json, tokens: Iterable[str]) -> Json:
    """Give how sure the model was of each token: it is made to say them, and so it is certain."""
    entries = [
        {"token": token, "logprob": 0.0, "bytes": list(token.encode()), "top_logprobs": []}
        for token in tokens
    ]
    return {"content": entries, "refusal": None} if request.get("logprobs") and entries else None


def show_in_body(body: Json, ids: Sequence[int], prompt: Json) -> None:
    """Show the tokens of a complete answer, as vLLM does, if its choices are still there."""
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list):
        return
    body["prompt_token_ids"] = prompt
    for choice in body["choices"]:
        if isinstance(choice, dict):
            choice["token_ids"] = list(ids)


def show_in_chunks(chunks: Sequence[Json], ids: Sequence[int], prompt: Json) -> None:
    """Show the tokens of a stream, each choice's in its last chunk, the prompt's in the first."""
    last: dict[int, Json] = {}
    for chunk in chunks:
        for choice in chunk.get("choices") or ():
            if isinstance(choice, dict) and isinstance(choice.get("index"), int):
                last[choice["index"]] = choice
    for choice in last.values():
        choice["token_ids"] = list(ids)
    if chunks:
        chunks[0]["prompt_token_ids"] = prompt


def events(chunks: Sequence[Json], variants: Variants) -> Iterator[bytes]:
    """Write chunks as server-sent events."""
    colon = "data:" if Variant.NO_SPACE in variants else "data: "
    end = "\r\n" if Variant.CRLF in variants else "\n"
    texts = (json.dumps(chunk, ensure_ascii=Variant.ESCAPES in variants) for chunk in chunks)
    for text in chain(texts, ["[DONE]"]):
        comment = f": still here{end}{end}" if Variant.COMMENTS in variants else ""
        yield f"{comment}{colon}{text}{end}{end}".encode()


def _envelope(request: Json, object: str) -> dict[str, Json]:
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": object,
        "created": int(time.time()),
        "model": request["model"],
    }
