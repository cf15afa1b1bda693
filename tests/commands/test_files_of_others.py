"""Results that somebody changed by hand: a message or a report, and never a traceback."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.commands.main import main
from conformance.results import reader
from conformance.results.reader import ResultsProblem
from tests.made import counted, document, finding, item

OTHERS: list[Any] = [None, True, -1, 1e400, "", "x", [], [[]], {}, {"x": []}]
"""What may stand in the place of a value."""
WIRE = {
    "request": {
        "model": "m",
        "messages": [{"role": "user", "content": "Look."}],
        "stream": True,
        "tools": [{"type": "function", "function": {"name": "look"}}],
        "vllm_xargs": {
            "conformance_script": '{"v": 1, "pieces": [["text", "x"]], "cut": "tokens"}'
        },
    },
    "status": 200,
    "headers": [["content-type", "text/event-stream"]],
    "error": None,
    "answer": 'data: {"choices": []}\n\n',
}


def whole() -> dict[str, Any]:
    """Make a document with each thing that a document can hold."""
    attempt = {
        "outcome": "fail",
        "reason": None,
        "seconds": 1,
        "fault": "model",
        "called": True,
        "said": "x",
        "broken": ["args.json"],
        "wire": None,
    }
    found = document(
        {},
        target_tokens=True,
        target_packages={"vllm": "0.32.0"},
        run_unasked={"the budget": 1},
        run_waited={"times": 1, "seconds": 0.5},
        run_repeats=2,
        run_require_calls=0.5,
        run_baseline="old.json",
    )
    found["results"] = [
        item("a/one[stream]", {"args.json": "fail"}, wire="wire/a.json", chance=["args.object"]),
        item("a/two[stream]", {"args.json": "known"}, fault="parser", attempts=[attempt]),
        item("a/three[complete]", {"args.json": "pass"}),
        item("a/four[complete]", "error"),
    ]
    found["results"][0]["findings"] = [finding("args.json", "fail", chunk=1)]
    plain: dict[str, Any] = json.loads(json.dumps(counted(found)))
    return plain


def bent(document: Any) -> Iterator[tuple[str, Any]]:
    """Leave out each value of a document in turn, and put each other value in its place."""
    for path in places(document):
        for other in [KeyError, *OTHERS]:
            found = copy.deepcopy(document)
            inner = found
            for step in path[:-1]:
                inner = inner[step]
            if other is KeyError:
                del inner[path[-1]]
            else:
                inner[path[-1]] = other
            yield f"{path} {other}", found


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(document, dict | list):
        steps = document if isinstance(document, dict) else range(len(document))
        for step in steps:
            yield from places(document[step], (*path, step))


def write(path: Path, found: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found).replace("Infinity", "1e400"), "utf-8")


def commands(new: Path, old: Path) -> list[list[str]]:
    files = [str(new)]
    return [
        *(["report", "--format", kind, *files] for kind in ("html", "markdown", "badge")),
        ["compare", str(old), *files],
        ["compare", *files, str(old), "--format", "json"],
        ["accept", *files],
        ["check", *files],
    ]


def problem_of(path: Path) -> str | None:
    try:
        reader.load(path)
    except ResultsProblem as problem:
        return str(problem)
    return None


def run_all(new: Path, old: Path) -> set[int]:
    return {main(words) for words in commands(new, old)}


def test_a_whole_file_is_read_by_every_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "r.json", whole())
    write(tmp_path / "wire" / "a.json", WIRE)
    assert main(["report", str(tmp_path / "r.json")]) == 0
    assert "data:" in capsys.readouterr().out


def test_results_are_checked_as_they_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.json"
    write(path, whole())
    assert main(["check", str(path)]) == 0
    assert capsys.readouterr().out == "1 file, no problems\n"
    write(path, {**whole(), "totals": {"pass": 9}})
    assert main(["check", str(path)]) == 1
    told = capsys.readouterr().out
    assert told.startswith(f"{path}: contradicts itself: totals.pass is 9, and 1 of the items")


@pytest.mark.slow
def test_any_change_to_results_is_a_message_or_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    write(old, whole())
    refused = 0
    for what, found in bent(whole()):
        write(new, found)
        if (problem := problem_of(new)) is not None:
            refused += 1
            assert problem.startswith(f"{new}: "), what
            assert "\n" not in problem, what
            continue
        assert run_all(new, old) <= {0, 1, 4}, what
        for line in capsys.readouterr().err.splitlines():
            assert line.startswith((f"{new}: ", f"{old}: ", "note: ", "no ")), (what, line)
    assert refused > 500


@pytest.mark.slow
def test_any_change_to_an_exchange_leaves_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new.json"
    write(new, whole())
    for what, found in bent(WIRE):
        write(tmp_path / "wire" / "a.json", found)
        assert main(["report", str(new)]) == 0, what
        capsys.readouterr()
