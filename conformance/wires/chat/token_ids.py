"""The ids of an answer's tokens, where the server shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard

from conformance.base.jsonvalue import Json
from conformance.wires.chat.answers import Answer

Ids = tuple[int, ...]

SPELLED = "token_id:"
"""How vLLM writes an id in place of a token's text."""


def said(answer: Answer) -> Ids | None:
    """Give all tokens that the model said; `None` if they are not shown, or not all of them.

    A complete answer has them in its choice, as vLLM's has for `return_token_ids`; a stream has
    in each chunk those of that chunk. vLLM up to 0.11 left out those that a parser kept back
    (https://github.com/vllm-project/vllm/issues/27482), so a stream's are compared with its usage.
    Of several choices none are given: nothing says which count belongs to which.
    """
    if len(answer.choices) != 1 or answer.damaged:
        return None
    found: list[int] = []
    for choice in _raw_choices(answer):
        listed = choice.get("token_ids")
        if listed is None:
            continue
        if not _are_ids(listed):
            return None
        found += listed
    if not found or (answer.stream is not None and _counted(answer) != len(found)):
        return None
    return tuple(found)


def of_first_choice(answer: Answer) -> Ids:
    """Give the tokens of the first choice of a complete answer; empty if there are none."""
    return of_document(answer.document) or _of_logprobs(answer.document)


def shown(body: Json) -> Json:
    """Ask that the answer's token ids be shown."""
    return body | {"return_token_ids": True}


def spelled(body: Json) -> Json:
    """Ask that logprobs name tokens by id: vLLM before 0.10.2 shows ids in no other way."""
    return body | {"logprobs": True, "return_tokens_as_token_ids": True}


def lettered(body: Json) -> Json:
    """Ask that the bytes of the answer's tokens be shown.

    One alternative of each is asked for, too: llama.cpp shows nothing where none is.
    """
    return body | {"logprobs": True, "top_logprobs": 1}


def letters(answer: Answer) -> bytes | None:
    """Give the bytes of all tokens of the first choice; `None` if they are not shown.

    Where a token has no bytes of its own, it has text.
    """
    found: list[bytes] = []
    for choice in _raw_choices(answer):
        if choice.get("index", 0) != 0:
            continue
        logprobs = choice.get("logprobs")
        content = logprobs.get("content") if isinstance(logprobs, dict) else None
        for token in content if isinstance(content, list) else ():
            if (data := _bytes(token)) is None:
                return None
            found.append(data)
    return b"".join(found) if found else None


def _bytes(token: Json) -> bytes | None:
    if not isinstance(token, dict):
        return None
    data, text = token.get("bytes"), token.get("token")
    if isinstance(data, list) and all(type(one) is int and 0 <= one < 256 for one in data):
        return bytes(data)
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else None


def bare(body: Json) -> Json:
    """Ask for a prompt without the beginning of the model's next turn."""
    return body | {"add_generation_prompt": False}


def of_document(document: Json) -> Ids:
    """Give the tokens in the body of a complete answer; empty if there are none."""
    try:
        found = document["choices"][0]["token_ids"]
    except (LookupError, TypeError):
        return ()
    return tuple(found) if _are_ids(found) else ()


def _of_logprobs(document: Json) -> Ids:
    try:
        words = [one["token"] for one in document["choices"][0]["logprobs"]["content"]]
        return tuple(int(word.removeprefix(SPELLED)) for word in words if word.startswith(SPELLED))
    except (LookupError, TypeError, AttributeError, ValueError):
        return ()


def prompt(answer: Answer) -> Ids:
    """Give the tokens of the prompt, shown beside an answer or instead of one; empty if none."""
    documents = [answer.document, *(chunk.value for chunk in answer.chunks[:1])]
    for document in documents:
        for name in ("prompt_token_ids", "token_ids", "tokens"):
            listed = document.get(name) if isinstance(document, dict) else None
            if _are_ids(listed):
                return tuple(listed)
    return ()


def _raw_choices(answer: Answer) -> Iterator[Json]:
    document = answer.document if isinstance(answer.document, dict) else {}
    listed = document.get("choices")
    yield from (choice for choice in listed or () if isinstance(choice, dict))
    for chunk in answer.chunks:
        yield from (choice for _, choice in chunk.choices)


def _counted(answer: Answer) -> int | None:
    """Give the number of tokens in a stream's last usage."""
    for chunk in reversed(answer.chunks):
        usage = chunk.value.get("usage")
        if isinstance(usage, dict):
            count = usage.get("completion_tokens")
            return count if type(count) is int else None
    return None


def _are_ids(found: Any) -> TypeGuard[list[int]]:
    return isinstance(found, list) and all(type(one) is int and one >= 0 for one in found)
