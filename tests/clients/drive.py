"""Let a client read recordings: `.venv/bin/python -P drive.py FOLDER`, with a job a line on stdin.

A job has an id, a url that replays the recording, whether it is streamed, and the request's body.
The first line of stdout names the ways in which programs use the client, each with its version.
Then a line comes back for each job: what each of these ways gives.
This runs in the client's own environment, so it imports nothing of the suite.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECONDS = 20
"""A client that takes longer over a few bytes hangs."""


def load(folder: str) -> Any:
    """Load a client by its path: its folder may be named as the package that it needs."""
    path = Path(__file__).with_name(folder) / "client.py"
    spec = importlib.util.spec_from_file_location(f"client_{folder}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(ask: Callable[[dict[str, Any]], dict[str, Any]], job: dict[str, Any]) -> dict[str, Any]:
    """Give what a program would get: choices and usage, an exception, or nothing in time."""
    found: dict[str, Any] = {"hangs": True}

    def run() -> None:
        nonlocal found
        try:
            found = ask(job)
        except Exception as problem:  # whatever it raises, a program would meet
            found = {"raises": type(problem).__name__, "message": str(problem)}

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return found


def main() -> None:
    """Answer every job in turn, and leave even where a thread hangs."""
    warnings.simplefilter("ignore")
    # Libraries print; only answers may stand on stdout.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    ways = load(sys.argv[1]).WAYS
    print(json.dumps(list(ways)), file=out, flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        answers = {name: answer(ask, job) for name, ask in ways.items()}
        print(json.dumps({"id": job["id"], "answers": answers}), file=out, flush=True)
    out.close()
    os._exit(0)


if __name__ == "__main__":
    main()
