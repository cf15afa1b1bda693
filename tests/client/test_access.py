"""Keys and headers reach the server, and nothing else; certificates are believed as told."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from conformance.base.jsonvalue import Json
from conformance.client import access, probe
from conformance.client.access import Access, AccessProblem
from conformance.client.live import Limits, Live
from conformance.client.sender import Asker
from conformance.terms.exchange import Exchange
from conformance.wires.registry import DEFAULT
from tests.servers import read_request, serve

SECRET = "gw-very-secret/0123456789"
VARIABLE = "CONFORMANCE_HEADER_X_GATEWAY_KEY"
LIMITS = Limits(connect=2, first_byte=5, silence=5, whole=10, patience=0)
GATEWAY = Access(headers=access.headers([f"X-Gateway-Key: {SECRET}"], {}))
BODY: Json = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def ask(url: str, used: Access, body: Json = BODY) -> Exchange:
    async def once() -> Exchange:
        asker = Asker(Live(url, used, limits=LIMITS))
        try:
            return await asker.ask(DEFAULT.path, body)
        finally:
            await asker.close()

    return asyncio.run(once())


def head_of(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nserver: %s\r\ncontent-length: %d\r\n\r\n" % (
        SECRET.encode(),
        len(body),
    )


def test_a_value_comes_from_the_environment_or_stands_beside_the_name() -> None:
    first, second = access.headers(["X-Gateway-Key", "X-Team:  a b "], {VARIABLE: SECRET})
    assert (first.name, first.value, first.shown) == (
        "X-Gateway-Key",
        SECRET,
        "--header=X-Gateway-Key",
    )
    assert (second.name, second.value, second.shown) == (
        "X-Team",
        "a b",
        '--header="X-Team: $VALUE"',
    )
    assert SECRET not in repr(first) + repr(Access(headers=(first,), api_key=SECRET))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["X-Gateway-Key"], f"--header X-Gateway-Key: give its value in {VARIABLE}"),
        (["two words"], "--header (number 1): it does not begin with the name of a header"),
        ([": x"], "--header (number 1): it does not begin"),
        (["Content-Type: text/plain"], "--header Content-Type: the suite sends its own"),
        (["X-A: é"], "--header X-A: its value is empty, or not plain ASCII"),
        (["X-A:"], "--header X-A: its value is empty"),
        (["X-A: 1\r\nX-B: 2"], "--header X-A: its value is empty, or not plain ASCII"),
        (["X-A: 1", "x-a: 2"], "--header x-a: given twice"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused(given: list[str], told: str) -> None:
    with pytest.raises(AccessProblem) as caught:
        access.headers(given, {})
    assert str(caught.value).startswith(told)


def test_a_value_in_the_place_of_a_name_is_not_repeated() -> None:
    with pytest.raises(AccessProblem) as caught:
        access.headers([f"Bearer {SECRET}"], {})
    assert SECRET not in str(caught.value)


def test_headers_are_sent_by_whoever_talks_to_the_server() -> None:
    seen: list[bytes] = []

    def listen(connection: socket.socket, over: threading.Event) -> None:
        seen.append(read_request(connection))
        connection.sendall(head_of(b'{"data": [{"id": "m"}]}') + b'{"data": [{"id": "m"}]}')

    with serve(listen) as url:
        ask(url, GATEWAY)
        assert probe.Probe(url, GATEWAY, greeting=DEFAULT.greeting).models() == ["m"]
    for request in seen:
        assert f"x-gateway-key: {SECRET}".encode() in request.replace(
            b"X-Gateway-Key", b"x-gateway-key"
        )


def test_a_header_of_ones_own_goes_before_the_key() -> None:
    seen: list[bytes] = []

    def listen(connection: socket.socket, over: threading.Event) -> None:
        seen.append(read_request(connection))
        connection.sendall(head_of(b"{}") + b"{}")

    given = access.headers(["authorization: Basic dXNlcjp3b3Jk"], {})
    with serve(listen) as url:
        ask(url, Access(headers=given, api_key="sk-0123456789"))
        used = Access(headers=given, api_key="sk-0123456789")
        probe.Probe(url, used, greeting=DEFAULT.greeting).get(url)
    for request in seen:
        assert request.lower().count(b"\r\nauthorization:") == 1
        assert b"Basic dXNlcjp3b3Jk" in request


@pytest.mark.parametrize("cut", [None, 12, 20])
def test_a_secret_that_a_server_repeats_is_kept_nowhere(cut: int | None) -> None:
    told = json.dumps({"error": f"who is {SECRET}?"}).encode()

    def repeat(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(head_of(told) + told[:cut])
        if cut is not None:
            over.wait(0.05)
            connection.sendall(told[cut:])

    with serve(repeat) as url:
        found = ask(url, GATEWAY)
    assert found.body == b'{"error": "who is ***?"}'
    assert SECRET not in repr(found)


def test_what_the_request_itself_says_is_not_secret() -> None:
    used = Access(headers=access.headers(["X-Team: the weather team", "X-Part: 1"], {}))
    told = json.dumps(["the weather team", 1]).encode()

    def repeat(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(head_of(told) + told)

    with serve(repeat) as url:
        body = {**BODY, "messages": [{"role": "user", "content": "Who is the weather team?"}]}
        assert ask(url, used, body).body == told
        assert ask(url, used).body == b'["***", 1]'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate, and is not here")
    folder = tmp_path_factory.mktemp("tls")
    key, made = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return key, made


@contextmanager
def secure(certificate: tuple[Path, Path]) -> Iterator[str]:
    """Answer every request over TLS; gives the URL up to `/v1`."""
    key, made = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    listening = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with suppress(OSError), context.wrap_socket(connection, server_side=True) as wrapped:
                read_request(wrapped)
                told = b'{"data": [{"id": "m"}]}'
                wrapped.sendall(head_of(told) + told)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listening.getsockname()[1]}/v1"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def test_a_certificate_that_is_believed_lets_both_in(certificate: tuple[Path, Path]) -> None:
    used = Access(authority=access.authority(certificate[1]))
    with secure(certificate) as url:
        assert ask(url, used).status == 200
        assert probe.Probe(url, used, greeting=DEFAULT.greeting).models() == ["m"]


def test_a_certificate_that_nobody_believes_lets_nobody_in(certificate: tuple[Path, Path]) -> None:
    with secure(certificate) as url:
        assert "CERTIFICATE_VERIFY_FAILED" in (ask(url, Access()).error or "")
        with pytest.raises(probe.ProbeProblem, match=r"CERTIFICATE_VERIFY_FAILED.*--ca-file"):
            probe.Probe(url, greeting=DEFAULT.greeting).models()


def test_authorities_of_the_environment_are_believed_by_both(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))
    # A process reads the environment once, and this one has.
    monkeypatch.setattr(access, "_everybodys", access._everybodys.__wrapped__)
    with secure(certificate) as url:
        assert ask(url, Access()).status == 200
        assert probe.Probe(url, greeting=DEFAULT.greeting).models() == ["m"]


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_file_without_certificates_is_refused(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text, "utf-8")
    with pytest.raises(
        AccessProblem, match=r"^--ca-file .*ca\.pem: (no certificates|cannot be read)"
    ):
        access.authority(file)
