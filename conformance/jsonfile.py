"""JSON files that the suite wrote earlier, read strictly and within a limit."""

from __future__ import annotations

from pathlib import Path

from jsonschema.exceptions import best_match

from conformance import jsonvalue
from conformance.jsonvalue import JsonProblem
from conformance.model import Json
from conformance.strictyaml import validator


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


def misfit(found: Json, schema: str) -> str | None:
    """Say where a document is not as its schema has it, if so: `at PLACE: WHY`."""
    error = best_match(validator(schema).iter_errors(found))
    if error is None:
        return None
    place = jsonvalue.path(error.absolute_path)
    return f"at {place}: {jsonvalue.show(error.message, 200)}"
