"""Say whether the memory of a whole run has a ceiling: every tenth answer of the server is endless.

    python -m tools.endless                                  # all cases, in 1 GB
    python -m tools.endless --megabytes 400 cases/parallel.yaml

Every other answer is right, so that nothing else can hold memory back. The run is a process of its
own, under a limit of the system (`RLIMIT_DATA`); the server is in this one, and has none.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from conformance.reference import Reference
from conformance.reference.fault import Fault

PARSER = "hermes"
EVERY = 10
"""One answer of so many is endless."""
MEGABYTES = 1_000
SECONDS = 1_200
"""The longest wait for a run."""

_CHUNK = (
    b'data: {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "reference", '
    b'"choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": null}]}\n\n'
)
KINDS = (
    (_CHUNK, _CHUNK * 300),
    (_CHUNK, b"data: {}\n\n" * 6_000),
    (_CHUNK, b":"),
    (b'{"id": "', b"x" * 60_000),
    (b"data: [", b"{}," * 20_000),
)
"""How an endless answer begins, and what it repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of a run."""

    status: int
    """Negative if a signal ended it, as of `subprocess`."""
    seconds: float
    megabytes: float
    """The most that it had in memory at once."""
    whole: bool
    """Whether it came to all its items."""
    outcomes: Counter[str]
    reasons: Counter[str]
    """Why items came to an error."""
    words: str
    """The last that it printed."""

    @property
    def problems(self) -> Iterator[str]:
        """Say what shows that the memory did not suffice, or that the answers were not endless."""
        if self.status != 1:
            yield f"pytest ended with {self.status}, where errors give 1"
        if not self.whole:
            yield "the run did not come to all its items"
        if not self.reasons:
            yield "no answer was endless"
        for reason in self.reasons:
            if "a body " not in reason:
                yield f"an item came to an error for another reason: {reason}"


def endless(every: int = EVERY) -> Fault:
    """Make every so many-th answer endless."""
    turns, kinds = itertools.count(1), itertools.cycle(KINDS)

    def change(response: Response) -> Response:
        return response if next(turns) % every else _Endless(*next(kinds))

    about = f"Does not end each {every}th answer."
    return Fault(name="endless", about=about, owner="error", response=change)


class _Endless(Response):
    """Sends until the client has gone."""

    def __init__(self, head: bytes, block: bytes) -> None:
        super().__init__(media_type="text/event-stream")
        self._head, self._block = head, block

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = asyncio.ensure_future(_departure(receive))
        headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._head, "more_body": True})
        while not left.done():
            await send({"type": "http.response.body", "body": self._block, "more_body": True})
            await asyncio.sleep(0)  # else nobody else on the loop has a turn


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def run(
    paths: Sequence[str],
    *,
    megabytes: int = MEGABYTES,
    seconds: float = SECONDS,
    every: int = EVERY,
) -> Ended:
    """Run the suite's cases in a process that may have so much memory, and no more."""
    with tempfile.TemporaryDirectory() as folder, Reference(PARSER, fault=endless(every)) as server:
        results, said = Path(folder, "results.json"), Path(folder, "said")
        words = [f"--server-url={server.url}", f"--parser={PARSER}", f"--results={results}", "-q"]
        began = time.monotonic()
        with said.open("wb") as out:
            child = subprocess.Popen(
                [sys.executable, "-m", "pytest", *words, "-p", "no:cacheprovider", *paths],
                stdout=out,
                stderr=subprocess.STDOUT,
            )
            most = megabytes * 1_000_000
            resource.prlimit(child.pid, resource.RLIMIT_DATA, (most, most))
            status, peak = _awaited(child, began + seconds)
        found = json.loads(results.read_text("ascii")) if results.exists() else {}
        items = found.get("results", ())
        return Ended(
            status=status,
            seconds=time.monotonic() - began,
            megabytes=peak,
            whole=bool(found) and found["run"]["complete"],
            outcomes=Counter(item["outcome"] for item in items),
            reasons=Counter(item["reason"] for item in items if item["outcome"] == "error"),
            words=said.read_text("utf-8", "replace")[-2_000:],
        )


def _awaited(child: subprocess.Popen[bytes], end: float) -> tuple[int, float]:
    """Wait for a process, and end one that takes too long; gives its status and megabytes."""
    while True:
        pid, status, used = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return child.returncode, used.ru_maxrss * 1024 / 1e6
        if time.monotonic() > end:
            child.kill()
        time.sleep(0.05)


def main() -> int:
    """Print what became of the run; 1 if the memory did not suffice."""
    parser = argparse.ArgumentParser(prog="python -m tools.endless")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="cases (default: all)")
    parser.add_argument("--megabytes", type=int, default=MEGABYTES)
    parser.add_argument("--every", type=int, default=EVERY, help="one answer of so many is endless")
    chosen = parser.parse_args()
    ended = run(chosen.paths, megabytes=chosen.megabytes, every=chosen.every)
    for name, counts in (("outcomes", ended.outcomes), ("errors", ended.reasons)):
        print(f"{name}: {', '.join(f'{count} {what}' for what, count in counts.most_common())}")
    print(f"{ended.seconds:.0f} s, {ended.megabytes:.0f} MB of {chosen.megabytes} at most")
    problems = list(ended.problems)
    for problem in problems:
        print(problem)
    if problems:
        print(ended.words)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
