"""What gives access to a server: a key, a gateway's headers, an authority; all kept secret."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import httpx2

from conformance.base import files

MAX_CERTIFICATES_BYTES = 10_000_000
SHORTEST_SECRET = 8
"""Characters; a shorter text is in many answers that repeat no secret."""

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

    def secrets(self, request: object) -> tuple[bytes, ...]:
        """List what must not be kept of an answer, the longest first.

        What the request itself says is not secret, and an answer may repeat it.
        """
        values = [self.api_key or "", *(header.value for header in self.headers)]
        # `Bearer` and a token: a server may repeat the token alone.
        words = {word for value in values for word in (value, value.rpartition(" ")[2])}
        secret = [word for word in words if len(word) >= SHORTEST_SECRET]
        sent = json.dumps(request, ensure_ascii=False) if secret else ""
        found: set[str] = set()
        for word in secret:
            quoted = json.dumps(word)[1:-1]
            if quoted not in sent:
                found |= {word, quoted}
        return tuple(word.encode() for word in sorted(found, key=len, reverse=True))


OPEN = Access()
"""Nothing is needed."""


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
        raise AccessProblem(f"--ca-file {path}: no certificates: {problem.what}") from None
    except (OSError, ValueError) as problem:  # an ssl.SSLError is an OSError
        reason = getattr(problem, "strerror", None) or str(problem)
        raise AccessProblem(f"--ca-file {path}: no certificates can be read: {reason}") from None
