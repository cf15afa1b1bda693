"""What gives access to a server: a key, a gateway's headers, an authority; all kept secret."""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import httpx2

from conformance.base import files
from conformance.client.secrecy import Secrets

MAX_CERTIFICATES_BYTES = 10_000_000
KEY = "CONFORMANCE_API_KEY"
_VARIABLE = "CONFORMANCE_HEADER_"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
_OURS = {
    *("accept", "accept-encoding", "connection", "content-encoding", "content-length"),
    *("content-type", "host", "te", "trailer", "transfer-encoding", "upgrade"),
}
"""Headers that decide what comes back, or how; the suite sends its own."""


class AccessProblem(Exception):
    """A header or a file cannot be used; the message says why, and never a header's value."""


@cache
def _everybodys() -> ssl.SSLContext:
    # Made once: reading the system's authorities takes longer than a question.
    return httpx2.create_ssl_context()


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A header that a gateway wants."""

    name: str
    value: str = field(repr=False)
    shown: str
    """The option that gives it, without its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What every request to a server needs."""

    api_key: str | None = field(default=None, repr=False)
    headers: tuple[Header, ...] = ()
    authority: ssl.SSLContext | None = field(default=None, repr=False)
    """The certificate authority to trust; `None` for the system's."""

    @property
    def verify(self) -> ssl.SSLContext:
        """Give the authorities to trust."""
        return self.authority or _everybodys()

    @property
    def sent(self) -> dict[str, str]:
        """Give the headers to send, except the key."""
        return {header.name: header.value for header in self.headers}

    @property
    def secrets(self) -> Secrets:
        """Give what must not be kept of an answer."""
        values = [self.api_key or "", *(header.value for header in self.headers)]
        return Secrets({word for value in values for word in _words(value)})


def _words(value: str) -> Iterator[str]:
    """Give all that a server may repeat of a value: of `Bearer` and a token, the token alone."""
    yield value
    scheme, _, token = value.rpartition(" ")
    yield token
    if scheme.lower() == "basic":
        try:
            named = base64.b64decode(token).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            return
        yield named
        yield named.partition(":")[2]


OPEN = Access()
"""Nothing is needed."""


def key(environment: Mapping[str, str]) -> str | None:
    """Read the key; `None` if there is none. Raises `AccessProblem`."""
    value = environment.get(KEY, "").strip()
    if value and not _VALUE.fullmatch(value):
        raise AccessProblem(f"{KEY}: it is not plain ASCII, which a header must be")
    return value or None


def headers(given: Sequence[str], environment: Mapping[str, str]) -> tuple[Header, ...]:
    """Read headers, `Name: value` or `Name` alone, whose value is in the environment.

    Raises `AccessProblem`.
    """
    found: dict[str, Header] = {}
    for number, text in enumerate(given, start=1):
        name, colon, value = (part.strip() for part in text.partition(":"))
        if not _NAME.fullmatch(name):
            # The text may be a value whose name was forgotten.
            raise AccessProblem(
                f"--header (number {number}): it does not begin with the name of a header"
            )
        variable = _VARIABLE + re.sub(r"[^A-Z0-9]", "_", name.upper())
        if not colon and variable not in environment:
            missing = f"--header {name}: give its value in {variable}, or write 'Name: value'"
            raise AccessProblem(missing)
        value = value if colon else environment[variable].strip()
        if name.lower() in _OURS:
            raise AccessProblem(f"--header {name}: the suite sends its own, and judges by it")
        if not _VALUE.fullmatch(value):
            raise AccessProblem(f"--header {name}: its value is empty, or not plain ASCII")
        if name.lower() in found:
            raise AccessProblem(f"--header {name}: given twice")
        shown = f'--header="{name}: $VALUE"' if colon else f"--header={name}"
        found[name.lower()] = Header(name=name, value=value, shown=shown)
    return tuple(found.values())


def authority(path: Path) -> ssl.SSLContext:
    """Trust the certificates in a PEM file, and no others; raises `AccessProblem`."""
    try:
        # Beside the certificates, a bundle may name their owners in any characters.
        certificates = files.data(path, MAX_CERTIFICATES_BYTES).decode("ascii", "ignore")
        return ssl.create_default_context(cadata=certificates)
    except files.Unread as problem:
        raise AccessProblem(f"--ca-file {path}: {problem.what}") from None
    except (OSError, ValueError) as problem:  # an ssl.SSLError is an OSError
        reason = getattr(problem, "strerror", None) or str(problem)
        raise AccessProblem(f"--ca-file {path}: no certificates can be read: {reason}") from None
