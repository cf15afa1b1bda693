from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from conformance.base.jsonvalue import Json
from conformance.results import reader
from conformance.results.acceptance import ABOUT, AcceptProblem, entries, text
from conformance.terms.case import Case, Expectation
from conformance.terms.said import Call, Text
from conformance.terms.server import Server
from conformance.verdicts import known_issues

FILE = Path("results.json")
DAY = date(2026, 11, 22)
DIGEST = f"sha256:{0:064}"
MODES = ("complete", "stream", "stream-interval-5")
CALL = Call(name="look", arguments="{}")
PASSED = {"args.json": "pass", "said.calls": "pass"}


def case(id: str, *said: Text | Call) -> Case:
    calls = tuple(item for item in said if isinstance(item, Call))
    expect = Expectation(calls=calls, content="")
    return Case(
        id=id, about="A case.", path=Path("a.yaml"), line=1, messages=(), says=said, expect=expect
    )


CASES = [
    *(case(f"one/{name}", CALL) for name in "abcd"),
    *(case(f"two/{name}", CALL, CALL) for name in "efgh"),
    *(case(f"text/{name}", Text(text="Hi.")) for name in "ij"),
]
ONE = [f"one/{name}" for name in "abcd"]
TWO = [f"two/{name}" for name in "efgh"]


def finding(rule: str, expected: str, outcome: str = "fail", level: str = "must") -> Json:
    return {
        "rule": rule,
        "level": level,
        "outcome": outcome,
        "where": "choice 0",
        "expected": expected,
        "actual": "{}}",
        "chunk": None,
        "known": "old" if outcome == "known" else None,
    }


def item(case: str, mode: str, *findings: Json) -> Json:
    broken = {found["rule"]: found["outcome"] for found in findings}
    return {
        "case": case,
        "mode": mode,
        "outcome": "fail" if broken else "pass",
        "reason": None,
        "seconds": 0.1,
        "rules": PASSED | broken,
        "findings": list(findings),
        "wire": None,
    }


def results(*failed: Json, **run: Any) -> Json:
    """A run of all cases in all modes, in which these items failed."""
    broken = {(found["case"], found["mode"]): found for found in failed}
    items = [broken.get((case.id, mode)) or item(case.id, mode) for case in CASES for mode in MODES]
    return {
        "schema": 1,
        "suite": {"version": "0.1.0", "cases": 10, "rules": 3, "digest": DIGEST},
        "target": {
            "id": "vllm-0.32.0-hermes",
            "implementation": "vllm",
            "version": "0.32.0",
            "parser": "hermes",
            "format": "hermes",
            "template": None,
            "model": "m",
            "packages": {},
            "emission": "scripted",
        },
        "run": {
            "started": "2026-11-22T08:30:00Z",
            "seconds": 1.5,
            "via": "launch",
            "level": "must",
            "selected": 30,
            "complete": True,
            "deselected": 0,
            "known": [],
            "pytest": "9.2.0",
            "openai": "3.54.0",
            **run,
        },
        "totals": {"pass": 30 - len(failed), "fail": len(failed), "stale": 0, "error": 0},
        "results": items,
    }


def accepted(found: Json) -> list[Json]:
    return entries(reader.from_document(FILE, found), CASES, DIGEST, DAY)


def where(found: Json) -> list[tuple[Any, ...]]:
    """Of each entry the rule, the words, the places and the modes."""
    return [
        (one["rules"], one.get("says"), one.get("every") or one["cases"], one["modes"])
        for one in accepted(found)
    ]


BRACE = finding("args.json", "one JSON value")


def test_an_entry_says_what_failed_and_leaves_the_reason_to_a_person() -> None:
    assert accepted(results(item("one/a", "stream", BRACE))) == [
        {
            "id": "hermes-args-json",
            "about": ABOUT,
            "versions": "==0.32.0",
            "parsers": ["hermes"],
            "formats": ["hermes"],
            "rules": ["args.json"],
            "modes": ["stream"],
            "cases": ["one/a"],
            "says": "one JSON value",
            "added": "2026-11-22",
        }
    ]


def test_cases_that_fail_in_the_same_modes_are_one_entry() -> None:
    failed = [
        item("one/b", "stream", BRACE),
        item("one/a", "stream", BRACE),
        item("text/i", "stream", BRACE),
        item("text/i", "complete", BRACE),
    ]
    assert where(results(*failed)) == [
        (["args.json"], "one JSON value", ["text/i"], ["complete", "stream"]),
        (["args.json"], "one JSON value", ["one/a", "one/b"], ["stream"]),
    ]


