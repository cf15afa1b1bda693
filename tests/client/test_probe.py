"""A server is asked who it is and what it can do, and nothing is assumed."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from conformance.base.jsonvalue import Json
from conformance.client import probe
from conformance.client.access import Access
from conformance.client.probe import ProbeProblem
from conformance.formats import FORMATS
from conformance.formats.registry import server_id
from conformance.reference import Reference, speech
from conformance.replay.script import drafted
from conformance.terms.server import Server
from conformance.wires.registry import DEFAULT
from tests.clock import Time
from tests.servers import Behave, closed_port, read_request, serve

GREETING = DEFAULT.greeting
RENDER = GREETING.prompts[0]
examine = partial(probe.examine, greeting=GREETING)
KEY = "sk-very-secret-0123456789"
MODELS: Json = {"data": [{"id": "one"}]}
ANSWER: Json = {"choices": [{"message": {"content": "Hello"}}]}
CHAT = GREETING.path


def pages(
    documents: Mapping[str, Any], status: int = 200, seen: list[bytes] | None = None
) -> Behave:
    """Answer each path with its JSON document, any other with 404."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        while True:
            request = read_request(connection)
            if seen is not None:
                seen.append(request)
            path = request.split()[1].decode()
            document = documents.get(path)
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            code = 404 if document is None else status
            head = f"HTTP/1.1 {code} x\r\ncontent-length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)

    return behave


def prompts(document: Json) -> str | None:
    return probe._prompts(document, GREETING.prompts)


def problem_with(url: str, **told: Any) -> str:
    with pytest.raises(ProbeProblem) as caught:
        examine(url, **{"parser": "hermes", **told})
    return str(caught.value)


@pytest.mark.parametrize(
    ("parser", "format"),
    [(parser, format.name) for format in FORMATS.values() for parser in format.parsers],
)
def test_a_scripted_server_shows_its_format(parser: str, format: str) -> None:
    with Reference(format) as running:
        found = examine(running.url, parser=parser)
        assert found == Server(
            url=running.url,
            model="reference",
            implementation="unknown",
            version=None,
            parser=parser,
            format=format,
            emission="scripted",
            takes_interval=True,
            render_path=RENDER,
        )


def test_a_server_without_the_plugin_is_sampled() -> None:
    with Reference("hermes", scripted=False) as running:
        assert examine(running.url, parser="hermes").emission == "sampled"


def test_a_server_is_asked_for_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    with Reference("hermes") as running:
        assert not examine(running.url, parser="hermes").takes_steps
        monkeypatch.setattr(speech, "one_by_one", lambda script: script)
        assert examine(running.url, parser="hermes").takes_steps


def test_a_server_is_asked_whether_it_guesses_tokens_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    with Reference("hermes") as running:
        assert not examine(running.url, parser="hermes").takes_drafts
        monkeypatch.setattr(speech, "one_by_one", lambda script: drafted(script, at_most=3))
        assert examine(running.url, parser="hermes").takes_drafts
    with Reference("hermes", scripted=False) as running:
        assert not examine(running.url, parser="hermes").takes_drafts


def test_a_server_can_be_taken_as_sampled() -> None:
    with Reference("hermes") as running:
        found = examine(running.url, parser="hermes", emission="sampled")
    assert found.emission == "sampled"


def test_a_script_that_was_demanded_and_is_not_there_is_a_problem() -> None:
    with Reference("hermes", scripted=False) as running:
        told = problem_with(running.url, emission="scripted")
    assert "--emission scripted" in told
    assert "--logits-processors conformance.replay:Replay" in told


def test_a_version_document_identifies_a_vllm() -> None:
    with Reference("hermes", version="0.32.0+cpu") as running:
        found = examine(running.url, parser="hermes")
    assert (found.implementation, found.version, server_id(found)) == (
        "vllm",
        "0.32.0",
        "vllm-0.32.0-hermes",
    )


