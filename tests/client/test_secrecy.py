"""A secret is kept nowhere, however a server spells it; what is not secret stays as it is."""

from __future__ import annotations

import base64
import json
import re
import string
import time
from urllib.parse import quote, unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from conformance.base.sse import Read
from conformance.client.access import Access, headers
from conformance.client.secrecy import NOTHING, Secrets

SECRET = "gw-very-secret/0123456789+"
ONE = Secrets([SECRET])

keys = st.text(string.ascii_letters + string.digits + "-_./+=:~%\\\"'& $", min_size=8, max_size=40)
"""All that can be sent in a header, with the characters that somebody may escape among them."""

AN_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}|\\u")
"""What a key may hold that means something else once it is read; such a key is found whole."""


@st.composite
def spelled(draw: st.DrawFn) -> tuple[str, str]:
    """Make a key, and one of all the ways to write it: each character in a way of its own."""
    key = draw(keys.filter(lambda one: one.strip() == one and not AN_ESCAPE.search(one)))
    text = "".join(draw(st.sampled_from(ways(one))) for one in key)
    if draw(st.booleans()):
        start, end = draw(st.binary(max_size=5)), draw(st.binary(max_size=5))
        data = start + key.encode() + end
        text = draw(st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]))(data).decode()
        text = text if draw(st.booleans()) else text.rstrip("=")
        text = "".join(draw(st.sampled_from(ways(one))) for one in text)
    return key, text


def ways(one: str) -> list[str]:
    unit = f"{ord(one):04x}"
    percent = f"%{ord(one):02X}"
    found = [one, f"\\u{unit}", f"\\u{unit.upper()}", percent, percent.lower()]
    return [*found, f"\\{one}"] if one in '\\/"' else found


def remains(key: str, text: str) -> list[str]:
    """Give the pieces of a key, too long to be chance, that somebody can read out of a text."""
    readings = {text}
    for _ in range(3):
        readings |= {unescaped(one) for one in readings}
    found = []
    for one in readings:
        found += [key[at : at + 6] for at in range(len(key) - 5) if key[at : at + 6] in one]
    return found


def unescaped(text: str) -> str:
    try:
        return unquote(str(json.loads(f'"{text}"')))
    except ValueError:
        return unquote(text)


@given(spelled(), st.text(max_size=20), st.text(max_size=20))
def test_a_secret_is_hidden_in_every_spelling(
    one: tuple[str, str], before: str, after: str
) -> None:
    key, text = one
    assume(key not in f"{before}{after}")
    secrets = Secrets([key])
    quoted, dumped = quote(text, safe=""), json.dumps(text)[1:-1]
    for told in (text, dumped, quoted, json.dumps(dumped)[1:-1], quote(dumped, safe="")):
        hidden = secrets.hide(f"<{before}<{told}>{after}>")
        assert told not in hidden
        assert remains(key, hidden.replace(before, "").replace(after, "")) == []
        data = f"<{told}>".encode()
        assert secrets.hide_bytes(data) == secrets.hide(f"<{told}>").encode()


@given(keys, st.binary(max_size=4), st.binary(max_size=4))
def test_nothing_of_a_secret_can_be_read_out_of_base64(
    key: str, before: bytes, after: bytes
) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        told = encode(before + key.encode() + after).decode()
        hidden = Secrets([key]).hide(f"<{told}>")
        start, mask, end = hidden[1:-1].partition("***")
        assert mask
        # What is left on each side are the symbols that hold nothing of the secret.
        assert len(start) <= len(before) * 8 // 6
        whole = -(-(len(before) + len(key)) * 8 // 6)
        assert len(end.rstrip("=")) <= len(told.rstrip("=")) - whole


@given(st.text(max_size=200))
def test_what_is_not_secret_stays(text: str) -> None:
    assert Secrets(["an-altogether-other-key-0123"]).hide(text) == text
    assert NOTHING.hide(text) == text


@pytest.mark.parametrize(
    "told",
    [
        r"gw-very-secret\/0123456789+",
        r"gw-very-secret\u002f0123456789\u002B",
        r"\u0067\u0077-very-secret\\\/0123456789\\u002b",
        "gw-very-secret%2F0123456789%2b",
        "gw-very-secret%252F0123456789+",
        r"gw-very-secret%2f0123456789\u002b",
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"user:" + SECRET.encode()).decode().replace("/", r"\/"),
        base64.urlsafe_b64encode(b"k=" + SECRET.encode() + b"&").decode(),
    ],
)
def test_a_known_spelling_is_hidden(told: str) -> None:
    assert "secret" not in (hidden := ONE.hide(f"who is {told}?"))
    assert "***" in hidden
    assert not set(told.split("%2")) & set(hidden.split("%2"))


