from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.casefiles import casefile
from conformance.commands import check
from conformance.commands.check import MAX_GLOB_ITEMS
from conformance.engines import target
from conformance.verdicts import known_issues

CASES = """\
schema: 1
about: Two calls of the user's own.
cases:
  - id: one
    about: A call.
    tools:
      - {type: function, function: {name: look, parameters: {type: object}}}
    messages: [{role: user, content: "Look."}]
    says: [{call: look, arguments: {at: sea}}]
  - id: two
    about: A text.
    messages: [{role: user, content: "Say hello."}]
    says: Hello.
"""
TOOLS = """\
schema: 1
tools:
  - {type: function, function: {name: look, parameters: {type: object}}}
"""
TARGET = """\
schema: 1
about: A model of my own
parser: my-parser
format: hermes
tokenizer: {kind: bpe, special: [<s>], added: [<x>], bos: <s>, eos: <s>}
"""
BRACE: dict[str, Any] = {
    "id": "brace",
    "about": "One brace too many.",
    "cases": ["mine/one"],
    "rules": ["args.json"],
    "modes": ["stream"],
    "added": "2026-11-22",
}
LINK = "https://example.com/1"


def write(folder: Path, *issues: dict[str, Any]) -> Path:
    """Write a file of issues beside one of cases; a key that is `None` is left out."""
    (folder / "mine.yaml").write_text(CASES, "utf-8")
    listed = [
        {key: value for key, value in {**BRACE, **issue}.items() if value is not None}
        for issue in issues
    ]
    document = {"schema": 1, "implementation": "vllm", "issues": listed}
    path = folder / "known.yaml"
    # What is written twice must not become an alias.
    path.write_text(yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False), "utf-8")
    return path


def problems_of(*paths: Path) -> list[str]:
    """The problems, without the folder."""
    folder = paths[0] if paths[0].is_dir() else paths[0].parent
    return [problem.replace(f"{folder}/", "") for problem in check.check(paths).problems]


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite's own cases are many, and take long to read."""
    empty = tmp_path_factory.mktemp("cases")
    monkeypatch.setattr(casefile, "shipped", lambda: empty)


def test_what_comes_with_the_suite_is_clean() -> None:
    found = check.check()
    assert found.problems == ()
    folders = (casefile.shipped(), target.FOLDER, known_issues.FOLDER)
    assert found.files == sum(len(list(folder.rglob("*.yaml"))) for folder in folders)


@pytest.mark.usefixtures("alone")
def test_a_file_beside_cases_that_a_run_would_refuse_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path, {})
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    (problem,) = check.check([tmp_path]).problems
    assert problem.startswith(f"{tmp_path}/compose.yaml:1: unknown key 'services'")


@pytest.mark.usefixtures("alone")
def test_files_of_all_kinds_are_found_in_a_folder_and_others_left_alone(tmp_path: Path) -> None:
    write(tmp_path, {})
    (tmp_path / "_tools.yaml").write_text(TOOLS)
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "compose.yaml").write_text("services: {}\n")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "old.yaml").write_text("cases: what\n")
    found = check.check([tmp_path])
    assert (found.files, found.problems) == (3, ())


@pytest.mark.usefixtures("alone")
def test_a_named_file_of_no_known_kind_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "compose.yaml"
    path.write_text("services: {}\n")
    assert problems_of(path) == [
        "compose.yaml:1: holds no cases, tools, target, issues or policies"
    ]


