from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from conformance.base.strictyaml import FileProblem
from conformance.casefiles import casefile
from conformance.engines.vllm import DEFAULT_VLLM
from conformance.rules import RULES
from conformance.terms.case import Case, Expectation, Mode
from conformance.terms.outcome import Finding, Outcome
from conformance.terms.said import Call, Piece, Text
from conformance.terms.server import Server
from conformance.verdicts import known_issues
from conformance.verdicts.known_issues import Issue, Known, classes, load, shipped
from conformance.verdicts.verdict import Judgement, decide

SERVER = Server(
    url="http://localhost/v1",
    model="m",
    implementation="vllm",
    version="0.30.1",
    parser="hermes",
    format="hermes",
)
BRACE = {
    "id": "brace",
    "about": "One brace too many.",
    "versions": ">=0.30,<0.32",
    "cases": ["single/*", "parallel/two-cities"],
    "rules": ["args.json", "said.calls"],
    "added": "2026-11-22",
}
SHIPPED = sorted(known_issues.FOLDER.rglob("*.yaml"))
LINK = "https://example.com/1"


def write(folder: Path, *issues: dict[str, Any], implementation: str = "vllm", **more: Any) -> Path:
    """Write a file of issues; a key that is `None` is left out."""
    path = folder / f"{implementation}.yaml"
    listed = [
        {key: value for key, value in {**BRACE, **issue}.items() if value is not None}
        for issue in issues
    ]
    document = {"schema": 1, "implementation": implementation, "issues": listed, **more}
    path.write_text(json.dumps(document, indent=1), "utf-8")
    return path


def ids(found: Known) -> list[str]:
    return [issue.id for issue in found.issues]


def case(id: str, *said: Text | Call, expect: Expectation | None = None) -> Case:
    calls = tuple(item for item in said if isinstance(item, Call))
    content = "".join(item.text for item in said if isinstance(item, Text))
    return Case(
        id=id,
        about="A case.",
        path=Path("single.yaml"),
        line=1,
        messages=(),
        says=said or None,
        expect=expect or Expectation(calls=calls, content=content),
    )


PARIS = Call(name="look", arguments='{"at": "Paris"}')
ROME = Call(name="look", arguments='{"at": "Rome"}')
HI, BLANK = Text(text="Hi."), Text(text=" \n")

APPLIES = [
    ({}, {}, True),
    ({}, {"version": "0.30"}, True),
    ({}, {"version": "0.32.0"}, False),
    ({}, {"version": "0.29.9"}, False),
    ({}, {"version": "0.31.0+cpu"}, True),
    ({}, {"version": "0.31.0rc1"}, True),
    ({}, {"version": "0.31.1.dev5+g1234567"}, True),
    ({}, {"version": "0.32.0.dev5+g1234567"}, False),
    ({"versions": None}, {"version": "99.0"}, True),
    ({"versions": None}, {"version": "0.1.dev5+g1234567"}, True),
    ({"versions": None}, {"version": None}, True),
    ({"versions": None}, {"version": "from source"}, True),
    ({"versions": "==0.30.*"}, {}, True),
    ({"versions": "==0.30.1"}, {"version": "0.30.1+cpu"}, True),
    ({"versions": ">=0"}, {"version": None}, False),
    ({"versions": ">=0"}, {"version": "from source"}, False),
    ({"parsers": ["hermes", "qwen*"]}, {}, True),
    ({"parsers": ["mistral"]}, {}, False),
    ({"parsers": ["herm*"]}, {}, True),
    ({"formats": ["mistral*"]}, {}, False),
    ({"formats": ["mistral*"]}, {"format": "mistral-v11"}, True),
    ({"models": ["Qwen/*", "m"]}, {}, True),
    ({"models": ["Qwen/*"]}, {}, False),
    ({"models": ["Qwen/*"]}, {"model": "Qwen/Qwen3-0.6B"}, True),
    ({}, {"implementation": "llama.cpp"}, False),
]


@pytest.mark.parametrize(("change", "server", "applies"), APPLIES)
def test_an_issue_applies_to_its_servers(
    tmp_path: Path, change: dict[str, Any], server: dict[str, Any], applies: bool
) -> None:
    found = load(replace(SERVER, **server), [write(tmp_path, change)])
    assert ids(found) == (["brace"] if applies else [])


