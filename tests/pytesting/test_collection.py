"""Which items a run has, and files that are not cases."""

from __future__ import annotations

import pytest

from tests.pytest_run import CASES, COMPLETED, FAILED, INTERRUPTED, REFERENCE, USAGE_ERROR, Run

pytest_plugins = ["pytester"]


def test_a_malformed_case_file_is_an_error_with_its_line(run: Run) -> None:
    run.write("bad.yaml", CASES.replace("says: It", "sayz: It"))
    found = run(*REFERENCE, "bad.yaml", "mine.yaml")
    assert found.ret == INTERRUPTED
    found.stdout.fnmatch_lines(["*bad.yaml:*sayz*"])
    assert "Traceback" not in found.stdout.str()


@pytest.mark.parametrize("text", ["cases: [\n", "cases: 1\n", "", "schema: 1\n"])
def test_a_named_file_that_is_not_a_case_file_is_never_a_green_run(run: Run, text: str) -> None:
    run.write("bad.yaml", text)
    assert run(*REFERENCE, "bad.yaml").ret in (INTERRUPTED, USAGE_ERROR)


def test_collecting_writes_no_results(run: Run) -> None:
    found = run(*REFERENCE, "--collect-only", "-q")
    assert found.ret == COMPLETED
    found.stdout.fnmatch_lines(["mine.yaml::zig?complete?"])
    assert not (run.folder / "results.json").exists()


def test_a_selection_is_complete_for_what_was_selected(run: Run) -> None:
    run(*REFERENCE, "mine.yaml::zag[complete]")
    assert run.results["run"]["selected"] == 1
    assert run.results["run"]["complete"] is True


def test_the_command_that_repeats_an_item_runs_it_alone(run: Run) -> None:
    found = run(*REFERENCE, "--fault", "name-twice", "-k", "zig and stream-characters")
    (line,) = [line for line in found.outlines if line.startswith("  repeat    pytest ")]
    words = line.split('"')[1:]
    again = run(words[0], *words[1].split())
    assert again.ret == FAILED
    assert run.totals == {"fail": 1}


def test_one_id_in_two_folders_is_refused_by_name(run: Run) -> None:
    (run.folder / "more").mkdir()
    run.write("more/mine.yaml", CASES)
    found = run(*REFERENCE, "mine.yaml", "more/mine.yaml")
    assert found.ret == INTERRUPTED
    found.stdout.fnmatch_lines(
        ["*mine.yaml:*: duplicate id 'mine/zi*', first at *mine.yaml:*; rename one file"]
    )


DROPPED = {
    "Cases: []\n": "*odd.yaml:1: unknown key 'Cases'*",
    "": "*odd.yaml:1: the file is empty",
    "schema: 1\nimplementation: vllm\nissues: []\n": "*odd.yaml:3: is a list of known issues*",
}


@pytest.mark.parametrize("text", DROPPED)
def test_a_file_beside_cases_that_is_no_case_file_is_an_error(run: Run, text: str) -> None:
    run.write("odd.yaml", text)
    found = run(*REFERENCE, str(run.folder), "--ignore=no.yaml")
    assert found.ret == INTERRUPTED
    found.stdout.fnmatch_lines([DROPPED[text]])


def test_a_file_beside_cases_in_another_encoding_is_an_error(run: Run) -> None:
    (run.folder / "odd.yaml").write_bytes(CASES.encode("utf-16"))
    found = run(*REFERENCE, str(run.folder), "--ignore=no.yaml")
    assert found.ret == INTERRUPTED
    found.stdout.fnmatch_lines(["*odd.yaml:1: byte 0xff is not UTF-8, the only encoding allowed"])


@pytest.mark.parametrize("name", ["empty", "other"])
def test_a_place_without_cases_is_refused_by_name(run: Run, name: str) -> None:
    (run.folder / "empty").mkdir()
    (run.folder / "other").mkdir()
    run.write("other/some.yaml", "a: 1\n")
    expected = f"*{name}: there are no cases in it; name a file of cases, or a folder with some"
    for places in ([name, "mine.yaml"], [name, "-k", "x.yaml"]):
        found = run(*REFERENCE, *places)
        assert found.ret == USAGE_ERROR
        found.stderr.fnmatch_lines([expected])
