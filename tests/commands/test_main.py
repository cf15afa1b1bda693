"""The commands beside pytest, as a user types them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import conformance
from conformance.base.jsonvalue import Json
from conformance.casefiles import casefile
from conformance.commands import check, main
from conformance.engines import target
from conformance.formats import FORMATS
from conformance.rules import RULES

ROOT = Path(conformance.__file__).parent.parent
OWN = """
schema: 1
about: A case of the user's own.
cases:
  - id: greeting
    about: A greeting stays a greeting.
    messages: [{role: user, content: "Say hello."}]
    says: Hello there.
"""


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> Json:
    assert main.main([*words, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def run(folder: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("CONFORMANCE_")
    }
    return subprocess.run(
        [sys.executable, "-m", "conformance", *words],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_every_built_in_target_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(capsys, "targets")
    assert [row["name"] for row in rows] == target.names()
    assert {row["format"] for row in rows} <= set(FORMATS)
    assert all(row["about"] for row in rows)


def test_every_shipped_case_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(capsys, "cases")
    assert [row["id"] for row in rows] == [
        case.id for case in casefile.load_folder(casefile.shipped())
    ]
    assert set(rows[0]) == {"id", "about", "formats"}


def test_a_case_is_listed_with_the_formats_that_can_say_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = {row["id"]: row["formats"] for row in listed(capsys, "cases")}
    assert rows["parallel/two-cities"] == [*FORMATS]
    assert "mistral" in rows["broken/last-bracket-missing"]
    assert "hermes" not in rows["broken/last-bracket-missing"]
    assert all(rows.values())


def test_cases_are_counted_by_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["cases"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    counts = ", ".join(rf"\d+ in {name}" for name in FORMATS)
    assert re.fullmatch(rf"\d+ cases: {counts}", last)


def test_the_cases_of_a_folder_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    assert listed(capsys, "cases", str(tmp_path)) == [
        {
            "id": "own/greeting",
            "about": "A greeting stays a greeting.",
            "formats": [*FORMATS],
        }
    ]


def test_a_folder_that_is_not_there_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "missing"
    assert main.main(["cases", str(missing)]) == main.USAGE_ERROR
    assert str(missing) in capsys.readouterr().err


def test_a_malformed_case_is_an_error_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text(OWN.replace("says:", "sayz:"))
    assert main.main(["cases", str(tmp_path)]) == main.USAGE_ERROR
    assert "own.yaml:8: " in capsys.readouterr().err


def test_every_rule_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(capsys, "rules")
    assert sorted(row["id"] for row in rows) == sorted(RULES)
    assert {row["level"] for row in rows} <= {"must", "should", "info"}
    assert all(row["title"] and row["why"] and row["wrong"] and row["right"] for row in rows)
    assert {row["profile"] for row in rows} == {"openai", "vllm"}


@pytest.mark.parametrize("words", [["rules"], ["rules", "--format", "json"], ["cases"]])
def test_a_reader_that_has_enough_ends_a_command_quietly(words: list[str]) -> None:
    command = [sys.executable, "-m", "conformance", *words]
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, cwd=ROOT, timeout=60, check=False
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (main.PIPE_CLOSED, b"")


def test_the_rules_are_a_table_in_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["rules", "--format", "markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(RULES)
    assert {line.count("|") - line.count("\\|") for line in lines} == {5}


@pytest.mark.parametrize("what", ["targets", "cases", "rules"])
def test_a_list_is_made_for_people_too(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([what]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.strip()] == []
    assert any(not line.startswith(" ") for line in lines)


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["testt"])
    assert ended.value.code == main.USAGE_ERROR
    assert "testt" in capsys.readouterr().err


def test_an_unknown_target_is_not_served(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["serve", "hermez"]) == main.USAGE_ERROR
    message = capsys.readouterr().err
    assert "hermez" in message
    assert "did you mean hermes?" in message


@pytest.mark.slow
def test_a_run_takes_the_users_own_cases_and_leaves_the_folder_s_settings_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "own.yaml").write_text(OWN)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    found = run(tmp_path, ["run", "--reference", "--parser", "hermes", "mine"])
    assert found.returncode == 0, found.stdout + found.stderr
    assert "5 items: 5 pass" in found.stdout
    assert "warning" not in found.stdout
    results = json.loads((tmp_path / ".conformance" / "results.json").read_text())
    assert {item["case"] for item in results["results"]} == {"own/greeting"}


def test_a_run_without_paths_takes_the_shipped_cases_and_no_options_value(tmp_path: Path) -> None:
    (tmp_path / "known.yml").write_text("schema: 1\nimplementation: reference\nissues: []\n")
    words = ["run", "--reference", "--parser", "hermes", "--known", "known.yml", "--collect-only"]
    found = run(tmp_path, [*words, "-q"])
    assert found.returncode == 0, found.stdout + found.stderr
    for case in ("single.yaml::dallas-weather[complete]", "turns.yaml::dallas-answer[stream]"):
        assert case in found.stdout


def test_the_help_of_a_run_says_first_where_the_suites_options_are(tmp_path: Path) -> None:
    found = run(tmp_path, ["run", "--help"])
    assert found.returncode == 0, found.stderr
    assert "`tool-call conformance:`" in found.stdout.partition("\n")[0]
    ours = found.stdout.index("\ntool-call conformance:")
    assert ours < found.stdout.index("\nReporting:")
    assert ours < found.stdout.index("  --server-url=URL")


@pytest.mark.slow
def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    found = run(tmp_path, ["run", "--reference", "--parser", "hermes", "nowhere"])
    assert found.returncode == main.USAGE_ERROR
    assert "nowhere" in found.stderr


def test_accepting_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    into = tmp_path / "mine.yaml"
    into.write_text("precious")
    assert main.main(["accept", "results.json", "-o", str(into)]) == main.USAGE_ERROR
    assert capsys.readouterr().err == f"-o: {into} exists; name a new file, and merge by hand\n"
    assert into.read_text() == "precious"


def test_a_check_of_nothing_is_not_green(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["check", str(tmp_path)]) == check.NOTHING_CHECKED
    assert capsys.readouterr().out == "0 files, no problems\n"
    assert main.main(["check", str(tmp_path / "missing")]) == main.USAGE_ERROR
    message = capsys.readouterr().err
    assert message == f"{tmp_path}/missing: there is no such file or folder\n"
