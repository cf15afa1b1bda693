"""Pytest with the suite's plugin, in a folder with cases; the fixture `run` gives one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpcore2  # noqa: F401 -- httpx2 imports it late, and each run inside would get a copy
import pytest
from jsonschema.validators import Draft202012Validator

import conformance
from conformance.base.jsonvalue import Json

PACKAGE = Path(conformance.__file__).parent
REFERENCE = ("--reference", "--parser", "hermes")
COMPLETED, FAILED, INTERRUPTED, USAGE_ERROR, NOTHING_TESTED = 0, 1, 2, 4, 5
CASES = """
schema: 1
about: A call and a text.
cases:
  - id: zig
    about: A call with text before it.
    tools: &tools
      - {type: function, function: {name: look, parameters: {type: object}}}
    messages: [{role: user, content: "Look at the sea."}]
    says:
      - text: I look.
      - call: look
        arguments: {at: the sea}
  - id: zag
    about: A text.
    tools:
      - {type: function, function: {name: look, parameters: {type: object}}}
    messages: [{role: user, content: "Say that it is late."}]
    says: It is late.
""".replace(" &tools", "")
FAULTY = (*REFERENCE, "--fault", "name-twice")
KNOWN = """
schema: 1
implementation: reference
issues:
  - id: sent-twice
    about: The name of a call is sent in every delta.
    versions: ">=0"
    cases: ["mine/zig"]
    modes: ["stream*"]
    rules: [chunk.name.once]
    added: "2026-11-22"
"""


class Run:
    """A folder with cases, and pytest in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.folder = pytester.path
        self.write("mine.yaml", CASES)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, "utf-8")

    def __call__(self, *arguments: str, plugins: Sequence[Any] = ()) -> pytest.RunResult:
        settings = ("-c", str(PACKAGE / "pytest.toml"), "--rootdir", str(self.folder))
        loaded = ("-p", "conformance.plugin", "--results", "results.json")
        paths = () if any(".yaml" in word for word in arguments) else ("mine.yaml",)
        words = (*settings, *loaded, *paths, *arguments)
        return self.pytester.runpytest_inprocess(*words, plugins=plugins)

    @property
    def results(self) -> Json:
        found = json.loads((self.folder / "results.json").read_text("utf-8"))
        schema = json.loads((PACKAGE / "schemas" / "results.json").read_text("utf-8"))
        Draft202012Validator(schema).validate(found)
        return found

    @property
    def totals(self) -> dict[str, int]:
        return {name: count for name, count in self.results["totals"].items() if count}


def errors(found: pytest.RunResult) -> list[str]:
    return [line for line in found.errlines if line.startswith("ERROR: ")]


def timeless(results: Json) -> Json:
    del results["run"]["started"], results["run"]["seconds"]
    for item in results["results"]:
        del item["seconds"]
    return results