def test_policies_are_read_beside_issues_and_left_out_where_they_are_not_wanted(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, {"id": "fault"})
    document = json.loads(path.read_text("utf-8"))
    document["policies"] = [{**BRACE, "id": "demand"}]
    path.write_text(json.dumps(document), "utf-8")
    found = load(SERVER, [path])
    assert [(one.id, one.policy) for one in found.issues] == [("fault", False), ("demand", True)]
    assert ids(load(SERVER, [path], policies=False)) == ["fault"]


def test_a_mistake_in_a_policy_is_named_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "vllm.yaml"
    listed = [{**BRACE, "versions": "about 3"}]
    document = {"schema": 1, "implementation": "vllm", "policies": listed}
    path.write_text(json.dumps(document, indent=1), "utf-8")
    with pytest.raises(FileProblem, match=r"vllm\.yaml:8: versions 'about 3'"):
        load(SERVER, [path])


COVERS = [
    ({}, ("args.json", "single/one-call", "stream"), True),
    ({}, ("said.calls", "parallel/two-cities", "complete"), True),
    ({}, ("args.object", "single/one-call", "stream"), False),
    ({}, ("args.json", "parallel/two-tools", "stream"), False),
    ({"modes": ["stream*"]}, ("args.json", "single/one-call", "stream-interval-5"), True),
    ({"modes": ["stream*"]}, ("args.json", "single/one-call", "complete"), False),
    ({"modes": ["stream"]}, ("args.json", "single/one-call", "stream-interval-5"), False),
    ({"flaky_modes": ["stream"]}, ("args.json", "single/one-call", "stream"), True),
    ({"flaky_modes": ["stream"]}, ("args.json", "single/one-call", "complete"), False),
    (
        {"flaky_modes": ["stream"], "modes": ["complete"]},
        ("args.json", "single/one-call", "complete"),
        True,
    ),
    # What only the thorough sweep asks for has the faults of the usual streams, perhaps.
    ({"modes": ["stream"]}, ("args.json", "single/one-call", "stream-pieces-2"), True),
    ({"flaky_modes": ["stream"]}, ("args.json", "single/one-call", "stream-interval-3"), True),
    ({"modes": ["complete"]}, ("args.json", "single/one-call", "stream-interval-3"), False),
    ({"modes": ["stream-stop-3"]}, ("args.json", "single/one-call", "stream-stop-4"), False),
]


@pytest.mark.parametrize(("change", "place", "covers"), COVERS)
def test_an_issue_covers_a_rule_in_a_case_and_a_mode(
    tmp_path: Path, change: dict[str, Any], place: tuple[str, str, str], covers: bool
) -> None:
    found = load(SERVER, [write(tmp_path, {"issue": LINK, **change})])
    rule, id, mode = place
    assert found.find(rule, case(id), mode) == (list(found.issues) if covers else [])


FAILS_IN = [
    ({}, {"complete", "stream", "stream-interval-5", "stream-pieces-2"}),
    ({"modes": ["stream*"]}, {"stream", "stream-interval-5", "stream-pieces-2"}),
    ({"modes": ["stream"]}, {"stream"}),
    ({"flaky_modes": ["stream"]}, set()),
    ({"flaky_modes": ["stream"], "modes": ["complete"]}, {"complete"}),
]


@pytest.mark.parametrize(("change", "modes"), FAILS_IN)
def test_an_issue_fails_always_in_its_modes_and_perhaps_in_its_flaky_ones(
    tmp_path: Path, change: dict[str, Any], modes: set[str]
) -> None:
    (found,) = load(SERVER, [write(tmp_path, {"issue": LINK, **change})]).issues
    asked = ("complete", "stream", "stream-interval-5", "stream-pieces-2")
    assert {mode for mode in asked if found.fails_in(case("single/one-call"), mode)} == modes


