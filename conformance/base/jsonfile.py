"""JSON files that the suite wrote earlier, read strictly and within a limit."""

from __future__ import annotations

import json
import os
from pathlib import Path

from conformance.base import jsonvalue
from conformance.base.jsonvalue import Json, JsonProblem


class JsonFileProblem(Exception):
    """A file is no JSON, or too large; the message says what was seen."""


class NotRead(JsonFileProblem):
    """A file cannot be read at all."""


def load(path: Path, limit: int) -> Json:
    """Read a file of so many bytes at most; raises `JsonFileProblem`."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as problem:
        told = getattr(problem, "strerror", None) or str(problem)
        raise NotRead(f"cannot be read: {told}") from None
    if len(data) > limit:
        raise JsonFileProblem(f"larger than {limit:,} bytes, which is the limit")
    try:
        return jsonvalue.plain(jsonvalue.parse(data.decode("utf-8")))
    except (UnicodeDecodeError, JsonProblem) as problem:
        raise JsonFileProblem(f"no JSON: {problem}") from None


def other_version(found: Json) -> int | None:
    """Give the version of a document, if it has one that this suite does not read."""
    version = found.get("schema") if isinstance(found, dict) else None
    return version if isinstance(version, int) and version != 1 else None


def write(path: Path, found: Json) -> None:
    """Write JSON whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # ASCII, because answers hold lone surrogates that no encoding takes
    text = json.dumps(found, indent=1, ensure_ascii=True) + "\n"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, "ascii")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