def test_a_secret_is_hidden_wherever_it_is_cut() -> None:
    data = b"a" + SECRET.encode() + b"b" + SECRET.encode() + b"c"
    for first in range(len(data)):
        for second in range(first, len(data)):
            pieces = (data[:first], data[first:second], data[second:])
            reads = [Read(float(at), one) for at, one in enumerate(pieces)]
            kept = ONE.hide_reads(reads)
            assert b"".join(read.data for read in kept) == b"a***b***c"
            assert [read.at for read in kept] == [0, 1, 2]


@pytest.mark.parametrize("key", ["/a-key-0123456789", '"a-key"-012345678"', "a-key\\0123456789\\"])
def test_json_stays_json(key: str) -> None:
    for told in (json.dumps({"a": f"\n{key}\\"}), json.dumps([key]).replace("/", r"\/")):
        assert "***" in str(json.loads(Secrets([key]).hide(told)))


def test_a_short_text_is_no_secret() -> None:
    assert not Secrets(["1234567", ""])
    assert Secrets(["1234567"]).hide("1234567") == "1234567"


def test_secrets_show_nothing_of_themselves() -> None:
    assert repr(ONE) == "<1 secrets>"
    assert not hasattr(ONE, "__dict__")


def test_what_a_request_says_is_no_secret_of_its_answer() -> None:
    two = Secrets([SECRET, "the weather team"])
    assert two.except_in("Ask the weather team.").hide(f"the weather team, {SECRET}") == (
        "the weather team, ***"
    )


def test_a_token_is_secret_without_its_scheme_and_a_password_without_its_user() -> None:
    told = base64.b64encode(b"somebody:a-long-password").decode()
    given = headers([f"Authorization: Basic {told}", "X-Key: Bearer 0123456789abc"], {})
    secrets = Access(headers=given).secrets
    for one in (told, "somebody:a-long-password", "a-long-password", "0123456789abc"):
        assert secrets.hide(f"<{one}>") == "<***>"


def events(*documents: object) -> list[Read]:
    data = "".join(f"data: {json.dumps(one)}\n\n" for one in documents)
    return [Read(0.0, data.encode())]


def delta(**fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": fields}]}


def arguments(index: int, text: str) -> dict[str, object]:
    return delta(tool_calls=[{"index": index, "function": {"arguments": text}}])


@pytest.mark.parametrize(
    "reads",
    [
        events(*(delta(content=one) for one in SECRET)),
        events(delta(content="My key is gw-very-"), delta(role="x"), delta(content=SECRET[8:])),
        events(*(one for c in SECRET for one in (arguments(0, "ab"), arguments(1, c)))),
        events({"choices": [{"logprobs": {"content": [{"token": one} for one in SECRET]}}]}),
        events({"choices": [{"logprobs": {"content": [{"bytes": [ord(c)]} for c in SECRET]}}]}),
        [Read(0.0, json.dumps({"parts": [{"text": SECRET[:9]}, {"text": SECRET[9:]}]}).encode())],
        [Read(0.0, events(*(delta(content=one) for one in SECRET))[0].data.rstrip())],
        events(*(delta(content=one) for one in base64.b64encode(SECRET.encode()).decode())),
    ],
)
def test_a_secret_is_found_in_the_pieces_of_an_answer(reads: list[Read]) -> None:
    assert ONE.are_in_pieces_of(reads)
    assert not Secrets(["an-altogether-other-key"]).are_in_pieces_of(reads)
    assert not NOTHING.are_in_pieces_of(reads)


@given(keys, st.data())
def test_a_secret_is_found_wherever_its_pieces_are_cut(key: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(key)))))
    pieces = [key[a:b] for a, b in zip([0, *cuts], [*cuts, len(key)], strict=True)]
    assert Secrets([key]).are_in_pieces_of(events(*(delta(content=one) for one in pieces)))


@pytest.mark.parametrize("body", [b"", b"[" * 100_000, b"data: {\n\n", b"\xff", b"null", b"[[1]]"])
def test_any_bytes_can_be_searched(body: bytes) -> None:
    assert not ONE.are_in_pieces_of([Read(0.0, body)])
    assert ONE.hide_reads([Read(0.0, body)]) == [Read(0.0, body)]


@pytest.mark.parametrize(
    "body", [b"\\" * 1_000_000, b"g" * 1_000_000, b"%25" * 300_000, b"Z3ct" * 250_000]
)
def test_a_long_answer_is_searched_quickly(body: bytes) -> None:
    began = time.process_time()
    ONE.hide_bytes(body)
    assert time.process_time() - began < 2
