"""Token ids are taken from where vLLM puts them, and only if all of them are there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from conformance.base.jsonvalue import Json
from conformance.base.sse import Read
from conformance.terms.exchange import Exchange
from conformance.wires.chat import answers, token_ids
from conformance.wires.chat.answers import Answer


def complete(document: Json) -> Answer:
    body = json.dumps(document).encode()
    return answers.read(Exchange(request={}, status=200, reads=(Read(0, body),)))


def streamed(*chunks: Json) -> Answer:
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    reads = (Read(0, body.encode()),)
    return answers.read(Exchange(request={"stream": True}, status=200, reads=reads))


def choice(ids: Any, index: int = 0, **rest: Json) -> Json:
    return {"index": index, "message": {"content": "x"}, "token_ids": ids, **rest}


def delta(ids: Any, index: int = 0) -> Json:
    return {"choices": [{"index": index, "delta": {"content": "x"}, "token_ids": ids}]}


def usage(count: Json) -> Json:
    return {"choices": [], "usage": {"completion_tokens": count}}


def test_a_complete_answer_has_them_in_its_choice() -> None:
    answer = complete({"choices": [choice([5, 6, 7])], "prompt_token_ids": [1, 2]})
    assert token_ids.said(answer) == (5, 6, 7)
    assert token_ids.prompt(answer) == (1, 2)


def test_a_stream_has_them_in_each_chunk_and_the_prompt_in_the_first() -> None:
    first = {**delta(None), "prompt_token_ids": [1, 2]}
    answer = streamed(first, delta([5]), delta([]), delta([6, 7]), usage(3))
    assert token_ids.said(answer) == (5, 6, 7)
    assert token_ids.prompt(answer) == (1, 2)


@pytest.mark.parametrize(
    "answer",
    [
        complete({"choices": [choice(None)]}),
        complete({"choices": [choice([])]}),
        complete({"choices": [choice("5 6")]}),
        complete({"choices": [choice([5, -1])]}),
        complete({"choices": [choice([5, True])]}),
        complete({"choices": [choice([5]), choice([6], 1)]}),
        complete({"error": {}}),
        complete([]),
        streamed(delta([5]), delta([6])),  # nothing tells whether these are all
        streamed(delta([5]), delta([6]), usage(3)),  # a parser kept some back
        streamed(delta([5]), delta([6]), usage("2")),
        streamed(delta([5]), delta([6], 1), usage(2)),
        streamed(usage(0)),
    ],
)
def test_what_is_not_all_there_is_not_known(answer: Answer) -> None:
    assert token_ids.said(answer) is None


def test_a_prompt_may_be_shown_alone() -> None:
    assert token_ids.prompt(complete({"token_ids": [3]})) == (3,)
    assert token_ids.prompt(complete({"tokens": [4]})) == (4,)
    assert token_ids.prompt(complete({"tokens": "4"})) == ()


def spelled(*tokens: Json) -> Answer:
    return complete({"choices": [{"index": 0, "logprobs": {"content": list(tokens)}}]})


def test_what_was_said_is_read_from_the_bytes_of_the_tokens() -> None:
    answer = spelled({"token": "?", "bytes": [195]}, {"token": "?", "bytes": [188]})
    assert token_ids.letters(answer) == "ü".encode()
    assert token_ids.letters(spelled({"token": "ü", "bytes": None})) == "ü".encode()


@pytest.mark.parametrize("token", [None, {}, {"bytes": [256]}, {"token": 5}, {"bytes": "a"}])
def test_a_token_without_bytes_and_text_leaves_open_what_was_said(token: Json) -> None:
    assert token_ids.letters(spelled({"token": "a"}, token)) is None


def test_an_answer_without_logprobs_leaves_open_what_was_said() -> None:
    assert token_ids.letters(spelled()) is None
    assert token_ids.letters(complete({"choices": [{"logprobs": None}]})) is None
    assert token_ids.letters(complete([])) is None


def test_only_the_first_of_several_choices_is_read() -> None:
    choices = [
        {"index": index, "logprobs": {"content": [{"token": text}]}}
        for index, text in enumerate(["first", "other"])
    ]
    assert token_ids.letters(complete({"choices": choices})) == b"first"


def test_bytes_are_asked_for_with_one_alternative() -> None:
    found = token_ids.lettered({"top_logprobs": 0})
    assert found == {"logprobs": True, "top_logprobs": 1}