FILES = [
    (
        "mine.yaml",
        CASES.replace("call: look", "call: loop"),
        "mine.yaml:9: 'loop' is not among the case's",
    ),
    ("mine.yaml", CASES.replace("says: H", "sayz: H"), "mine.yaml:13: unknown key 'sayz'; did you"),
    ("mine.yaml", CASES.replace("two", "one"), "mine.yaml:10: duplicate id 'mine/one', first at "),
    ("mine.yaml", CASES.replace("object}", "objekt}"), "mine.yaml:7: not a valid JSON Schema: "),
    (
        "mine.yaml",
        CASES.replace("{type: object}", "{type: object, properties: {at: {type: integer}}}"),
        "mine.yaml:9: arguments that 'look' does not allow: 'sea' is not of type 'integer'",
    ),
    (
        "_tools.yaml",
        TOOLS.replace("object", "objekt"),
        "_tools.yaml:3: not a valid JSON Schema: ",
    ),
    (
        "own.yaml",
        TARGET.replace("format: hermes", "format: hermse"),
        "own.yaml:4: format 'hermse' is unknown; did",
    ),
    ("own.yaml", TARGET.replace("kind: bpe", "kind: bpf"), "own.yaml:5: "),
    ("known.yaml", "schema: 1\nimplementation: vllm\nissues: {}\n", "known.yaml:3: issues is "),
    ("known.yaml", "schema: 1\nissues: [\n", "known.yaml:3: "),
]


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("name", "text", "problem"), FILES)
def test_a_wrong_file_is_one_line_with_its_place(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    (found,) = problems_of(path)
    assert found.startswith(problem)


@pytest.mark.usefixtures("alone")
def test_tools_that_cannot_be_read_are_reported_once(tmp_path: Path) -> None:
    write(tmp_path, {})
    (tmp_path / "_tools.yaml").write_text(TOOLS.replace("object", "objekt"))
    (found,) = problems_of(tmp_path)
    assert found.startswith("_tools.yaml:3: not a valid JSON Schema: ")


@pytest.mark.usefixtures("alone")
def test_two_files_with_the_same_cases_are_reported(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.yaml").write_text(CASES)
    problems = check.check([tmp_path]).problems
    assert [problem.partition(", first")[0] for problem in problems] == [
        f"{tmp_path}/b/mine.yaml:4: duplicate id 'mine/one'",
        f"{tmp_path}/b/mine.yaml:10: duplicate id 'mine/two'",
    ]


SPOT = {"modes": ["complete"], "cases": ["mine/one"]}

ISSUES = [
    ({"rules": ["args.jso"]}, "rules: there is no 'args.jso'; did you mean 'args.json'? `python "),
    ({"cases": ["mine/on"]}, "there is no case 'mine/on'; did you mean 'mine/one'? allowed: "),
    ({"cases": ["mine/on*x"]}, "there is no case 'mine/on*x'; "),
    ({"modes": ["streem"]}, "modes: there is no 'streem'; did you mean 'stream'? allowed: "),
    ({"modes": ["jet*"]}, "modes: there is no 'jet*'; allowed: complete, prompt, stream, "),
    (
        {"flaky_modes": ["stream*"], "source": LINK},
        "stream in modes and in flaky_modes; name each in one",
    ),
    (
        {"flaky_modes": ["complete"], "source": LINK, "exactly": [SPOT | {"modes": ["stream"]}]},
        "exactly: 'stream' is none of the entry's modes; leave it out",
    ),
    (
        {"flaky_modes": ["complete"], "source": LINK, "exactly": [SPOT | {"rules": ["sse.bom"]}]},
        "exactly: 'sse.bom' is none of the entry's rules; leave it out",
    ),
    (
        {"flaky_modes": ["complete"], "source": LINK, "exactly": [SPOT | {"cases": ["a/b"]}]},
        "exactly: 'a/b' is none of the entry's cases; leave it out",
    ),
    ({"formats": ["hermse"]}, "formats: there is no 'hermse'; did you mean 'hermes'? "),
    ({"parsers": ["my-parser"]}, "parsers: there is no 'my-parser'; allowed: "),
    ({"about": "TODO: say what is wrong"}, "about has a TODO; find out what it asks for, and "),
    ({"issue": "https://example.com/TODO"}, "issue has a TODO; "),
    ({"source": "https://example.com/TODO"}, "source has a TODO; "),
    (
        {"cases": None, "every": "call", "except": ["mine/two"]},
        "except: 'mine/two' is not a case of the class 'call'; leave it out",
    ),
    (
        {"cases": None, "every": "call", "except": ["*"]},
        "every: no case is left of the class 'call'; remove the entry",
    ),
]


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("change", "problem"), ISSUES)
def test_a_wrong_entry_is_one_line_with_its_place(
    tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    path = write(tmp_path, {"id": "first"}, change)
    (found,) = problems_of(tmp_path / "mine.yaml", path)
    at, _, what = found.partition(": brace: ")
    assert what.startswith(problem)
    line = path.read_text("utf-8").splitlines()[int(at.partition(":")[2]) - 1]
    listed = line.removeprefix("  ").removeprefix("- ").strip()
    key = listed.partition(":")[0]  # of a list in an entry
    assert any(
        listed.startswith(name) or listed in str(value) or repr(key) in str(value)
        for name, value in change.items()
    )


@pytest.mark.usefixtures("alone")
def test_an_entry_that_is_right_is_clean(tmp_path: Path) -> None:
    right = {"flaky_modes": ["complete", "stream-*"], "source": LINK, "cases": ["mine/*"]}
    (tmp_path / "own.yaml").write_text(TARGET)
    path = write(tmp_path, right, {"id": "own", "parsers": ["my-parser"]})
    assert problems_of(tmp_path) == []
    assert problems_of(tmp_path / "mine.yaml", path)[0].startswith("known.yaml:")


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("count", "wide"), [(MAX_GLOB_ITEMS, False), (MAX_GLOB_ITEMS + 1, True)])
@pytest.mark.parametrize("named", [True, False])
def test_a_glob_covers_no_more_than_it_may(
    tmp_path: Path, count: int, wide: bool, named: bool
) -> None:
    one = "\n".join(CASES.splitlines()[9:])
    cases = "\n".join(one.replace("id: two", f"id: text-{number}") for number in range(count))
    path = write(tmp_path, {"cases": [f"mine/text-{n}" for n in range(count)] if named else None})
    (tmp_path / "mine.yaml").write_text(f"{CASES}{cases}\n", "utf-8")
    if not named:
        path = tmp_path / "known.yaml"
        path.write_text(path.read_text().replace("  rules:", "  cases: [mine/text-*]\n  rules:"))
    problems = problems_of(tmp_path)
    allowed = f"globs may cover {MAX_GLOB_ITEMS} together: name the "
    seen = f"mine/text-*: {count} cases in 1 mode; {allowed}"
    assert [seen in problem for problem in problems] == ([True] if wide and not named else [])


@pytest.mark.usefixtures("alone")
def test_an_id_is_given_once(tmp_path: Path) -> None:
    found = problems_of(tmp_path / "mine.yaml", write(tmp_path, {}, {"id": "other"}, {}))
    assert found == ["known.yaml:22: brace: id a second time, first on line 4; allowed once"]


@pytest.mark.usefixtures("alone")
def test_entries_are_not_judged_by_cases_that_cannot_be_read(tmp_path: Path) -> None:
    path = write(tmp_path, {"cases": ["mine/three"], "modes": ["streem"]})
    (tmp_path / "mine.yaml").write_text(CASES.replace("says: H", "sayz: H"))
    cases, modes = problems_of(tmp_path / "mine.yaml", path)
    assert "unknown key 'sayz'" in cases
    assert "there is no 'streem'" in modes
