"""Every command in the lists of findings names a case, a mode and a target that there are."""

import re
from pathlib import Path

from conformance.casefiles import modes
from conformance.engines import target
from tests import shipped

PAGES = sorted((Path(__file__).parents[1] / "docs").glob("findings*.md"))
PAGE = "\n".join(page.read_text("utf-8") for page in PAGES)
CASES = {case.id for case in shipped.cases()}


def test_every_case_of_a_command_is_shipped() -> None:
    named = re.findall(r"(?:cases/)?([a-z]+)\.yaml::([a-z0-9-]+)", PAGE)
    assert named
    assert [f"{file}/{case}" for file, case in named if f"{file}/{case}" not in CASES] == []


def test_every_mode_of_a_command_is_one() -> None:
    named = re.findall(r"::[a-z0-9-]+\[([^\]]+)\]", PAGE)
    assert named
    assert [mode for mode in named if modes.named(mode) is None] == []


def test_every_target_of_a_command_is_built_in() -> None:
    targets = set(re.findall(r"--launch ([a-z0-9-]+)", PAGE))
    assert sorted(targets - set(target.names())) == []
