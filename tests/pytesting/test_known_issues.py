"""Known issues in a run: excused, gone, and written from its failures."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.commands import main
from conformance.reference import FAULTS, Reference
from tests.pytest_run import CASES, COMPLETED, FAILED, FAULTY, KNOWN, REFERENCE, USAGE_ERROR, Run

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow


def test_a_known_fault_is_excused_and_counted(run: Run) -> None:
    run.write("known.yml", KNOWN)
    found = run(*REFERENCE, "--fault", "name-twice", "--known", "known.yml")
    assert found.ret == COMPLETED
    assert run.totals == {"pass": 6, "known": 4}
    assert run.results["run"]["known"] == ["known.yml"]
    found.stdout.fnmatch_lines(
        ["*4 items  sent-twice", "*XFAIL mine.yaml::zig?stream? - sent-twice"]
    )


def test_no_known_excuses_nothing(run: Run) -> None:
    run.write("known.yml", KNOWN)
    options = ("--fault", "name-twice", "--known", "known.yml", "--no-known")
    assert run(*REFERENCE, *options).ret == FAILED


def test_a_policy_fails_no_run_unless_policies_are_left_out(run: Run) -> None:
    run.write("known.yml", KNOWN.replace("issues:", "policies:"))
    options = (*REFERENCE, "--fault", "name-twice", "--known", "known.yml")
    found = run(*options)
    assert found.ret == COMPLETED
    assert run.totals == {"pass": 6, "policy": 4}
    found.stdout.fnmatch_lines(
        [
            "policies that were met:",
            "*4 items  sent-twice",
            "*XFAIL mine.yaml::zig?stream? - sent-twice",
        ]
    )
    assert run(*options, "--no-policies").ret == FAILED
    assert run.totals == {"pass": 6, "fail": 4}
    gone = run(*REFERENCE, "--known", "known.yml")
    assert gone.ret == FAILED
    gone.stdout.fnmatch_lines(
        [
            "chunk.name.once  MUST  passes, but is listed as a policy",
            "  policy    sent-twice: The name *",
            "  do        remove this case or mode from the policy, or close its versions",
        ]
    )


def test_a_known_fault_that_is_gone_fails_the_run(run: Run) -> None:
    run.write("known.yml", KNOWN)
    found = run(*REFERENCE, "--known", "known.yml")
    assert found.ret == FAILED
    assert run.totals == {"pass": 6, "stale": 4}
    found.stdout.fnmatch_lines(
        [
            "chunk.name.once  MUST  passes, but is known to fail",
            "  known     sent-twice: The name *",
        ]
    )


def test_a_malformed_file_of_known_issues_is_one_clear_message(run: Run) -> None:
    run.write("known.yml", KNOWN.replace("rules:", "rulez:"))
    found = run(*REFERENCE, "--known", "known.yml")
    assert found.ret == USAGE_ERROR
    found.stderr.fnmatch_lines(["ERROR: --known: *known.yml:10: *rulez*"])


def accept(folder: Path, *words: str) -> int:
    return main.main(["accept", str(folder / "results.json"), *words])


def test_a_maintainer_accepts_failures_explains_them_and_is_green(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    known, cases = str(run.folder / "known.yml"), str(run.folder / "mine.yaml")
    assert run(*FAULTY).ret == FAILED
    capsys.readouterr()
    nowhere = str(run.folder / "nowhere" / "known.yml")
    assert accept(run.folder, "-o", nowhere, "--cases", cases) == USAGE_ERROR
    assert (
        capsys.readouterr().err == f"-o: {nowhere} cannot be written: No such file or directory\n"
    )
    assert accept(run.folder, "-o", known, "--cases", cases) == COMPLETED
    check = ["check", known, cases]
    assert capsys.readouterr().err == (
        f"1 TODO in {known}; fill in each, then: python -m conformance {' '.join(check)}\n"
    )

    assert main.main(check) == FAILED
    problem, count = capsys.readouterr().out.splitlines()
    assert problem.startswith(f"{known}:6: hermes-chunk-name-once: about has a TODO; ")
    assert count == "2 files, 1 problem"

    lines = Path(known).read_text("utf-8").splitlines()
    lines[5] = "  about: The server sends a call's name in every delta."
    run.write("known.yml", "\n".join(lines))
    assert main.main(check) == COMPLETED
    assert capsys.readouterr().out == "2 files, no problems\n"

    assert run(*FAULTY, "--known", "known.yml").ret == COMPLETED
    assert run.totals == {"pass": 6, "known": 4}
    assert accept(run.folder, "--cases", cases) == COMPLETED
    assert capsys.readouterr().err.endswith("No failure is left to explain.\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["mine.yaml::zig"], "a partial run, which left out 5 items; "),
        (["-k", "zig"], "a partial run, which left out 5 items; "),
        (["-x"], "an incomplete run; "),
        ([], "made with other cases or rules than these (suite digest "),
    ],
)
def test_failures_of_a_partial_run_are_not_accepted(
    run: Run, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert run(*FAULTY, *words).ret == FAILED
    run.write("other.yaml", CASES)
    capsys.readouterr()
    cases = str(run.folder / ("mine.yaml" if words else "other.yaml"))
    into = run.folder / "known.yml"
    assert accept(run.folder, "-o", str(into), "--cases", cases) == USAGE_ERROR
    assert f"results.json: {told}" in capsys.readouterr().err
    assert not into.exists()


def test_entries_that_list_nothing_that_was_collected_are_named(run: Run) -> None:
    _, _, entry = KNOWN.partition("issues:")
    more = entry.replace("mine/zig", "mine/zog").replace("sent-twice", "sent-never")
    run.write("known.yml", KNOWN + more.lstrip("\n"))
    found = run(*FAULTY, "--known", "known.yml")
    assert found.ret == COMPLETED
    told = "known issues or policies that list none of these cases and rules: 1 (sent-never)"
    found.stdout.fnmatch_lines([told])


def test_entries_of_a_range_are_left_out_for_an_unknown_version_and_the_header_says_so(
    run: Run,
) -> None:
    run.write("known.yml", KNOWN.replace("implementation: reference", "implementation: unknown"))
    with Reference("hermes", fault=FAULTS["name-twice"]) as reference:
        words = ("--server-url", reference.url, "--parser", "hermes", "--known", "known.yml")
        found = run(*words)
    assert found.ret == FAILED
    assert run.totals["fail"] == 4
    told = "known issues: 1 entry does not apply: the version None is unknown"
    found.stdout.fnmatch_lines([told])


def test_what_is_known_is_cited_with_its_link(run: Run) -> None:
    link = "https://example.com/1"
    run.write("known.yml", KNOWN.replace("    versions:", f"    issue: {link}\n    versions:"))
    found = run(*FAULTY, "--known", "known.yml")
    found.stdout.fnmatch_lines([f"* {link}", f"XFAIL * - sent-twice ({link})"])
    about = "The name of a call is sent in every delta."
    listed = {"about": about, "issue": link, "source": None}
    assert run.results["issues"] == {"sent-twice": listed}
