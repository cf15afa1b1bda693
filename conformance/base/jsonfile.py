"""JSON files that the suite wrote earlier, read strictly and within a limit."""

from __future__ import annotations

import json
import os
from pathlib import Path

from conformance.base import files, jsonvalue
from conformance.base.jsonvalue import Json, JsonProblem


class JsonFileProblem(Exception):
    """A file is not JSON, or too large; the message says what was seen."""


class NotRead(JsonFileProblem):
    """A file cannot be read at all."""


def load(path: Path, max_bytes: int) -> Json:
    """Read a file of at most `max_bytes`; raises `JsonFileProblem`."""
    try:
        data = files.data(path, max_bytes)
    except files.TooLarge as problem:
        raise JsonFileProblem(problem.what) from None
    except files.Unread as problem:
        raise NotRead(problem.what) from None
    try:
        return jsonvalue.plain(jsonvalue.parse(data.decode("utf-8")))
    except (UnicodeDecodeError, JsonProblem) as problem:
        raise JsonFileProblem(f"not JSON: {problem}") from None


def other_version(found: Json) -> int | None:
    """Give a document's version if this suite does not read it, else `None`."""
    version = found.get("schema") if isinstance(found, dict) else None
    return version if isinstance(version, int) and version != 1 else None


def write(path: Path, found: Json) -> None:
    """Write a whole JSON file, or leave the old one as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # ASCII, because answers may hold lone surrogates, which UTF-8 cannot encode
    text = json.dumps(found, indent=1, ensure_ascii=True) + "\n"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, "ascii")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