def test_a_slash_at_the_end_of_the_url_does_not_matter() -> None:
    with Reference("hermes") as running:
        assert examine(f"{running.url}/", parser="hermes").url == running.url


def test_a_wrong_port_is_a_problem_with_its_url() -> None:
    url = closed_port()
    told = problem_with(url)
    assert told.startswith(f"no answer from {url}/models: ")
    assert told.endswith("is the server up?")


def test_a_port_that_says_nothing_is_a_problem_within_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def say_nothing(connection: socket.socket, over: threading.Event) -> None:
        over.wait()

    monkeypatch.setattr(probe, "DOCUMENT", 0.3)
    with serve(say_nothing) as url:
        started = time.monotonic()
        told = problem_with(url)
    assert time.monotonic() - started < 5
    assert told == f"no answer from {url}/models within 0.3 s"


def test_a_port_that_says_a_byte_now_and_then_is_a_problem_within_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def drip(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        while not over.wait(0.1):
            connection.sendall(b" ")

    monkeypatch.setattr(probe, "DOCUMENT", 0.5)
    with serve(drip) as url:
        started = time.monotonic()
        told = problem_with(url)
    assert time.monotonic() - started < 5
    assert told == f"no answer from {url}/models within 0.5 s"


def test_a_body_without_end_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def flood(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.is_set():
            connection.sendall(b" " * 65536)

    monkeypatch.setattr(probe, "SIZE", 100_000)
    with serve(flood) as url:
        assert problem_with(url) == f"{url}/models answered more than 100000 bytes"


@pytest.mark.parametrize("url", ["", "localhost:8000/v1", "ftp://host/v1", "http://[::1/v1"])
def test_a_word_that_is_not_a_url_is_a_problem(url: str) -> None:
    assert "is not a URL" in problem_with(url)


@pytest.mark.parametrize("page", [b"<html></html>", {"models": []}, ["one"], b"\xff"])
def test_a_page_that_lists_no_models_is_a_problem(page: Any) -> None:
    with serve(pages({"/v1/models": page})) as url:
        told = problem_with(url)
    assert told == (
        f"{url}/models answered 200 without a list of models; "
        "the URL goes up to /v1, as for the OpenAI client"
    )


def test_a_url_without_v1_is_a_problem_that_says_so() -> None:
    with Reference("hermes") as running:
        told = problem_with(running.url.removesuffix("/v1"))
    assert "answered 404" in told
    assert "/v1" in told


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_wants_a_key_is_a_problem_that_names_the_variable(status: int) -> None:
    with serve(pages({"/v1/models": MODELS}, status)) as url:
        assert problem_with(url) == (
            f"{url}/models answered {status}; give the key in CONFORMANCE_API_KEY, "
            "or what a gateway wants with --header"
        )


def test_the_key_is_sent_and_shown_to_nobody() -> None:
    seen: list[bytes] = []
    with serve(pages({"/v1/models": {"data": []}}, seen=seen)) as url:
        told = problem_with(url, access=Access(api_key=KEY))
    assert f"Bearer {KEY}".encode() in seen[0]
    assert KEY not in told


def test_several_models_are_a_choice_for_the_user() -> None:
    models = {"data": [{"id": "one"}, {"id": "two"}]}
    with serve(pages({"/v1/models": models, CHAT: ANSWER})) as url:
        told = problem_with(url)
        found = examine(url, parser="hermes", model="two")
    assert told == f"{url} serves several models or none (one, two); choose with --model"
    assert found.model == "two"


def test_a_model_that_is_not_there_is_a_problem_with_a_hint() -> None:
    with serve(pages({"/v1/models": MODELS})) as url:
        told = problem_with(url, model="onne")
    assert told.startswith(f"--model: {url} has no 'onne'")
    assert "one" in told.partition("'onne'")[2]


def test_a_server_that_answers_nothing_else_is_sampled_and_unknown() -> None:
    documents = {"/v1/models": MODELS, "/openapi.json": b"[", CHAT: ANSWER}
    with serve(pages(documents)) as url:
        found = examine(url, parser="hermes")
    assert (found.implementation, found.version) == ("unknown", None)
    assert (found.emission, found.takes_interval) == ("sampled", False)


def test_an_unknown_parser_without_a_format_is_a_problem() -> None:
    with Reference("hermes") as running:
        told = problem_with(running.url, parser="hermez")
    assert told.startswith("--parser: 'hermez' is unknown")
    assert "hermes" in told


def test_with_a_format_any_parser_is_taken() -> None:
    with Reference("hermes") as running:
        found = examine(running.url, parser="my_parser", format="hermes")
    assert (found.parser, found.format) == ("my_parser", "hermes")


def test_prompts_are_read_where_the_server_shows_them() -> None:
    def paths(*found: str) -> Json:
        return {"paths": {path: {} for path in found}}

    assert prompts(paths("/tokenize", "/detokenize")) == "/tokenize"
    assert prompts(paths("/tokenize", "/detokenize", RENDER)) == RENDER
    documents: list[Json] = [paths(RENDER), paths("/detokenize"), {"paths": []}, {}, None]
    assert {prompts(one) for one in documents} == {None}


def chats(statuses: Mapping[str, int]) -> Behave:
    """Answer a script with its text, anything else with words, and each kind with its status.

    The kinds are named by what is in the request: `script`, `plain`, `script tool`, `plain tool`,
    and `sign` for a script that only a server of one format can say.
    """

    def behave(connection: socket.socket, over: threading.Event) -> None:
        while True:
            head, _, text = read_request(connection).partition(b"\r\n\r\n")
            if head.startswith(b"GET"):
                listed = head.split()[1] == b"/v1/models"
                status, document = (200, MODELS) if listed else (404, {})
            else:
                body = json.loads(text)
                script = json.loads(next(iter(body.get("vllm_xargs", {}).values()), "null"))
                said = "".join(piece[1] for piece in script["pieces"]) if script else "Hello"
                kind = "script" if script else "plain"
                if script and not said.startswith("yes "):
                    kind = "sign"
                status = statuses.get(f"{kind} tool" if "tools" in body else kind, 400)
                document = {"choices": [{"message": {"content": said}}]}
                document = document if status == 200 else {"error": {"message": f"no {kind}"}}
            told = json.dumps(document).encode()
            connection.sendall(b"HTTP/1.1 %d x\r\ncontent-length: %d\r\n\r\n" % (status, len(told)))
            connection.sendall(told)

    return behave


@pytest.mark.parametrize(
    ("statuses", "emission"),
    [
        ({"script": 200}, "scripted"),
        ({"script": 400, "plain": 200}, "sampled"),
        ({"script": 422, "plain": 200}, "sampled"),
        ({"script": 500, "plain": 500, "script tool": 200}, "scripted"),
        ({"script": 400, "plain": 400, "script tool": 400, "plain tool": 200}, "sampled"),
    ],
)
def test_a_refusal_counts_if_the_same_request_is_answered_without_a_script(
    statuses: Mapping[str, int], emission: str
) -> None:
    with serve(chats(statuses)) as url:
        assert examine(url, parser="hermes").emission == emission


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        (
            dict.fromkeys(["script", "plain", "script tool", "plain tool"], 404),
            '404 ({"error": {"message": "no script"}}) to a script, a script and a tool; '
            '404 ({"error": {"message": "no plain"}}) to a plain request, a tool alone;',
        ),
        (
            {"script": 500, "plain": 200, "script tool": 500, "plain tool": 200},
            '500 ({"error": {"message": "no script"}}) to a script, a script and a tool; 200 (',
        ),
    ],
)
def test_from_a_failure_nothing_is_concluded(statuses: Mapping[str, int], told: str) -> None:
    with serve(chats(statuses)) as url:
        problem = problem_with(url)
        assert told in problem
        assert problem.startswith(f"{url}: whether it says scripts cannot be known, because it")
        assert problem.endswith("give --emission sampled to send none")
        assert examine(url, parser="hermes", emission="sampled").emission == "sampled"


