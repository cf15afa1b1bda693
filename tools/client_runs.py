"""Clients of today read the rules' recorded answers, each in an environment of its own.

A client is a folder of `tests/clients/` with a `client.py` or a `client.mjs`; `make clients` makes
the environments. A server on this machine replays the bytes of `tests/samples/`, and one process a
client reads them all.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from conformance.base.jsonvalue import Json
from conformance.rules import RULES
from tests.evidence import SAMPLES, exchange, settings_of

FOLDER = Path(__file__).parents[1] / "tests" / "clients"
SECONDS = 600
"""All recordings together; a driver ends one that hangs by itself."""

_ADDRESS = re.compile(r"0x[0-9a-f]+")


class DriverProblem(Exception):
    """A client's process ended before it had answered; the message says what it printed last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Bytes that a client reads, and the request that they answer."""

    id: str
    body: bytes
    status: int
    content_type: str
    request: Json

    @property
    def stream(self) -> bool:
        """Whether the answer was asked for as a stream."""
        return bool(self.request.get("stream"))


def recordings() -> dict[str, Recording]:
    """Give each rule's wrong and right answers, by `rule/file`."""
    files = (file for id in RULES for file in sorted((SAMPLES / id).iterdir()))
    found = map(_recording, (file for file in files if _is_answer(file)))
    return {one.id: one for one in found}


def _is_answer(file: Path) -> bool:
    return file.name.startswith(("wrong", "right")) and file.suffix in (".sse", ".json")


def _recording(file: Path) -> Recording:
    settings = settings_of(file.parent)
    id = f"{file.parent.name}/{file.name}"
    if following := settings.get("next", {}).get(file.name):
        # The answer itself is right: what a client meets is the one to its next turn.
        body, status, stream = json.dumps(following["answer"]).encode(), following["status"], False
    else:
        body, stream = file.read_bytes(), file.suffix == ".sse"
        status = settings.get("status", {}).get(file.name, 200)
    media = settings.get("content_type", {}).get(file.name)
    found = exchange(
        body, stream=stream, status=status, content_type=media, options=settings.get("options")
    )
    return Recording(
        id=id,
        body=body,
        status=status,
        content_type=found.headers[0][1],
        request=found.request,
    )


def clients() -> list[str]:
    """Name the folders of all clients."""
    return sorted(path.parent.name for path in FOLDER.glob("*/client.*"))


def command(folder: str) -> Sequence[str]:
    """Give the command that starts a client's driver."""
    if (FOLDER / folder / "client.mjs").exists():
        return ["node", str(FOLDER / "drive.mjs"), folder]
    # The folder may be named as the package that it needs: -P keeps it off the path.
    return [str(FOLDER / folder / ".venv/bin/python"), "-P", str(FOLDER / "drive.py"), folder]


def is_made(folder: str) -> bool:
    """Whether a client's environment is there."""
    place = FOLDER / folder
    ready = "node_modules" if (place / "client.mjs").exists() else ".venv"
    return (place / ready / "ready").exists()


def read(folder: str, recorded: Mapping[str, Recording]) -> dict[str, dict[str, Json]]:
    """Let a client read all recordings; by each way of using it, and by the recording's id."""
    with _replaying(recorded) as url:
        jobs = "".join(json.dumps(_job(one, url)) + "\n" for one in recorded.values())
        done = subprocess.run(
            command(folder),
            input=jobs,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if len(lines) != 1 + len(recorded):
        seen = f"{len(lines) - 1} of {len(recorded)} answers, exit status {done.returncode}"
        raise DriverProblem(f"{folder}: {seen}\n{done.stderr[-2000:]}")
    ways, *answers = lines
    return {way: {one["id"]: _plain(one["answers"][way], url) for one in answers} for way in ways}


def _job(one: Recording, url: str) -> Json:
    return {"id": one.id, "url": f"{url}/{one.id}", "stream": one.stream, "body": one.request}


def _plain(answer: Json, url: str) -> Json:
    """Keep no port, address or folder of this machine in a message, or no two runs were alike."""
    if "message" in answer:
        text = _ADDRESS.sub("0x…", answer["message"].replace(url, "").replace(f"{FOLDER}/", ""))
        answer["message"] = re.sub(r"\s+", " ", text).strip()[:200]
    return answer


@contextmanager
def _replaying(recorded: Mapping[str, Recording]) -> Iterator[str]:
    class Replay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            _, rule, file, *_ = self.path.split("/")
            found = recorded[f"{rule}/{file}"]
            self.send_response(found.status)
            self.send_header("content-type", found.content_type)
            self.send_header("content-length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: what was asked is known."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Replay)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
