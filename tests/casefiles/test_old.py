"""Case files of earlier releases: a clear word, and a conversion that keeps all else."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.base import strictyaml
from conformance.base.strictyaml import FileProblem
from conformance.casefiles import casefile, old
from conformance.commands import main
from conformance.terms.asked import Named, Options

# Each a .yml, since pytest collects any .yaml that has cases.
OLD = Path(__file__).with_name("old_words.yml").read_text("utf-8")
NEW = Path(__file__).with_name("new_words.yml").read_text("utf-8")
HEAD = "schema: 1\nabout: Mine.\ncases:\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, "utf-8")
    return path


def test_a_file_of_an_earlier_release_is_converted_and_keeps_its_comments(tmp_path: Path) -> None:
    assert old.converted(strictyaml.parse(write(tmp_path, OLD))).splitlines() == NEW.splitlines()


def test_a_file_of_today_stays_as_it_is(tmp_path: Path) -> None:
    assert old.converted(strictyaml.parse(write(tmp_path, NEW))) == NEW
    for path in casefile.shipped().glob("[!_]*.yaml"):
        document = strictyaml.parse(path)
        assert old.converted(document) == document.text


def test_a_converted_file_is_read(tmp_path: Path) -> None:
    found = {case.id: case for case in casefile.load(write(tmp_path, NEW))}
    assert found["mine/choice"].options == Options(choice=Named("look"), answers=2)
    assert found["mine/block"].options == Options(limit=5, seed=7, stop=("halt", "a # b"))
    assert found["mine/flow"].wire == {"chat": {"user": "ida"}}


CASE = "  - id: one\n    about: A.\n    messages: [{role: user, content: Hi}]\n    says: x\n"
REFUSED = [
    ("options: {tool_choice: none}", "options.tool_choice is now options.choice"),
    ("options: {n: 2}", "options.n is now options.answers"),
    ("options: {max_completion_tokens: 2}", "options.max_completion_tokens is now options.limit"),
    ("options: {logprobs: true}", "options.logprobs is now wire.chat.logprobs"),
    ("options: {store: false}", "options.store is now wire.chat.store"),
    ("options: {seed: null}", "options.seed is now wire.chat.seed"),
    ("body: {tools: 1}", "body is now wire.chat"),
    ("expect: {finish_reason: stop}", "expect.finish_reason is now expect.ending"),
]


@pytest.mark.parametrize(("line", "message"), REFUSED)
def test_an_old_word_is_refused_with_the_word_of_today(
    tmp_path: Path, line: str, message: str
) -> None:
    path = write(tmp_path, f"{HEAD}{CASE}    {line}\n")
    with pytest.raises(FileProblem) as caught:
        casefile.load(path)
    fix = f"`python -m conformance check --fix {path}` converts it"
    assert str(caught.value) == f"{path}:8: {message}; {fix}"


@pytest.mark.parametrize("name", ["chioce", "stopp", "limits", "stream", "messages"])
def test_a_misspelt_option_is_not_taken_for_an_old_one(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, f"{HEAD}{CASE}    options: {{{name}: 1}}\n")
    with pytest.raises(FileProblem, match=f"unknown key '{name}'"):
        casefile.load(path)


def test_check_converts_a_file_in_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, OLD)
    assert main.main(["check", str(path)]) == 1
    assert f"check --fix {path}` converts it" in capsys.readouterr().out
    assert main.main(["check", "--fix", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{path}: converted", "1 file, no problems"]
    assert path.read_text("utf-8").splitlines() == NEW.splitlines()
    assert main.main(["check", "--fix", str(path)]) == 0
    assert capsys.readouterr().out == "1 file, no problems\n"