@pytest.mark.parametrize(("status", "format"), [(200, "mistral-v11"), (400, "mistral")])
def test_a_sign_that_is_refused_shows_another_format(status: int, format: str) -> None:
    with serve(chats({"script": 200, "plain": 200, "sign": status})) as url:
        assert examine(url, parser="mistral").format == format


def test_a_sign_that_fails_shows_no_format() -> None:
    failing = {"sign": 500, "sign tool": 500}
    with serve(chats({"script": 200, "plain": 200, **failing})) as url:
        assert "whether it says scripts cannot be known" in problem_with(url, parser="mistral")


def busy_at_first(times: int, header: str = "") -> Behave:
    turns = itertools.count()
    documents = pages({"/v1/models": MODELS, CHAT: ANSWER})

    def behave(connection: socket.socket, over: threading.Event) -> None:
        if next(turns) >= times:
            documents(connection, over)
        read_request(connection)
        head = f"HTTP/1.1 429 later\r\n{header}content-length: 0\r\n\r\n"
        connection.sendall(head.encode())

    return behave


def test_a_busy_server_is_waited_for_before_anything_is_concluded() -> None:
    time = Time()
    with serve(busy_at_first(3)) as url:
        assert examine(url, parser="hermes", clock=time.clock).model == "one"
    assert time.passed == 0.5 + 1 + 2


