from __future__ import annotations

import fnmatch
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance import casefile, known
from conformance.known import Issue, Known, load, shipped
from conformance.model import Server
from conformance.modes import PROMPT, THOROUGH
from conformance.rules import RULES
from conformance.strictyaml import FileProblem

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
    "rules": ["args.json", "said.*"],
    "status": "fails",
    "added": "2026-11-22",
}
SHIPPED = sorted(known.FOLDER.glob("*.yaml"))


def write(folder: Path, *issues: dict[str, Any], implementation: str = "vllm") -> Path:
    path = folder / f"{implementation}.yaml"
    listed = [{**BRACE, **issue} for issue in issues]
    document = {"schema": 1, "implementation": implementation, "issues": listed}
    path.write_text(json.dumps(document, indent=1), "utf-8")
    return path


def ids(found: Known) -> list[str]:
    return [issue.id for issue in found.issues]


APPLIES = [
    ({}, {}, True),
    ({}, {"version": "0.30"}, True),
    ({}, {"version": "0.32.0"}, False),
    ({}, {"version": "0.29.9"}, False),
    ({}, {"version": "0.31.0+cpu"}, True),
    ({}, {"version": "0.31.0rc1"}, True),
    ({}, {"version": "0.31.1.dev5+g1234567"}, True),
    ({}, {"version": "0.32.0.dev5+g1234567"}, False),
    ({"versions": ""}, {"version": "99.0"}, True),
    ({"versions": ""}, {"version": "0.1.dev5+g1234567"}, True),
    ({"versions": "==0.30.*"}, {}, True),
    ({"versions": ""}, {"version": None}, False),
    ({"versions": ""}, {"version": "from source"}, False),
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


COVERS = [
    ({}, ("args.json", "single/one-call", "stream"), True),
    ({}, ("said.calls", "parallel/two-cities", "complete"), True),
    ({}, ("args.object", "single/one-call", "stream"), False),
    ({}, ("args.json", "parallel/two-tools", "stream"), False),
    ({"modes": ["stream*"]}, ("args.json", "single/one-call", "stream-interval-5"), True),
    ({"modes": ["stream*"]}, ("args.json", "single/one-call", "complete"), False),
    ({"modes": ["stream"]}, ("args.json", "single/one-call", "stream-interval-5"), False),
    ({"rules": ["ARGS.json"]}, ("args.json", "single/one-call", "stream"), False),
]


@pytest.mark.parametrize(("change", "place", "covers"), COVERS)
def test_an_issue_covers_a_rule_in_a_case_and_a_mode(
    tmp_path: Path, change: dict[str, Any], place: tuple[str, str, str], covers: bool
) -> None:
    found = load(SERVER, [write(tmp_path, change)])
    assert found.find(*place) == (list(found.issues) if covers else [])


def test_all_issues_that_list_a_place_are_found_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": "b"}, {"id": "x", "cases": ["other/*"]}, {"id": "a"})
    found = load(SERVER, [path]).find("args.json", "single/one", "stream")
    assert [issue.id for issue in found] == ["b", "a"]


@pytest.mark.parametrize("version", [None, "", "from source"])
def test_with_an_unknown_version_no_issue_applies_and_a_note_says_so(
    tmp_path: Path, version: str | None
) -> None:
    found = load(replace(SERVER, version=version), [write(tmp_path, {"versions": ""})])
    assert found.issues == ()
    assert found.note == f"no known issue applies: the version {version!r} is unknown"
    assert found.files == ("vllm.yaml",)


def test_a_file_of_another_implementation_is_left_out(tmp_path: Path) -> None:
    other = write(tmp_path, {"id": "other"}, implementation="sglang")
    found = load(replace(SERVER, version=None), [other])
    assert (found.issues, found.files, found.note) == ((), (), None)


def test_files_add_up(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    found = load(SERVER, [write(tmp_path, {}), write(own, {"id": "own"})])
    assert ids(found) == ["brace", "own"]
    assert found.note is None


def test_an_issue_has_what_its_file_says(tmp_path: Path) -> None:
    change = {"issue": "https://example.com/1", "says": "one JSON", "status": "flaky"}
    (found,) = load(SERVER, [write(tmp_path, change)]).issues
    assert found == Issue(
        id="brace",
        about="One brace too many.",
        issue="https://example.com/1",
        versions=found.versions,
        parsers=("*",),
        formats=("*",),
        models=("*",),
        modes=("*",),
        cases=("single/*", "parallel/two-cities"),
        rules=("args.json", "said.*"),
        says="one JSON",
        status="flaky",
    )
    assert found.versions == "<0.32,>=0.30"


REFUSED = [
    ({"versions": ">0.3.x"}, "versions '>0.3.x'; allowed: a PEP 440 set such as '>=0.27,<0.33'"),
    ({"status": "broken"}, "issues[0].status is 'broken'; allowed: 'fails', 'flaky'"),
    ({"rules": []}, "issues[0].rules: [] should be non-empty"),
    ({"level": "must"}, "unknown key 'level'; "),
]


@pytest.mark.parametrize(("change", "told"), REFUSED)
def test_a_malformed_issue_is_refused_with_its_place(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    path = write(tmp_path, change)
    with pytest.raises(FileProblem) as caught:
        load(SERVER, [path])
    assert caught.value.what.startswith(told)
    line = path.read_text("utf-8").splitlines()[caught.value.line - 1]
    assert next(iter(change)) in line


def test_only_an_implementation_with_a_file_has_known_issues() -> None:
    assert shipped("no such server") == []
    assert [path for file in SHIPPED for path in shipped(file.stem)] == SHIPPED


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_a_shipped_file_is_valid_and_names_what_there_is(file: Path) -> None:
    document = yaml.safe_load(file.read_text("utf-8"))
    assert document["implementation"] == file.stem
    cases = {case.id for case in casefile.load_folder(casefile.shipped())}
    ids = [issue["id"] for issue in document["issues"]]
    assert len(ids) == len(set(ids))
    server = replace(SERVER, implementation=file.stem)
    load(server, [file])
    modes = {mode.name for mode in (*THOROUGH, PROMPT)}
    for issue in document["issues"]:
        listed = [(issue["rules"], set(RULES)), (issue["cases"], cases)]
        for patterns, names in [*listed, (issue.get("modes", []), modes)]:
            for pattern in patterns:
                assert fnmatch.filter(names, pattern), f"{issue['id']}: {pattern} is nothing"
