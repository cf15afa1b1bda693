"""A new rule is laid out where it belongs, with all that it owes."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest
import yaml

from tools.new_rule import KINDS, ROOT, UNWRITTEN, NewRuleProblem, Wanted, lay_out

RULES = Path("conformance/rules")
FAULTS = Path("conformance/reference/chat/faults")


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the rules and faults, with room for samples."""
    for folder in (RULES, FAULTS):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "tests" / "samples").mkdir(parents=True)
    return tmp_path


def grown(house: Path) -> list[Path]:
    """The modules that a new rule has changed or made."""
    files = [path.relative_to(house) for path in sorted(house.rglob("*.py"))]
    return [
        file
        for file in files
        if not (ROOT / file).exists() or (ROOT / file).read_bytes() != (house / file).read_bytes()
    ]


@pytest.mark.parametrize(
    ("id", "room", "module"),
    [
        ("said.new", None, RULES / "common/said.py"),
        ("sse.new", None, RULES / "chat/sse.py"),
        ("content.new", "common", RULES / "common/content.py"),
        ("tone.new", None, RULES / "common/tone.py"),
        ("tone.new", "chat", RULES / "chat/tone.py"),
    ],
)
def test_a_rule_goes_into_the_module_of_its_area(
    house: Path, id: str, room: str | None, module: Path
) -> None:
    lay_out(Wanted(id=id, room=room), house)
    changed = grown(house)
    assert module in changed
    assert len(changed) == 2
    for path in changed:
        text = (house / path).read_text("utf-8")
        assert ast.parse(text)
        assert id in text
        assert UNWRITTEN in text


def test_an_area_of_several_modules_takes_a_rule_into_one_of_them(house: Path) -> None:
    lay_out(Wanted(id="chunk.new", on="stream"), house)
    assert [path.parent for path in grown(house)] == [FAULTS, RULES / "chat/chunk"]


@pytest.mark.parametrize("on", KINDS)
def test_a_rule_has_the_samples_that_it_owes(house: Path, on: str) -> None:
    lay_out(Wanted(id="said.new", on=on), house)
    folder = house / "tests" / "samples" / "said.new"
    owed = {f"{name}{kind}" for kind in KINDS[on] for name in ("right", "wrong")}
    assert {path.name for path in folder.iterdir()} == {*owed, "sample.yaml"}
    settings = yaml.safe_load((folder / "sample.yaml").read_text("utf-8"))
    assert settings["places"] == {f"wrong{kind}": UNWRITTEN for kind in KINDS[on]}


@pytest.mark.parametrize("level", ["must", "should", "info"])
@pytest.mark.parametrize("id", ["chunk.new", "id.new", "args.new"])
def test_a_module_knows_the_level_of_its_new_rule(house: Path, id: str, level: str) -> None:
    lay_out(Wanted(id=id, level=level), house)
    (module,) = (path for path in grown(house) if RULES in path.parents)
    imported = {
        alias.name
        for node in ast.parse((house / module).read_text("utf-8")).body
        if isinstance(node, ast.ImportFrom) and node.module == "conformance.rules.rule"
        for alias in node.names
    }
    assert {level.upper(), "Evidence", "Findings", "rule"} <= imported


def test_the_steps_that_are_left_name_every_place(house: Path) -> None:
    steps = " ".join(lay_out(Wanted(id="said.new"), house))
    for path in ("conformance/rules/common/said.py", "tests/samples/said.new", str(FAULTS)):
        assert path in steps


@pytest.mark.parametrize("id", ["said.calls", "said", "Said.new", "said new"])
def test_an_id_that_is_taken_or_malformed_is_refused(house: Path, id: str) -> None:
    with pytest.raises(NewRuleProblem):
        lay_out(Wanted(id=id), house)
    assert grown(house) == []
