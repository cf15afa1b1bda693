"""Whole runs against servers that repeat the key in every way, and addresses that hold secrets."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse

from conformance.base.jsonvalue import Json
from conformance.client.secrecy import Secrets
from conformance.pytesting import logs
from conformance.reference import Reference
from conformance.reference.fault import Fault
from tests.pytest_run import FAILED, USAGE_ERROR, Run, errors

pytest_plugins = ["pytester"]

KEY = "sk-very/secret+0123456789"
SPELLINGS = [
    KEY,
    KEY.replace("/", r"\/"),
    "".join(f"\\u{ord(one):04X}" for one in KEY),
    quote(KEY, safe=""),
    *(base64.b64encode(b" " * n + KEY.encode()).decode() for n in range(3)),
    base64.urlsafe_b64encode(KEY.encode()).decode(),
]


def traces(text: str) -> list[str]:
    """List the spellings in a text, without the symbols of base64 that neighbours share."""
    return [one for one in SPELLINGS if one[4:-4] in text]


def repeats(response: Response) -> Response:
    """Answer with the key in all its spellings, in headers and in the body."""
    told = [f'"{one}"' for one in SPELLINGS]
    body = f'{{"error": [{", ".join(told)}]}}'
    return Response(body, 500, {"x-echo": KEY, "server": KEY}, "application/json")


def streams(response: Response) -> Response:
    """Say the key in pieces of one character."""

    def events() -> Iterator[bytes]:
        for one in KEY:
            delta = {"index": 0, "delta": {"content": one}, "finish_reason": None}
            yield f"data: {json.dumps({'choices': [delta]})}\n\n".encode()

    if isinstance(response, StreamingResponse):
        return StreamingResponse(events(), media_type="text/event-stream")
    parts = [{"type": "text", "text": one} for one in KEY]
    message: Json = {"role": "assistant", "content": parts}
    return JSONResponse({"choices": [{"index": 0, "message": message}]})


@pytest.mark.slow
@pytest.mark.parametrize("way", [repeats, streams])
def test_a_key_that_a_server_repeats_in_any_way_is_written_nowhere(
    run: Run, monkeypatch: pytest.MonkeyPatch, way: object
) -> None:
    monkeypatch.setenv("CONFORMANCE_API_KEY", KEY)
    fault = Fault(name="repeats", about="Repeats the key.", owner="error", response=way)  # type: ignore[arg-type]
    logged = ("--log-level=DEBUG", "--log-file=debug.log", "-o", "junit_logging=all")
    with Reference("hermes", fault=fault, version=f"1+{KEY}") as running:
        words = ("--server-url", running.url, "--parser", "hermes", "--record=tape", "-vv")
        found = run(*words, *logged, "--junitxml", "junit.xml")
    assert found.ret == FAILED
    assert traces(found.stdout.str() + found.stderr.str()) == []
    written = {path: path.read_text("utf-8") for path in run.folder.rglob("*") if path.is_file()}
    assert {path.name: seen for path, text in written.items() if (seen := traces(text))} == {}
    assert any(path.parent.name == "wire" for path in written)
    assert any(path.parent.name == "exchanges" for path in written)
    if way is repeats:
        assert "***" in written[run.folder / "debug.log"]
    else:
        assert "in pieces" in found.stdout.str()
        wires = [json.loads(text) for path, text in written.items() if path.parent.name == "wire"]
        assert {one["answer"] for one in wires if one["status"] == 200} == {"***"}


def test_a_model_whose_id_holds_the_key_is_refused_without_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFORMANCE_API_KEY", "reference")
    with Reference("hermes") as running:
        found = run("--server-url", running.url, "--parser", "hermes")
        assert found.ret == USAGE_ERROR
        (error,) = errors(found)
        assert "has the key or a header's value in its model's id" in error
        found = run("--server-url", running.url, "--parser", "hermes", "--model=reference")
        assert found.ret == 0


@pytest.mark.parametrize(
    "url",
    [
        f"http://me:{KEY}@localhost:1/v1",
        f"http://localhost:1/v1?key={KEY}",
        f"http://localhost:1/v1#{KEY}",
        f"http://localhost:1?{KEY}",
    ],
)
@pytest.mark.parametrize("by_option", [True, False])
def test_an_address_that_may_hold_a_secret_is_refused_without_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, url: str, by_option: bool
) -> None:
    if not by_option:
        monkeypatch.setenv("CONFORMANCE_SERVER_URL", url)
    found = run(*(["--server-url", url] if by_option else []), "--parser", "hermes")
    assert found.ret == USAGE_ERROR
    (error,) = errors(found)
    assert error.startswith("ERROR: --server-url: it has a ")
    assert KEY not in found.stdout.str() + found.stderr.str()


@pytest.mark.parametrize("key", ["sk-è-very-secret", "sk-very\nsecret"])
def test_a_key_that_no_header_can_hold_is_refused_without_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    if "\x00" in key:
        monkeypatch.setattr("os.environ", {**__import__("os").environ, "CONFORMANCE_API_KEY": key})
    else:
        monkeypatch.setenv("CONFORMANCE_API_KEY", key)
    found = run("--server-url", "http://localhost:1/v1", "--parser", "hermes")
    assert found.ret == USAGE_ERROR
    assert errors(found) == [
        "ERROR: CONFORMANCE_API_KEY: it is not plain ASCII, which a header must be"
    ]


def test_a_record_of_a_log_is_made_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    end = logs.guard(Secrets([KEY]))
    log = logging.getLogger("tests.secrets")
    try:
        with caplog.at_level(logging.DEBUG):
            log.debug("headers: %r", [("x-echo", KEY.encode())])
            log.debug("%d and %d", KEY)  # one argument is missing
            log.debug("plain %s", "words")
            try:
                raise ValueError(KEY)
            except ValueError:
                log.exception("it failed")
    finally:
        end()
    assert traces(caplog.text) == []
    assert [record.getMessage() for record in caplog.records][2:] == ["plain words", "it failed"]
    assert "ValueError: ***" in caplog.text
    with caplog.at_level(logging.DEBUG):
        log.debug("now %s is shown", KEY)
    assert KEY in caplog.text


def test_without_secrets_logs_are_left_alone() -> None:
    before = logging.getLogRecordFactory()
    end = logs.guard(Secrets([]))
    assert logging.getLogRecordFactory() is before
    end()