EXACT = {"versions": "==0.30.1", "models": ["m", "n"]}
FLAKY = {
    "issue": LINK,
    "modes": ["complete"],
    "flaky_modes": ["stream", "stream-characters"],
    "exactly": [
        {"modes": ["stream"], "cases": ["single/one-call"]},
        {"modes": ["stream"], "cases": ["single/two"], "rules": ["said.calls"]},
        {"modes": ["stream"], "cases": ["single/three"], "models": ["n"]},
    ],
}
STEADY = replace(SERVER, takes_steps=True)
OURS = ("single/one-call", "single/two", "single/three")
ASKED = ("complete", "stream", "stream-characters", "stream-pieces-2")


def covered(found: Known, path: Path) -> dict[tuple[str, str, str], bool]:
    """Give the rules that are listed, by case and mode, and whether each fails always there."""
    return {
        (one.id, mode, rule): issue.fails_in(one, mode)
        for one in (replace(case(id), path=path) for id in OURS)
        for mode in ASKED
        for rule in ("args.json", "said.calls")
        for issue in found.find(rule, one, mode)
    }


def test_where_nothing_is_left_to_chance_an_issue_shows_exactly_where_its_file_says(
    tmp_path: Path,
) -> None:
    path = casefile.shipped() / "single.yaml"
    found = covered(load(STEADY, [write(tmp_path, FLAKY, exact=EXACT)]), path)
    streams = {key: always for key, always in found.items() if key[1] == "stream"}
    assert streams == {
        ("single/one-call", "stream", "args.json"): True,
        ("single/one-call", "stream", "said.calls"): True,
        ("single/two", "stream", "said.calls"): True,
    }
    assert not any(mode == "stream-characters" for _, mode, _ in found)
    assert all(always for (_, mode, _), always in found.items() if mode == "complete")
    sweep = [always for (_, mode, _), always in found.items() if mode == "stream-pieces-2"]
    assert sweep == [False] * 6


@pytest.mark.parametrize(
    ("server", "more", "path"),
    [
        (SERVER, {"exact": EXACT}, casefile.shipped() / "single.yaml"),
        (STEADY, {}, casefile.shipped() / "single.yaml"),
        (replace(STEADY, model="o"), {"exact": EXACT}, casefile.shipped() / "single.yaml"),
        (replace(STEADY, version="0.31"), {"exact": EXACT}, casefile.shipped() / "single.yaml"),
        (STEADY, {"exact": EXACT}, Path("mine.yaml")),
    ],
    ids=["kernels", "no runs", "another target", "another release", "a case of a user's"],
)
def test_everywhere_else_it_may_fail_or_pass(
    tmp_path: Path, server: Server, more: dict[str, Any], path: Path
) -> None:
    found = covered(load(server, [write(tmp_path, FLAKY, **more)]), path)
    flaky = {key: always for key, always in found.items() if key[1] != "complete"}
    assert len(flaky) == 18
    assert not any(flaky.values())


def test_a_shipped_issue_leaves_to_chance_only_what_depends_on_what_else_was_asked() -> None:
    left = [
        issue.id
        for path in shipped("vllm")
        for issue in known_issues.read(path)[1]
        if issue.flaky_modes
        and issue.exactly is None
        and (issue.versions is None or DEFAULT_VLLM in issue.versions)
    ]
    assert left == ["mistral-second-grammar-library-is-refused"]


NO_CLASS: set[str] = set()
CLASSES = [
    ((HI,), None, NO_CLASS),
    ((PARIS,), None, {"call"}),
    ((PARIS, ROME), None, {"call", "several-calls"}),
    ((HI, PARIS), None, {"call", "text-before-call"}),
    ((HI, PARIS, ROME), None, {"call", "several-calls", "text-before-call"}),
    ((BLANK, PARIS), None, {"call"}),
    ((PARIS, HI), None, {"call"}),
    ((HI, PARIS), Expectation(ending=("limit",)), NO_CLASS),
    ((HI,), Expectation(calls=()), NO_CLASS),
    ((), Expectation(), NO_CLASS),
    ((), Expectation(calls=(PARIS, ROME), content="Hi."), {"call", "several-calls"}),
]


@pytest.mark.parametrize(("said", "expect", "found"), CLASSES)
def test_the_classes_of_a_case_follow_from_what_a_client_must_get(
    said: tuple[Text | Call, ...], expect: Expectation | None, found: set[str]
) -> None:
    assert classes(case("a/b", *said, expect=expect)) == found


