"""Tapes: the exchanges of a run in a folder, kept to be judged again with no server.

`DIR/tapes.json` says which server it was; `DIR/exchanges/ITEM.DIGEST.N.json` is one exchange: the
item that it was for, a digest of path and request, and a number where one was asked several times.

The keys of `server` in `tapes.json` keep the names that they had first, whatever the fields of
`Server` are called now, so that a folder recorded by any version of the suite can be read.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from conformance import __version__
from conformance.base import files, jsonfile
from conformance.base.jsonfile import JsonFileProblem, NotRead
from conformance.base.jsonvalue import Json
from conformance.base.schema import misfit
from conformance.base.sse import Read
from conformance.base.suggest import did_you_mean
from conformance.client.sender import ASKED_FOR, NotAsked, Sender
from conformance.formats import FORMATS
from conformance.terms.exchange import Exchange
from conformance.terms.server import Copies, Server

LIMIT = 200_000_000
"""Bytes of a file; an answer has 8 MB at most, and is written as text or base64."""
MANY = 200_000
"""Files in a folder."""
FACTS = "tapes.json"
EXCHANGES = "exchanges"
NOT_THERE = "not on the tape"
KEYS = {
    "takes_interval": "intervals",
    "takes_steps": "steps",
    "takes_drafts": "drafts",
    "render_path": "prompts",
    "shows_token_ids": "tokens",
    "answer_tokens": "room",
}
"""Fields of `Server` whose key on disk has another name."""
OBSOLETE = {"grammar"}
"""Keys that earlier versions wrote, and that nothing reads."""
_NAME = re.compile(r"(?P<item>.+)[.](?P<digest>[0-9a-f]{16})[.](?P<turn>[0-9]{1,6})[.]json")


class TapeProblem(Exception):
    """A tape cannot be used; reads `path: what was seen, and what to do`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was recorded, beside the exchanges."""

    server: Server
    via: str
    """How the server was reached."""
    repeat: str
    """The options that reach such a server again."""
    recorded: str
    """When, as ISO 8601."""


def require_place(folder: Path) -> None:
    """Make an empty folder in which a run can write tapes; raises `TapeProblem`."""
    try:
        if folder.exists() and any(folder.iterdir()):
            raise TapeProblem(f"{folder}: is not empty; name a new folder for each recording")
        folder.mkdir(parents=True, exist_ok=True)
        files.require_room(folder)
    except (OSError, ValueError) as problem:
        raise _unwritable(folder, problem) from None


def begin(folder: Path, server: Server, *, via: str, repeat: str) -> None:
    """Begin the tapes of a run in an empty folder; raises `TapeProblem`."""
    require_place(folder)
    written = {KEYS.get(name, name): value for name, value in asdict(server).items()}
    del written["url"]  # tapes are for other people too, and the address is private
    facts = {
        "schema": 1,
        "recorded": datetime.now(UTC).isoformat(timespec="seconds"),
        "suite": __version__,
        "via": via,
        "repeat": repeat,
        "server": written,
    }
    try:
        (folder / EXCHANGES).mkdir()
        jsonfile.write(folder / FACTS, facts)
    except OSError as problem:
        raise _unwritable(folder, problem) from None


def _unwritable(folder: Path, problem: Exception) -> TapeProblem:
    return TapeProblem(files.unwritable(folder, problem, "folder"))


def facts(folder: Path) -> Facts:
    """Read what was recorded; raises `TapeProblem`."""
    found = _read(folder / FACTS, "tapes")
    fields = {key: name for name, key in KEYS.items()}
    read = {
        fields.get(key, key): value for key, value in found["server"].items() if key not in OBSOLETE
    }
    if read.get("copies"):
        read["copies"] = Copies(**read["copies"])
    if read["format"] not in FORMATS:
        hint = did_you_mean(read["format"], FORMATS)
        raise TapeProblem(f"{folder / FACTS}: format {read['format']!r} is unknown; {hint}")
    return Facts(
        server=Server(url="a tape", **read),
        via=found["via"],
        repeat=found["repeat"],
        recorded=found["recorded"],
    )


class Recorder:
    """Sends as another sender does, and keeps every exchange.

    An exchange that cannot be kept is given nevertheless; `lost` counts them by the reason.
    """

    def __init__(self, inner: Sender, folder: Path) -> None:
        """Write into a folder that `begin` has made."""
        self.lost: Counter[str] = Counter()
        self._inner = inner
        self._folder = folder / EXCHANGES
        self._turns: Counter[str] = Counter()

    async def send(self, path: str, body: Json) -> Exchange:
        """Send, and write the exchange down."""
        name = f"{_item()}.{_digest(path, body)}"
        turn = self._turns[name]
        self._turns[name] += 1
        exchange = await self._inner.send(path, body)
        try:
            jsonfile.write(self._folder / f"{name}.{turn}.json", _document(path, exchange))
        except OSError as problem:
            self.lost[problem.strerror or str(problem)] += 1
        return exchange

    async def close(self) -> None:
        """Close the other sender."""
        await self._inner.close()


class Player:
    """Gives the exchanges that were recorded, by their requests; nothing is ever sent."""

    def __init__(self, folder: Path) -> None:
        """List the tapes; raises `TapeProblem`."""
        self._tapes: dict[str, dict[str, list[tuple[int, Path]]]] = defaultdict(dict)
        self._asked: Counter[tuple[str, str]] = Counter()
        place = folder / EXCHANGES
        try:
            names = sorted(place.iterdir())
        except OSError as problem:
            raise TapeProblem(f"{place}: cannot be read: {problem.strerror}") from None
        if len(names) > MANY:
            raise TapeProblem(f"{place}: more than {MANY:,} files, which is the limit")
        for path in names:
            if found := _NAME.fullmatch(path.name):
                turns = self._tapes[found["digest"]].setdefault(found["item"], [])
                turns.append((int(found["turn"]), path))

    async def send(self, path: str, body: Json) -> Exchange:
        """Give what came back for this request; raises `NotAsked` and `TapeProblem`."""
        item, digest = _item(), _digest(path, body)
        found = self._tapes.get(digest, {})
        # A case may have another name since, and still ask for the same.
        turns = sorted(found.get(item) or next(iter(found.values()), []))
        turn = self._asked[item, digest]
        self._asked[item, digest] += 1
        if turn >= len(turns):
            raise NotAsked(NOT_THERE)
        return _exchange(turns[turn][1], digest, body)

    async def close(self) -> None:
        """Do nothing."""


def _item() -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", ".", ASKED_FOR.get()).strip(".")
    return plain[:120] or "none"


def _digest(path: str, body: Json) -> str:
    text = json.dumps([path, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def _document(path: str, exchange: Exchange) -> Json:
    # Times are kept whole: rounded here and again in the results, they could differ by a digit.
    return {
        "schema": 1,
        "item": ASKED_FOR.get(),
        "path": path,
        "request": exchange.request,
        "status": exchange.status,
        "headers": [list(pair) for pair in exchange.headers],
        "error": exchange.error,
        "seconds": exchange.seconds,
        "reads": [_piece(read) for read in exchange.reads],
    }


def _piece(read: Read) -> Json:
    try:
        return {"at": read.at, "text": read.data.decode("utf-8")}
    except UnicodeDecodeError:  # the piece ends within a character, or is not text
        return {"at": read.at, "base64": base64.b64encode(read.data).decode("ascii")}


def _exchange(path: Path, digest: str, body: Json) -> Exchange:
    found = _read(path, "tape")
    if _digest(found["path"], found["request"]) != digest:
        raise TapeProblem(f"{path}: the request in it is not the one that its name says")
    try:
        reads = tuple(
            Read(
                piece["at"],
                piece["text"].encode("utf-8")
                if "text" in piece
                else base64.b64decode(piece["base64"], validate=True),
            )
            for piece in found["reads"]
        )
    except ValueError as problem:
        raise TapeProblem(f"{path}: bytes that cannot be read: {problem}") from None
    return Exchange(
        request=body,
        status=found["status"],
        headers=tuple((name, value) for name, value in found["headers"]),
        reads=reads,
        error=found["error"],
        seconds=found["seconds"],
    )


def _read(path: Path, schema: str) -> Mapping[str, Json]:
    try:
        found: Mapping[str, Json] = jsonfile.load(path, LIMIT)
    except NotRead as problem:
        raise TapeProblem(f"{path}: {problem}; --record makes tapes") from None
    except JsonFileProblem as problem:
        raise TapeProblem(f"{path}: {problem}") from None
    if (version := jsonfile.other_version(found)) is not None:
        raise TapeProblem(f"{path}: schema {version}, and this suite reads schema 1")
    if (wrong := misfit(found, schema)) is not None:
        raise TapeProblem(f"{path}: no {schema}: {wrong}")
    return found
