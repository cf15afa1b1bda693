"""Measures what the suite adds to the server's own time.

The floor is a bare asynchronous client: it sends the requests of one full run, at the same
concurrency, and ignores the answers. Then the suite does the whole run: asking, reading, judging,
writing results. Both take turns against one running server.

    python benchmarks/overhead.py http://127.0.0.1:8000/v1 --parser hermes
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2

from conformance.base.jsonvalue import Json
from conformance.casefiles import casefile
from conformance.casefiles.modes import of_server
from conformance.client import probe
from conformance.formats.registry import server_id
from conformance.scripting import NotApplicable, check_applies, scripts_of
from conformance.terms.server import Server
from conformance.wires.chat.request import build
from conformance.wires.registry import DEFAULT


def requests_of(server: Server) -> list[Json]:
    """List the bodies of one full run."""
    found = []
    for case in casefile.load_folder(casefile.shipped()):
        for mode in of_server(server):
            try:
                check_applies(case, mode, server)
                found.append(build(case, mode, server, scripts_of(case, server)[0]))
            except NotApplicable:
                continue
    return found


async def send(url: str, bodies: list[Json], concurrency: int) -> float:
    """Send all requests and read the answers; gives the seconds."""
    free = asyncio.Semaphore(concurrency)
    limits = httpx2.Limits(max_connections=concurrency)
    async with httpx2.AsyncClient(timeout=600, limits=limits, trust_env=False) as client:

        async def one(body: Json) -> None:
            async with (
                free,
                client.stream("POST", f"{url}/chat/completions", json=body) as response,
            ):
                async for _ in response.aiter_raw():
                    pass

        began = time.perf_counter()
        await asyncio.gather(*(one(body) for body in bodies))
        return time.perf_counter() - began


def run_suite(url: str, parser: str, concurrency: int) -> float:
    """Run the suite; gives its seconds from the first request to the last verdict."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results.json")
        words = ["--server-url", url, "--parser", parser, "--concurrency", str(concurrency)]
        subprocess.run(
            [sys.executable, "-m", "conformance", "run", "-q", *words, "--results", str(results)],
            check=False,
            stdout=subprocess.DEVNULL,
        )
        return float(json.loads(results.read_text())["run"]["seconds"])


def main() -> None:
    """Print each pair of times and their ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", metavar="URL")
    parser.add_argument("--parser", required=True)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    server = probe.examine(chosen.url, greeting=DEFAULT.greeting, parser=chosen.parser)
    bodies = requests_of(server)
    print(f"{len(bodies)} requests, {chosen.concurrency} at once, {server_id(server)}")
    ratios = []
    for _ in range(chosen.rounds):
        floor = asyncio.run(send(server.url, bodies, chosen.concurrency))
        suite = run_suite(chosen.url, chosen.parser, chosen.concurrency)
        ratios.append(suite / floor)
        print(f"floor {floor:6.1f} s   suite {suite:6.1f} s   ratio {suite / floor:.2f}")
    print(f"median ratio {sorted(ratios)[len(ratios) // 2]:.2f}")


if __name__ == "__main__":
    main()
