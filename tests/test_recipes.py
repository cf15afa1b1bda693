"""The recipes for CI are whole: they parse, and their commands are ones that the suite takes."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.commands import main

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "docs/ci").glob("*.yml"))
VALUES = {"OLD": "0.31.0", "NEW": "0.32.0", "TARGETS": "hermes mistral", "target": "hermes"}


def _steps(document: Any) -> Iterator[str]:
    """Give the shell lines of a recipe, GitHub's or GitLab's."""
    for job in document.get("jobs", document).values():
        for step in job.get("steps", []):
            yield from [step["run"]] if "run" in step else []
        for part in ("script", "after_script"):
            yield from job.get(part, [])


def _commands(recipe: Path) -> list[list[str]]:
    """Give the words of each command of ours, up to where the shell goes on."""
    found = []
    for step in _steps(yaml.safe_load(recipe.read_text("utf-8"))):
        text = re.sub(r"\$\{?(\w+)\}?", lambda m: VALUES.get(m[1], m[0]), step.replace("\\\n", " "))
        for line in re.findall(r"python -m conformance ([^\n|;]*)", text):
            found.append(shlex.split(line.partition(" >>")[0]))
    return found


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_a_recipe_has_commands_that_the_suite_takes(recipe: Path) -> None:
    commands = _commands(recipe)
    assert commands
    for name, *words in commands:
        if name == "run":  # pytest's own parser, which wants a session; its options are known
            assert all(word.startswith(("--results=", "--junitxml=")) for word in words)
        else:
            main._parser().parse_args([name, *words])


def _installation(recipe: Path) -> str:
    """Give the shell lines up to the one that installs the suite."""
    lines = "\n".join(_steps(yaml.safe_load(recipe.read_text("utf-8")))).splitlines()
    return "\n".join(lines[: [line.startswith("pip ") for line in lines].index(True) + 1])


def _run(script: str, folder: Path, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run shell lines with a git and a pip that only say how they were called."""
    for name in ("git", "pip"):
        stub = folder / name
        stub.write_text('#!/bin/sh\necho "${0##*/}" "$@"\n', "utf-8")
        stub.chmod(0o755)
    return subprocess.run(
        ["sh", "-e", "-c", script],
        env={**settings, "PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_a_recipe_installs_a_pinned_clone(recipe: Path, tmp_path: Path) -> None:
    where = {"TOOLCALL_TRUTH": "https://host/a b.git", "TOOLCALL_TRUTH_REVISION": "v1"}
    done = _run(_installation(recipe), tmp_path, where)
    assert done.stdout.splitlines() == [
        "git clone https://host/a b.git toolcall-truth",
        "git -C toolcall-truth checkout v1",
        "pip install ./toolcall-truth",
    ]


@pytest.mark.parametrize("missing", ["TOOLCALL_TRUTH", "TOOLCALL_TRUTH_REVISION"])
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_a_recipe_says_what_to_set_and_where(recipe: Path, missing: str, tmp_path: Path) -> None:
    where = {"TOOLCALL_TRUTH": "https://host/a.git", "TOOLCALL_TRUTH_REVISION": "v1"}
    done = _run(_installation(recipe), tmp_path, {**where, missing: ""})
    assert done.returncode != 0
    assert f"{missing}: set it to " in done.stderr
    assert "pip" not in done.stdout
    assert re.search(rf"^#.*\b{missing}\b", recipe.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_a_recipe_installs_nothing_by_name(recipe: Path) -> None:
    installed = re.findall(r"pip install (.*)", recipe.read_text("utf-8"))
    assert installed == ["./toolcall-truth"]


def test_the_page_about_ci_names_every_recipe_and_no_other() -> None:
    page = (ROOT / "docs/ci.md").read_text("utf-8")

    assert sorted(set(re.findall(r"\(ci/(\S+)\)", page))) == [one.name for one in RECIPES]


def test_the_workflow_of_the_project_runs_what_any_machine_can_run() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    program = ROOT / ".ci/run"

    assert list(_steps(workflow)) == [".ci/run"]
    assert os.access(program, os.X_OK)
