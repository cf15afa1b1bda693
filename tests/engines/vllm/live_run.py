"""A run of the suite on a real vLLM, started as a user starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def judge(folder: Path, *words: str) -> Any:
    """Launch hermes with these words, and give the results, which go into the folder."""
    results = folder / "results.json"
    own = ["--launch=hermes", f"--results={results}"]
    done = subprocess.run(
        [sys.executable, "-m", "conformance", "run", "-q", *own, *words],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout[-3000:], done.stderr[-3000:])
    return json.loads(results.read_text("utf-8"))