def test_text_that_a_raw_case_spells_out_is_of_no_class_of_text() -> None:
    raw = {"hermes": (Piece("text", "Hi."),)}
    spelled = replace(case("a/b", expect=Expectation(calls=(PARIS,), content="Hi.")), raw=raw)
    assert classes(spelled) == {"call"}


def test_the_schema_names_the_classes_there_are() -> None:
    schema = json.loads((known_issues.FOLDER.parent / "schemas" / "known.json").read_text("utf-8"))
    named = schema["$defs"]["issue"]["properties"]["every"]["enum"]
    assert set(named) == {known_issues.ANSWER} | classes(case("a/b", HI, PARIS, ROME))


EVERY = [
    ({}, "single/one", (PARIS,), True),
    ({}, "single/text", (HI,), False),
    ({"every": "answer"}, "single/text", (HI,), True),
    ({"every": "answer", "except": ["single/*"]}, "single/text", (HI,), False),
    ({"every": "several-calls"}, "single/one", (PARIS,), False),
    ({"every": "several-calls"}, "parallel/two", (PARIS, ROME), True),
    ({"except": ["single/one"]}, "single/one", (PARIS,), False),
    ({"except": ["single/*"]}, "single/one", (PARIS,), False),
    ({"except": ["single/other"]}, "single/one", (PARIS,), True),
]


@pytest.mark.parametrize(("change", "id", "said", "covers"), EVERY)
def test_an_issue_of_every_case_of_a_class_covers_the_class_except_what_it_leaves_out(
    tmp_path: Path, change: dict[str, Any], id: str, said: tuple[Text | Call, ...], covers: bool
) -> None:
    found = load(SERVER, [write(tmp_path, {"cases": None, "every": "call", **change})])
    assert bool(found.find("args.json", case(id, *said), "stream")) == covers


