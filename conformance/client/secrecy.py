"""What is secret in a run, and what is kept in its place, however a server spells it."""

from __future__ import annotations

import base64
import json
import re
import string
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from conformance.base import sse
from conformance.base.jsonvalue import Json
from conformance.base.sse import Read

MASK = "***"
"""What is kept in the place of a secret."""
SHORTEST = 8
"""Characters; a shorter text is in many answers that repeat no secret."""

_PERCENT = r"%(?:25)*"
"""A URL escapes a character by `%`, and a URL within a URL by `%25`."""
_BACKSLASHES = rf"(?:(?:\\|{_PERCENT}5[Cc])++(?:u005[Cc])?)++"
"""JSON escapes a character by one backslash, JSON within JSON by three, and so on."""
_BYTE = "(?:25)*([0-9A-Fa-f]{2})"
_ESCAPE = re.compile(rf"{_BACKSLASHES}u0025{_BYTE}|{_BACKSLASHES}(?:u([0-9A-Fa-f]{{4}}))?|%{_BYTE}")
_ALIKE = str.maketrans("+ /", "--_")
"""Base64 has two alphabets, and a URL may write a space as `+`."""
_SYMBOLS = frozenset(string.ascii_letters + string.digits + "-_")
FEWEST = 4
"""Characters that must be left of a secret without its escapes; else only the secret is found."""

Span = tuple[int, int]


class Secrets:
    """Texts that must not be kept; shown as nothing at all."""

    __slots__ = ("_needles", "_words")

    def __init__(self, words: Collection[str]) -> None:
        """Take the texts; those that are too short are in any answer, and are left out."""
        self._words = tuple(sorted({one for one in words if len(one) >= SHORTEST}))
        self._needles = tuple(one for word in self._words for one in _needles(word))

    def __repr__(self) -> str:
        """Say how many there are."""
        return f"<{len(self._words)} secrets>"

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._words)

    def except_in(self, text: str) -> Secrets:
        """Give those that a text does not say: what a request says is no secret of its answer."""
        return Secrets([one for one in self._words if not Secrets((one,)).are_in(text)])

    def are_in(self, text: str) -> bool:
        """Whether a text holds one, in any spelling."""
        return bool(self._spans(text.encode("utf-8", "surrogatepass")))

    def hide(self, text: str) -> str:
        """Put `***` where one stands."""
        data = text.encode("utf-8", "surrogatepass")
        return self.hide_bytes(data).decode("utf-8", "surrogatepass") if self else text

    def hide_bytes(self, data: bytes) -> bytes:
        """Put `***` where one stands."""
        return b"".join(read.data for read in self.hide_reads([Read(0.0, data)]))

    def hide_reads(self, reads: Sequence[Read]) -> list[Read]:
        """Put `***` where one stands, even if it came in several pieces."""
        body = b"".join(read.data for read in reads)
        spans = self._spans(body)
        kept, start, next_one = [], 0, 0
        for read in reads:
            end = start + len(read.data)
            # Each secret is shown where it begins, and nothing of it where it goes on.
            data, at = b"", start
            while next_one < len(spans) and spans[next_one][0] < end:
                first, last = spans[next_one]
                data += body[at : max(at, first)] + (MASK.encode() if first >= start else b"")
                at = min(last, end)
                if last > end:
                    break
                next_one += 1
            kept.append(Read(read.at, data + body[at:end]))
            start = end
        return kept

    def are_in_pieces_of(self, reads: Sequence[Read]) -> bool:
        """Whether texts of a JSON answer, or of its events, come to one when they are joined."""
        return bool(self) and any(self.are_in(text) for text in _joined(reads))

    def _spans(self, data: bytes) -> list[Span]:
        """Find where they stand, in order, and no two at one place."""
        if not self:
            return []
        # A character for each byte, so that places in the text are places in the bytes.
        text = data.decode("latin-1")
        literal = [word.encode("utf-8").decode("latin-1") for word in self._words]
        found = [(at, at + len(one)) for one in literal for at in _places(text, one)]
        plain, origins = _plainly(text)
        for needle in self._needles:
            for at in _places(plain, needle.core):
                first, last = needle.around(plain, at)
                found.append((_origin(origins, first)[0], _origin(origins, last - 1)[1]))
        return _united(found)