@pytest.mark.parametrize(
    ("failing", "grouped"),
    [
        (ONE + TWO, [("call", ["stream"])]),
        (TWO, [("several-calls", ["stream"])]),
        (ONE, [(ONE, ["stream"])]),
        ([*ONE, *TWO, "text/i"], [("call", ["stream"]), (["text/i"], ["stream"])]),
        ([*ONE[1:], *TWO], [("several-calls", ["stream"]), (ONE[1:], ["stream"])]),
    ],
)
def test_a_class_that_fails_whole_is_named(failing: list[str], grouped: list[Any]) -> None:
    found = where(results(*(item(id, "stream", BRACE) for id in failing)))
    assert [(places, modes) for _, _, places, modes in found] == grouped


def test_a_class_is_whole_without_the_cases_in_which_the_rule_says_nothing() -> None:
    found = results(*(item(id, "stream", BRACE) for id in [*ONE[1:], *TWO]))
    for one in found["results"]:
        if one["case"] == "one/a":
            one["rules"]["args.json"] = "n/a"
    assert [places for _, _, places, _ in where(found)] == ["call"]


@pytest.mark.parametrize(
    ("expected", "says"),
    [
        ("one JSON value", "one JSON value"),
        ('"The sign for less than is <"', None),
        ('the call look({"at": "sea"})', "the call"),
        ("at least 1 call", "at least"),
        ("1 call", None),
    ],
)
def test_an_entry_has_the_words_that_do_not_depend_on_the_case(
    expected: str, says: str | None
) -> None:
    found = results(item("one/a", "stream", finding("args.json", expected)))
    assert [words for _, words, _, _ in where(found)] == [says]


def test_faults_that_differ_are_entries_that_differ() -> None:
    failed = item("one/a", "stream", BRACE, finding("args.json", "no brace"))
    more = item("one/b", "stream", finding("said.calls", "one call"))
    found = accepted(results(failed, more))
    assert [(one["id"], one["says"]) for one in found] == [
        ("hermes-args-json", "no brace"),
        ("hermes-args-json-2", "one JSON value"),
        ("hermes-said-calls", "one call"),
    ]


def test_what_is_known_or_fails_no_run_needs_no_entry() -> None:
    failed = item(
        "one/a",
        "stream",
        finding("args.json", "one JSON value", outcome="known"),
        finding("said.calls", "one call", level="should"),
    )
    assert accepted(results(failed)) == []
    assert len(accepted(results(failed, level="should"))) == 1


def test_an_unknown_version_and_an_unknown_parser_are_left_out() -> None:
    found = results(item("one/a", "stream", BRACE))
    found["target"] |= {"version": "from source", "parser": "my-own"}
    (entry,) = accepted(found)
    assert entry.keys() & {"versions", "parsers"} == set()
    assert entry["formats"] == ["hermes"]


REFUSED = [
    ({"run": {"complete": False}}, "an incomplete run; let it run to its end"),
    ({"run": {"deselected": 3}}, "a partial run, which left out 3 items; "),
    ({"suite": {"digest": "sha256:1"}}, "made with other cases or rules than these (suite digest "),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_a_run_that_may_hide_failures_is_not_accepted(
    change: dict[str, dict[str, Any]], message: str
) -> None:
    found = results(item("one/a", "stream", BRACE))
    for key, values in change.items():
        found[key] |= values
    with pytest.raises(AcceptProblem) as caught:
        accepted(found)
    assert str(caught.value).startswith(f"{FILE}: {message}")


def test_items_in_error_are_not_accepted() -> None:
    found = results(item("one/a", "stream", BRACE))
    found["results"][0]["outcome"] = found["results"][1]["outcome"] = "error"
    with pytest.raises(AcceptProblem, match="2 items are in error, "):
        accepted(found)


def test_what_is_written_is_a_file_of_known_issues_that_explains_the_run(tmp_path: Path) -> None:
    failed = [item(id, mode, BRACE) for id in [*ONE, "text/j"] for mode in ("stream", "complete")]
    failed.append(item("two/e", "stream", BRACE, finding("said.calls", 'text "a: #b"')))
    found = results(*failed)
    path = tmp_path / "mine.yaml"
    path.write_text(text("vllm", accepted(found)), "utf-8")
    target = found["target"]
    server = Server(
        url="",
        model="m",
        implementation="vllm",
        version=target["version"],
        parser=target["parser"],
        format=target["format"],
    )
    listed = known_issues.load(server, [path])
    for one in found["results"]:
        at = next(case for case in CASES if case.id == one["case"])
        for rule in PASSED:
            failed_with = [each["expected"] for each in one["findings"] if each["rule"] == rule]
            issues = listed.find(rule, at, one["mode"])
            assert bool(issues) == bool(failed_with)
            for words in failed_with:
                assert any(words.startswith(issue.says or "") for issue in issues)
