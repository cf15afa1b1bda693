from __future__ import annotations

import json
from dataclasses import replace

import openai
import pytest

from conformance.base.sse import Read
from conformance.terms.said import Call
from conformance.wires.chat import client
from conformance.wires.chat.client import NAME, read
from tests.evidence import PARIS, SAMPLES, exchange, sample

SSE = SAMPLES / "args.string" / "right.sse"
COMPLETE = SAMPLES / "args.string" / "right.json"

READABLE = [
    ("args.string/right.sse", ((replace(PARIS, id="call_1"),),), ("",)),
    ("args.string/right.json", ((replace(PARIS, id="call_1"),),), ("",)),
    ("said.content/right.sse", ((),), ("2 < 3",)),
    ("said.content/right.json", ((),), (" 2 < 3\n",)),
    (
        "said.calls/right.sse",
        (
            (
                replace(PARIS, id="call_1"),
                Call(name="get_time", arguments="{}", id="call_2"),
            ),
        ),
        ("",),
    ),
    (
        "choice.index.range/right.sse",
        ((replace(PARIS, id="call_1"),), (replace(PARIS, id="call_2"),)),
        ("", ""),
    ),
    ("allowed/crlf/right.sse", ((replace(PARIS, id="call_1"),),), ("",)),
    ("allowed/usage-chunk/right.sse", ((replace(PARIS, id="call_1"),),), ("",)),
]
RAISES = [
    ("err.mid-stream/wrong.sse", "APIError"),
    ("chunk.index.present/wrong.sse", "TypeError"),
    ("chunk.index.contiguous/wrong.sse", "IndexError"),
    ("chunk.type.not-null/wrong.sse", "AssertionError"),
    ("chunk.choice.required/wrong.sse", "AttributeError"),
    ("chunk.choices.array/wrong.sse", "TypeError"),
    ("choice.index.range/wrong.sse", "IndexError"),
    ("sse.json-valid/wrong.sse", "JSONDecodeError"),
    ("sse.no-empty-data/wrong.sse", "JSONDecodeError"),
    ("sse.utf8/wrong.sse", "UnicodeDecodeError"),
    ("finish.present/wrong-choices.sse", "AssertionError"),
    ("msg.required/wrong-choices.json", "TypeError"),
    ("msg.json/wrong.json", "AttributeError"),
]
JOINED = [
    ("chunk.name.once/wrong.sse", replace(PARIS, name="get_weatherget_weather", id="call_1")),
    ("chunk.id.once/wrong.sse", replace(PARIS, id="call_1call_1")),
]


@pytest.mark.parametrize(("file", "calls", "content"), READABLE)
def test_the_sdk_reads_a_right_answer(
    file: str, calls: tuple[tuple[Call, ...], ...], content: tuple[str, ...]
) -> None:
    view = sample(SAMPLES / file).client
    assert view is not None
    assert (view.error, view.calls, view.content) == (None, calls, content)


@pytest.mark.parametrize(("file", "error"), RAISES)
def test_what_the_sdk_raises_is_told(file: str, error: str) -> None:
    view = sample(SAMPLES / file).client
    assert view is not None
    assert (view.error or "").partition(":")[0] == error
    assert view.calls == ()


@pytest.mark.parametrize(("file", "call"), JOINED)
def test_the_sdk_joins_what_is_sent_twice(file: str, call: Call) -> None:
    view = sample(SAMPLES / file).client
    assert view is not None
    assert view.calls == ((call,),)


def test_content_that_is_no_text_is_told_as_it_is() -> None:
    view = sample(SAMPLES / "msg.required" / "wrong-content-list.json").client
    assert view is not None
    assert view.content == ("[{'type': 'text', 'text': 'Hi'}]",)


def test_the_view_names_the_client_and_its_version() -> None:
    view = read(exchange(SSE.read_bytes(), stream=True))
    assert view.client == NAME == f"openai-python {openai.__version__}"


def test_the_reads_of_an_exchange_are_one_body() -> None:
    whole = exchange(SSE.read_bytes(), stream=True)
    split = replace(whole, reads=tuple(Read(0.0, bytes([byte])) for byte in whole.body))
    assert read(split) == read(whole)


def test_a_status_that_is_an_error_is_raised() -> None:
    view = read(replace(exchange(b"{}", stream=False), status=400))
    assert (view.error or "")[:16] == "BadRequestError:"


def test_reading_needs_no_server_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert read(exchange(COMPLETE.read_bytes(), stream=False)).error is None


def test_headers_other_than_the_media_type_change_nothing() -> None:
    recorded = exchange(COMPLETE.read_bytes(), stream=False)
    headers = (*recorded.headers, ("content-length", "5"), ("transfer-encoding", "chunked"))
    assert read(replace(recorded, headers=headers)) == read(recorded)


CHUNK = b'data: {"id": "c", "choices": [{"index": 0, "delta": {"content": "a"}}]}\n\n'


def calls_of(count: int) -> bytes:
    entries = (
        {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": "f"}}
        for index in range(count)
    )
    deltas = ({"index": 0, "delta": {"tool_calls": [entry]}} for entry in entries)
    chunks = (json.dumps({"id": "c", "choices": [delta]}) for delta in deltas)
    return "".join(f"data: {chunk}\n\n" for chunk in chunks).encode()


MANY_ENDS = "the answer has more than 100000 line ends"
MANY_MARKS = "the answer has more than 250000 commas and opening brackets"
TOO_LONG = [
    (b"data: " + b" " * client.BYTES + b"{}\n\n", "the answer has more than 5000000 bytes"),
    (b"data: {}\n" * 1001 + b"\n", "an event has more than 1000 lines"),
    (b"a\r\r" * 50_001, MANY_ENDS),
    (b":\n\n" * 50_001, MANY_ENDS),
    (CHUNK.replace(b'"a"', b'"",' + b'"tool_calls": [' + b"0," * 250_000), MANY_MARKS),
    (CHUNK.replace(b"[{", b"[" + b"{},{}," * 100_000 + b"{"), MANY_MARKS),
    (calls_of(250), "the answer has too many chunks, or calls"),
]


@pytest.mark.parametrize(("body", "reason"), TOO_LONG)
def test_the_sdk_is_not_given_what_takes_it_minutes(body: bytes, reason: str) -> None:
    view = read(exchange(body, stream=True))
    assert view.unread == f"{NAME} would take too long: {reason}"
    assert (view.error, view.calls) == (None, ())


def test_the_sdk_is_given_all_that_is_usual() -> None:
    for body, calls, text in (
        (calls_of(100), 100, ""),
        (CHUNK * 2000, 0, "a" * 2000),
        (CHUNK.replace(b'"a"', b'"%s"' % (b"," * 240_000)), 0, "," * 240_000),
    ):
        view = read(exchange(body, stream=True))
        assert (view.unread, len(view.calls[0]), view.content) == (None, calls, (text,))
