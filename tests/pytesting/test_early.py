"""The plugin is found wherever the cases lie, and a run that does not ask for it sees nothing."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from conformance.pytesting import early
from conformance.pytesting.option import Way
from conformance.reference import Reference
from tests.pytest_run import COMPLETED, REFERENCE, USAGE_ERROR, Run

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

UNASKED = """
import sys

def test_nothing_of_the_suite_is_imported(pytestconfig):
    found = {name for name in sys.modules if name.partition(".")[0] == "conformance"}
    assert found == {"conformance", "conformance.pytesting", "conformance.pytesting.early"}
    assert not pytestconfig.pluginmanager.has_plugin("conformance.plugin")
"""


def test_the_ways_are_those_of_the_table_of_options() -> None:
    assert tuple(map(str, Way)) == early.WAYS
    (found,) = (one for one in entry_points(group="pytest11") if one.name == "conformance")
    assert found.value == early.__name__


@pytest.mark.parametrize("more", [(), ("-n", "2")])
def test_cases_outside_of_any_project_are_run(run: Run, more: tuple[str, ...]) -> None:
    found = run.pytester.runpytest_subprocess(*REFERENCE, "mine.yaml", "--results=r.json", *more)
    assert found.ret == COMPLETED
    found.stdout.fnmatch_lines(["10 items: 10 pass, *"])


def test_the_environment_asks_for_it_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Reference("hermes") as running:
        monkeypatch.setenv("CONFORMANCE_SERVER_URL", running.url)
        monkeypatch.setenv("CONFORMANCE_PARSER", "hermes")
        found = run.pytester.runpytest_subprocess("mine.yaml", "--results=r.json", "-k", "zag")
    assert found.ret == COMPLETED


def test_a_run_that_does_not_ask_sees_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(UNASKED)
    found = pytester.runpytest_subprocess("-W", "error")
    assert found.ret == COMPLETED, found.stdout.str()
    told = pytester.runpytest_subprocess("--help").stdout.str()
    assert [way for way in early.WAYS if way in told] == []


@pytest.mark.parametrize("more", ["", ", action='store_true'"])
@pytest.mark.parametrize("way", ["--launch", "--reference"])
def test_an_option_of_somebody_else_stays_theirs(
    pytester: pytest.Pytester, way: str, more: str
) -> None:
    pytester.makeconftest(f"def pytest_addoption(parser): parser.addoption('{way}'{more})")
    pytester.makepyfile(UNASKED)
    found = pytester.runpytest_subprocess(way if more else f"{way}=x")
    assert found.ret == COMPLETED, found.stdout.str()


def test_a_folder_with_settings_of_its_own_needs_an_equals_sign(run: Run) -> None:
    tree = run.pytester.mkdir("tree")
    (tree / "pytest.ini").write_text("[pytest]\n")
    (tree / "conftest.py").write_text("raise RuntimeError('not ours')\n")
    found = run.pytester.runpytest_subprocess("--launch=hermes", "--vllm", str(tree))
    assert found.ret == USAGE_ERROR
    found.stderr.fnmatch_lines([f"ERROR: write --vllm={tree} with =; pytest takes a path *"])
    said = run.pytester.runpytest_subprocess("--launch=hermes", "--no-known", str(tree))
    said.stderr.no_fnmatch_line("*with =*")


def test_a_path_elsewhere_needs_an_equals_sign_where_a_conftest_would_be_left(
    run: Run, tmp_path: Path
) -> None:
    run.pytester.makeconftest("")
    elsewhere = tmp_path / "tapes"
    elsewhere.mkdir()
    found = run.pytester.runpytest_subprocess("--tapes", str(elsewhere))
    assert found.ret == USAGE_ERROR
    found.stderr.fnmatch_lines([f"ERROR: write --tapes={elsewhere} with =; *"])


def test_an_unknown_option_is_reported_as_ever(pytester: pytest.Pytester) -> None:
    for words in (("--lunch", "x"), (*REFERENCE, "--lunch=x")):
        found = pytester.runpytest_subprocess(*words)
        assert found.ret == USAGE_ERROR
        found.stderr.fnmatch_lines(["*error: unrecognized arguments: --lunch*"])