@dataclass(frozen=True, slots=True)
class _Needle:
    """What is looked for in a text without escapes."""

    core: str
    shared_before: bool = False
    """Its neighbour is a symbol of base64 that holds bits of the secret too."""
    shared_after: bool = False

    def around(self, text: str, at: int) -> Span:
        """Give all that holds something of the secret, where the core was found."""
        first, last = at, at + len(self.core)
        if self.shared_before and first and text[first - 1] in _SYMBOLS:
            first -= 1
        if self.shared_after:
            last += text[last : last + 1] in _SYMBOLS
            last += len(text[last : last + 2]) - len(text[last : last + 2].lstrip("="))
        return first, last


@cache  # each request leaves out those that it says itself, and they are nearly always none
def _needles(word: str) -> tuple[_Needle, ...]:
    data = word.encode("utf-8")
    plain = _plainly(data.decode("latin-1"))[0]
    found = [_Needle(plain)] if len(plain) >= FEWEST else []
    for before in range(3):  # base64 takes three bytes at a time, and the secret may be any of them
        symbols = base64.urlsafe_b64encode(bytes(before) + data).decode().rstrip("=")
        whole = (before + len(data)) * 8 // 6
        core = symbols[before and before + 1 : whole]
        found.append(_Needle(core, before > 0, whole < len(symbols)))
    return tuple(found)


def _plainly(text: str) -> tuple[str, list[tuple[int, int, int, int]]]:
    """Take the escapes out of a text, and say what stood where: of each piece, here and there."""
    pieces: list[str] = []
    origins: list[tuple[int, int, int, int]] = []
    here = there = 0
    for match in _ESCAPE.finditer(text):
        for piece, start, end in (
            (text[there : match.start()], there, match.start()),
            (_meant(match), match.start(), match.end()),
        ):
            origins.append((here, here + len(piece), start, end))
            pieces.append(piece)
            here += len(piece)
        there = match.end()
    pieces.append(text[there:])
    origins.append((here, here + len(text) - there, there, len(text)))
    return "".join(pieces).translate(_ALIKE), origins


def _meant(escape: re.Match[str]) -> str:
    unit = escape[2]
    if byte := escape[1] or escape[3]:
        return chr(int(byte, 16))
    return "" if unit is None else chr(int(unit, 16)).encode("utf-8", "replace").decode("latin-1")


def _origin(origins: Sequence[tuple[int, int, int, int]], place: int) -> Span:
    """Give what a character of the text without escapes was in the other, its escape included."""
    found = bisect_right(origins, place, key=lambda one: one[0]) - 1
    here, until, start, end = origins[found]
    if until - here != end - start:
        return start, end
    first = last = start + place - here
    # Backslashes before a character mean nothing alone; without it they would escape the mask.
    while first == start and found and origins[found - 1][:2] == (here, here):
        found -= 1
        first = start = origins[found][2]
    return first, last + 1


def _places(text: str, wanted: str) -> Iterator[int]:
    at = text.find(wanted)
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)


def _united(spans: Collection[Span]) -> list[Span]:
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first < found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def _joined(reads: Sequence[Read]) -> Iterator[str]:
    """Join the texts that stand at one place of every event, such as a call's arguments.

    An element of a list has its place by its `index`, which is how a stream names its parts, and
    not by its number in the list: the next event says more of the same part.
    """
    body = b"".join(read.data for read in reads)
    ended = [*reads, Read(0.0, b"\n\n")]  # an event that was cut may be read all the same
    documents = [event.data for event in sse.read(ended).events]
    found: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for text in [*documents, body.decode("utf-8", "replace")]:
        for place, said in _texts(_json(text)):
            found[place].append(said)
    for texts in found.values():
        yield "".join(texts)


def _json(text: str) -> Json:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _texts(document: Json) -> Iterator[tuple[tuple[str, ...], str]]:
    """Give each text of a document with its place; bytes that stand as numbers are text too."""
    left: list[tuple[tuple[str, ...], Json]] = [((), document)]
    while left:
        place, value = left.pop()
        if isinstance(value, str):
            yield place, value
        elif isinstance(value, dict):
            inner = [((*place, key), one) for key, one in value.items()]
            left += reversed(inner)
        elif isinstance(value, list) and value and all(_is_byte(one) for one in value):
            yield place, bytes(value).decode("utf-8", "replace")
        elif isinstance(value, list):
            left += reversed([((*place, _index(one)), one) for one in value])


def _is_byte(value: Json) -> bool:
    return type(value) is int and 0 <= value < 256


def _index(value: Json) -> str:
    return str(value.get("index", "")) if isinstance(value, dict) else ""


NOTHING = Secrets(())
