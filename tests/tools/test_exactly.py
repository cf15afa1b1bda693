"""What runs without kernels show goes into the files of known issues, and nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.terms.case import Case
from conformance.terms.server import Server
from conformance.verdicts import known_issues
from conformance.verdicts.known_issues import Spot
from tools.exactly import Run, rewritten

HEAD = """\
# What is known.
schema: 1
implementation: vllm
issues:
"""
LISTED = """\
  - id: certain
    about: It always fails.
    rules: [args.json]
    cases: [a/one]
    added: "2026-11-29"

"""
FLAKY = """\
  - id: flaky
    about: It fails by chance.
    source: https://example.com/1
    flaky_modes: [stream, stream-interval-5]
    rules: [args.json, said.calls]
    cases: [a/one, a/two, a/three]
    says: one JSON
    added: "2026-11-29"
"""
CASES = [
    Case(id=f"a/{name}", about="x", path=Path("a.yaml"), line=1, messages=())
    for name in ("one", "two", "three", "four")
]
BOTH = ("args.json", "said.calls")


def run(model: str, version: str, *failed: tuple[str, str, tuple[str, ...]], says: str) -> Run:
    server = Server(
        url="a file",
        model=model,
        implementation="vllm",
        version=version,
        parser="hermes",
        format="hermes",
    )
    items: dict[tuple[str, str], Any] = {
        (case.id, mode): {"rules": dict.fromkeys(BOTH, "pass"), "findings": []}
        for case in CASES
        for mode in ("stream", "stream-interval-5")
    }
    for case, mode, rules in failed:
        items[case, mode] = {
            "rules": dict.fromkeys(rules, "known"),
            "findings": [{"rule": rule, "expected": says} for rule in rules],
        }
    return Run(server, items)


SEEN = (
    ("a/one", "stream", BOTH),
    ("a/two", "stream", BOTH),
    ("a/two", "stream-interval-5", BOTH),
    ("a/three", "stream", ("args.json",)),
    ("a/four", "stream", BOTH),
)


def test_the_places_where_an_issue_shows_are_written(tmp_path: Path) -> None:
    path = tmp_path / "known.yaml"
    path.write_text(HEAD + LISTED + FLAKY, "utf-8")
    runs = [
        run("m", "0.33.0", *SEEN, says="one JSON value"),
        run("n", "0.33.0", *SEEN[:1], says="one JSON value"),
    ]
    text = rewritten(path, runs, CASES, ())
    path.write_text(text, "utf-8")
    _, (_, found) = known_issues.read(path)
    assert set(found.exactly or ()) == {
        Spot(modes=("stream",), cases=("a/one",)),
        Spot(modes=("stream",), cases=("a/three",), rules=("args.json",), models=("m",)),
        Spot(modes=("stream", "stream-interval-5"), cases=("a/two",), models=("m",)),
    }
    exact = 'exact:\n  versions: "==0.33.0"\n  models: [m, n]\n'
    assert text.startswith(HEAD.replace("issues:", f"{exact}issues:") + LISTED)
    assert rewritten(path, runs, CASES, ()) == text
    assert rewritten(path, runs, CASES, ["flaky"]) == text


def test_another_fault_of_the_same_rule_is_not_the_issue(tmp_path: Path) -> None:
    path = tmp_path / "known.yaml"
    path.write_text(HEAD + FLAKY, "utf-8")
    text = rewritten(path, [run("m", "0.33.0", *SEEN, says="another")], CASES, ())
    assert "    exactly: []\n" in text


def test_releases_that_differ_want_entries_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "known.yaml"
    path.write_text(HEAD + FLAKY, "utf-8")
    old, new = (run("m", one, *SEEN, says="one JSON") for one in ("0.32.0", "0.33.0"))
    assert 'versions: ">=0.32.0,<=0.33.0"' in rewritten(path, [old, new], CASES, ())
    fixed = run("m", "0.33.0", says="one JSON")
    with pytest.raises(SystemExit, match=r"flaky: a/one: args.json fails in .* on 0.33.0"):
        rewritten(path, [old, fixed], CASES, ())
