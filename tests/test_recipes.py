"""The recipes for CI are whole: they parse, and their commands are ones that the suite takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance import __version__
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


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_a_recipe_pins_this_release(recipe: Path) -> None:
    wheel = f"wheels/toolcall_truth-{__version__}-py3-none-any.whl"
    installed = re.findall(r"pip install (.*)", recipe.read_text("utf-8"))
    assert installed == [wheel]


def test_the_page_about_ci_names_every_recipe_and_no_other() -> None:
    page = (ROOT / "docs/ci.md").read_text("utf-8")

    assert sorted(set(re.findall(r"\(ci/(\S+)\)", page))) == [one.name for one in RECIPES]
