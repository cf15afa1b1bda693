from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.results import reader
from conformance.results.reader import ResultsProblem, load, wire
from conformance.terms.outcome import Level, Outcome
from tests.made import Items, counted, document, item, results, write

ITEMS: Items = {
    "a/one[stream]": {"args.json": "fail", "args.object": "pass"},
    "a/two[stream]": "error",
}


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    found = results(tmp_path / "r.json", ITEMS)
    one, two = found.items
    assert (one.key, one.outcome, one.rules) == (
        ("a/one", "stream"),
        Outcome.FAIL,
        {"args.json": Outcome.FAIL, "args.object": Outcome.PASS},
    )
    assert (one.findings[0].level, one.findings[0].outcome) == (Level.MUST, Outcome.FAIL)
    assert (two.outcome, two.reason, two.rules) == (Outcome.ERROR, "it was refused", {})
    assert found.run.level is Level.MUST
    assert found.issues["an-issue"].about == "It is broken."
    assert found.outcomes()["a/two", "stream"] == {}


def test_what_only_newer_runs_write_may_be_missing(tmp_path: Path) -> None:
    old = document(ITEMS)
    del old["issues"], old["run"]["repeat"], old["results"][0]["test"]
    found = load(write(tmp_path / "r.json", old))
    assert (found.issues, found.run.repeat, found.run.deselected) == ({}, None, 0)


def broken(**more: Any) -> dict[str, Any]:
    return {**document(ITEMS), **more}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ("", "not JSON: "),
        ("{", "not JSON: "),
        ('{"a": NaN}', "not JSON: NaN"),
        ("[" * 5000, "not JSON: nested deeper"),
        ('{"schema": 1, "schema": 1}', "not JSON: duplicate key"),
        (b"\xff", "not JSON: "),
        ("[]", "not the results of a run: at $: "),
        (broken(schema=2), "schema 2, and this suite reads schema 1; run both with one suite"),
        (broken(more=1), "at $: "),
        (broken(results=[item("a/b[c]", {"args.json": "failed"})]), "at $.results[0].rules"),
        (broken(results=[item("a/b[c]", {}, wire="wire/../../x.json")]), "results[0].wire"),
        (broken(results=[item("a/b[c]", {}), item("a/b[c]", {})]), "a/b [c] is listed twice"),
    ],
)
def test_a_file_that_holds_no_results_is_one_clear_message(
    tmp_path: Path, found: Any, message: str
) -> None:
    path = tmp_path / "r.json"
    if isinstance(found, dict):
        write(path, found)
    else:
        path.write_bytes(found.encode() if isinstance(found, str) else found)
    with pytest.raises(ResultsProblem) as problem:
        load(path)
    assert str(problem.value).startswith(f"{path}: ")
    assert message in str(problem.value)
    assert len(str(problem.value)) < len(str(path)) + 300


CHANGES: dict[str, tuple[Callable[[Any], object], str]] = {
    "another count": (
        lambda run: run["totals"].update({"fail": 0}),
        "totals.fail is 0, and 1 of the items are that",
    ),
    "no count": (
        lambda run: run["totals"].pop("error"),
        "totals.error is 0, and 1 of the items are that",
    ),
    "an outcome that there is not": (
        lambda run: run["totals"].update({"fine": 2}),
        "totals.fine is 2, and 0 of the items are that",
    ),
    "an item less": (lambda run: run["results"].pop(), "totals.error is 1, and 0 of the items"),
    "an item less, counted": (
        lambda run: (run["results"].pop(), run["totals"].update({"error": 0})),
        "run.complete is true, run.selected is 2, and 1 item is there",
    ),
    "a failure called a pass": (
        lambda run: run["results"][0].update({"outcome": "pass"}),
        "totals.pass is 0, and 1 of the items are that",
    ),
    "a rule called passed": (
        lambda run: run["results"][0]["rules"].update({"args.json": "pass"}),
        "a/one [stream]: args.json is pass, and fail in a finding",
    ),
    "a rule left out": (
        lambda run: run["results"][0]["rules"].pop("args.json"),
        "a/one [stream]: args.json is not judged, and fail in a finding",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, change: str) -> None:
    found = counted(document(ITEMS))
    found["totals"] = dict(found["totals"])
    bend, told = CHANGES[change]
    bend(found)
    path = tmp_path / "r.json"
    path.write_text(json.dumps(found), "utf-8")
    with pytest.raises(ResultsProblem) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: contradicts itself: {told}")
    assert str(caught.value).endswith("; was it changed? run again")


def test_counts_of_nothing_may_be_missing(tmp_path: Path) -> None:
    assert results(tmp_path / "r.json", ITEMS).totals == {
        **dict.fromkeys(map(str, Outcome), 0),
        "fail": 1,
        "error": 1,
    }


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsProblem, match=r"none\.json: cannot be read: No such file"):
        load(tmp_path / "none.json")


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_RESULTS_BYTES", 100)
    with pytest.raises(ResultsProblem, match="larger than 100 bytes, which is the limit"):
        results(tmp_path / "r.json", ITEMS)


def test_the_exchange_beside_an_item_is_read_where_it_is(tmp_path: Path) -> None:
    found = document({})
    found["results"] = [item(f"a/{name}[s]", {}, wire=f"wire/{name}.json") for name in "bcd"]
    write(tmp_path / "wire" / "b.json", {"answer": "\ud800"})
    write(tmp_path / "wire" / "c.json", ["no object"])
    read = load(write(tmp_path / "r.json", found))
    assert [wire(read, one) for one in read.items] == [{"answer": "\ud800"}, None, None]