@pytest.mark.parametrize(("header", "waited"), [("", 0.5), ("Retry-After: 60\r\n", 0)])
def test_a_server_that_stays_busy_is_a_problem_within_the_limit(header: str, waited: float) -> None:
    time = Time()
    with serve(busy_at_first(99, header)) as url:
        told = problem_with(url, patience=1, clock=time.clock)
    assert time.passed == waited
    assert told == f"{url}/models answered 429, for longer than --patience 1; try again later"


def test_the_time_that_a_busy_server_asks_for_is_waited() -> None:
    time = Time()
    with serve(busy_at_first(1, "Retry-After: 60\r\n")) as url:
        assert examine(url, parser="hermes", clock=time.clock).model == "one"
    assert time.passed == 60


SHOWN: Json = {"choices": [{"message": {"content": "x"}, "token_ids": [1]}]}
HARD: Json = {"prompt": f"<s> {probe.HARD_TO_TELL}"}


@pytest.mark.parametrize(
    ("answer", "detokenized", "trusted"),
    [
        (SHOWN, HARD, True),
        (SHOWN, {"prompt": probe.HARD_TO_TELL.replace(" ,", ",")}, False),  # tidied up
        (SHOWN, {"prompt": probe.HARD_TO_TELL.replace("<tool_call>", "")}, False),  # left out
        (SHOWN, None, False),
        ({"choices": [{"message": {"content": "x"}, "token_ids": None}]}, HARD, False),
        ({"choices": [{"message": {"content": "x"}}]}, HARD, False),
        ({"choices": []}, HARD, False),
        ([], HARD, False),
        (None, HARD, False),
    ],
)
def test_tokens_are_trusted_if_their_text_comes_back_to_the_letter(
    answer: Json, detokenized: Json, trusted: bool
) -> None:
    documents = {
        "/v1/models": MODELS,
        "/v1/chat/completions": answer,
        "/tokenize": {"tokens": [1, 2]},
        "/detokenize": detokenized,
    }
    with serve(pages(documents)) as url:
        found = examine(url, parser="hermes", emission="sampled")
    assert found.shows_token_ids is trusted


def test_a_scripted_server_is_not_asked_for_tokens() -> None:
    with Reference("hermes") as running:
        assert not examine(running.url, parser="hermes").shows_token_ids
        assert examine(running.url, parser="hermes", emission="sampled").shows_token_ids