def test_all_issues_that_list_a_place_are_found_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": "b"}, {"id": "x", "cases": ["other/*"]}, {"id": "a"})
    found = load(SERVER, [path]).find("args.json", case("single/one"), "stream")
    assert [issue.id for issue in found] == ["b", "a"]


@pytest.mark.parametrize("version", [None, "", "from source"])
def test_with_an_unknown_version_entries_with_a_range_do_not_apply_and_a_note_says_so(
    tmp_path: Path, version: str | None
) -> None:
    path = write(tmp_path, {}, {"id": "always", "versions": None}, {"id": "comma"})
    found = load(replace(SERVER, version=version), [path])
    assert ids(found) == ["always"]
    assert found.notes == (f"2 entries do not apply: the version {version!r} is unknown",)
    assert found.files == ("vllm.yaml",)


def test_a_file_of_another_implementation_is_left_out_and_a_note_says_so(tmp_path: Path) -> None:
    other = write(tmp_path, {"id": "other"}, implementation="sglang")
    found = load(replace(SERVER, version=None), [other])
    assert (found.issues, found.files) == ((), ())
    assert found.notes == ("sglang.yaml is left out: it is about sglang",)


def test_files_add_up(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    found = load(SERVER, [write(tmp_path, {}), write(own, {"id": "own"})])
    assert ids(found) == ["brace", "own"]
    assert found.notes == ()


def test_an_issue_has_what_its_file_says(tmp_path: Path) -> None:
    change = {
        "issue": LINK,
        "source": "https://example.com/2",
        "says": "one JSON",
        "flaky_modes": ["stream"],
        "cases": None,
        "every": "call",
        "except": ["single/one"],
    }
    (found,) = load(SERVER, [write(tmp_path, change)]).issues
    assert found == Issue(
        id="brace",
        about="One brace too many.",
        issue=LINK,
        source="https://example.com/2",
        versions=SpecifierSet(">=0.30,<0.32"),
        modes=(),
        flaky_modes=("stream",),
        every="call",
        excluding=("single/one",),
        rules=("args.json", "said.calls"),
        says="one JSON",
    )
    assert found.link == LINK


def test_an_issue_that_nobody_reported_links_to_the_source() -> None:
    found = Issue(id="a", about="It is so.", rules=("args.json",), source=LINK)
    assert found.link == LINK


REFUSED = [
    ({"versions": ">0.3.x"}, "versions", "versions '>0.3.x'; allowed: a PEP 440 set such as "),
    ({"status": "flaky"}, "status", "unknown key 'status'; "),
    ({"rules": []}, "rules", "issues[0].rules: [] should be non-empty"),
    ({"rules": ["said.*"]}, "said.*", "issues[0].rules[0] is 'said.*'; allowed: the id of a rule"),
    ({"level": "must"}, "level", "unknown key 'level'; "),
    ({"source": "vllm/x.py"}, "source", "issues[0].source is 'vllm/x.py'; allowed: a link, "),
    ({"except": ["a/b"]}, "except", "`except` is for `every`; leave the case out"),
    ({"flaky_modes": ["stream"]}, "flaky_modes", "`flaky_modes` needs `issue` or `source`: "),
    ({"exactly": []}, "exactly", "`exactly` is for `flaky_modes`; use `modes`"),
]


@pytest.mark.parametrize(("change", "seen", "told"), REFUSED)
def test_a_malformed_issue_is_refused_with_its_place(
    tmp_path: Path, change: dict[str, Any], seen: str, told: str
) -> None:
    path = write(tmp_path, change)
    with pytest.raises(FileProblem) as caught:
        load(SERVER, [path])
    assert caught.value.what.startswith(told)
    line = path.read_text("utf-8").splitlines()[caught.value.line - 1]
    assert seen in line


@pytest.mark.parametrize(
    "change",
    [
        {"every": "call"},
        {"cases": None},
        {"cases": None, "every": "call", "sampled": ["cut-call"]},
    ],
)
def test_an_issue_lists_cases_or_a_class_of_them(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(FileProblem) as caught:
        load(SERVER, [write(tmp_path, change)])
    assert caught.value.what.startswith("brace: give one of `cases` and `every`; ")


SAMPLED = [
    ({"sampled": ["cut-call"]}, "text/words", {"call", "cut-call"}, True),
    ({"sampled": ["cut-call"], "cases": None}, "text/words", {"call", "cut-call"}, True),
    ({"sampled": ["cut-call"]}, "text/words", {"call", "half-a-mark"}, False),
    ({"sampled": ["cut-call"]}, "single/one", set(), True),
    ({"sampled": ["cut-call"], "cases": None}, "single/one", set(), False),
    ({"cases": None, "every": "call"}, "text/words", {"call"}, True),
    ({"cases": None, "every": "call"}, "single/one", set(), False),
    ({"cases": None, "every": "call", "except": ["text/words"]}, "text/words", {"call"}, True),
]


@pytest.mark.parametrize(("change", "id", "said", "covers"), SAMPLED)
def test_an_issue_covers_what_a_sampled_model_said(
    tmp_path: Path, change: dict[str, Any], id: str, said: set[str], covers: bool
) -> None:
    found = load(SERVER, [write(tmp_path, change)])
    asked = case(id, PARIS)
    assert bool(found.find("args.json", asked, "stream", said)) == covers


def test_without_the_models_words_an_issue_covers_its_cases_alone(tmp_path: Path) -> None:
    found = load(SERVER, [write(tmp_path, {"sampled": ["cut-call"]})])
    assert not found.find("args.json", case("text/words", PARIS), "stream")
    assert found.find("args.json", case("single/one", PARIS), "stream")


def test_an_implementation_has_the_known_issues_of_its_folder() -> None:
    assert shipped("no such server") == []
    folders = sorted(folder for folder in known_issues.FOLDER.iterdir())
    assert [path for folder in folders for path in shipped(folder.name)] == SHIPPED != []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_shipped_file_is_about_its_folder_s_implementation_and_its_own_parser(path: Path) -> None:
    document, issues = known_issues.read(path)
    assert document.value["implementation"] == path.parent.name
    for issue in issues:
        parser = issue.parsers[0] if len(issue.parsers) == 1 else "*"
        assert path.stem == ("server" if "*" in parser else parser), issue.id


@pytest.mark.parametrize("folder", sorted({path.parent for path in SHIPPED}), ids=lambda f: f.name)
def test_no_id_is_used_twice_in_the_files_of_an_implementation(folder: Path) -> None:
    ids = [issue.id for path in shipped(folder.name) for issue in known_issues.read(path)[1]]
    assert sorted(ids) == sorted(set(ids))


# The contract, line by line; the table of all combinations is in test_verdict.py.


def weighed(
    issues: list[dict[str, Any]],
    folder: Path,
    outcome: Outcome,
    says: str,
    said: Collection[str] | None = None,
) -> Judgement:
    """What args.json comes to in a stream of a case that these issues may list."""
    finding = Finding(where="call 0", expected=says, actual="{}}")
    found = Judgement(
        rule=RULES["args.json"],
        outcome=outcome,
        findings=(finding,) if outcome is Outcome.FAIL else (),
    )
    listed = load(SERVER, [write(folder, *issues)])
    mode = Mode(name="stream", stream=True)
    verdict = decide(
        [found],
        known=listed,
        case=case("single/one", PARIS),
        mode=mode,
        varies=said is not None,
        said=said,
    )
    return verdict.judgements[0]


def test_what_a_sampled_model_said_may_be_known_to_break_a_rule_and_is_never_stale(
    tmp_path: Path,
) -> None:
    listed = [{"cases": None, "sampled": ["cut-call"]}]
    assert weighed(listed, tmp_path, Outcome.FAIL, "", {"cut-call"}).outcome is Outcome.KNOWN
    assert weighed(listed, tmp_path, Outcome.FAIL, "", {"call"}).outcome is Outcome.FAIL
    assert weighed(listed, tmp_path, Outcome.PASS, "", {"cut-call"}).outcome is Outcome.PASS


def test_a_listed_rule_that_fails_is_known(tmp_path: Path) -> None:
    found = weighed([{}], tmp_path, Outcome.FAIL, "one JSON value")
    assert (found.outcome, found.issue and found.issue.id) == (Outcome.KNOWN, "brace")


def test_a_listed_rule_that_passes_is_stale(tmp_path: Path) -> None:
    for issue in ({}, {"cases": None, "every": "call"}):
        found = weighed([issue], tmp_path, Outcome.PASS, "")
        assert (found.outcome, found.issue and found.issue.id) == (Outcome.STALE, "brace")


def test_a_listed_rule_that_fails_in_other_words_fails(tmp_path: Path) -> None:
    says = {"says": "one JSON"}
    found = weighed([says], tmp_path, Outcome.FAIL, "one JSON value")
    assert found.outcome is Outcome.KNOWN
    found = weighed([says], tmp_path, Outcome.FAIL, "no more than one JSON value")
    assert found.outcome is Outcome.FAIL


def test_another_rule_of_a_listed_case_fails(tmp_path: Path) -> None:
    found = weighed([{"rules": ["args.object"]}], tmp_path, Outcome.FAIL, "one JSON value")
    assert found.outcome is Outcome.FAIL


def test_a_listed_rule_that_is_flaky_may_fail_or_pass(tmp_path: Path) -> None:
    flaky = {"flaky_modes": ["stream"], "issue": LINK}
    assert weighed([flaky], tmp_path, Outcome.FAIL, "").outcome is Outcome.KNOWN
    assert weighed([flaky], tmp_path, Outcome.PASS, "").outcome is Outcome.PASS


def test_only_a_matching_version_makes_an_entry_stale(tmp_path: Path) -> None:
    closed = {"versions": ">=0.28,<0.30"}
    assert weighed([closed], tmp_path, Outcome.PASS, "").outcome is Outcome.PASS
    assert weighed([closed], tmp_path, Outcome.FAIL, "").outcome is Outcome.FAIL


def test_an_entry_that_lists_no_case_or_no_rule_is_unmatched(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"id": "right"},
        {"id": "no-case", "cases": ["other/*"]},
        {"id": "no-class", "cases": None, "every": "several-calls"},
        {"id": "no-rule", "rules": ["args.jso"]},
        {"id": "excepted", "cases": None, "every": "call", "except": ["single/*"]},
        {"id": "of-any-case", "cases": None, "sampled": ["cut-call"]},
    )
    found = load(SERVER, [path]).unmatched([case("single/one", PARIS)], RULES)
    assert [issue.id for issue in found] == ["no-case", "no-class", "no-rule", "excepted"]
