"""The commands beside pytest: run, judge, compare, referee, report, check, serve, and more."""

from __future__ import annotations

import argparse
import glob
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from conformance import __version__
from conformance.base import outlet, printable
from conformance.base.files import Unread
from conformance.base.strictyaml import FileProblem
from conformance.casefiles import casefile
from conformance.commands import (
    accept,
    check,
    judge,
    lists,
    matrix,
    model,
    options,
    plan,
    referee,
    results,
    serve,
)
from conformance.commands.check import CheckProblem
from conformance.commands.judged_file import JudgeProblem
from conformance.commands.lists import ListProblem
from conformance.commands.model import ModelProblem
from conformance.copying.family import FamilyProblem
from conformance.engines.problem import LaunchProblem
from conformance.engines.target import TargetProblem
from conformance.pytesting.option_table import GROUP
from conformance.results.acceptance import AcceptProblem

USAGE_ERROR = 4


_USAGE = (
    AcceptProblem,
    CheckProblem,
    FamilyProblem,
    FileProblem,
    JudgeProblem,
    LaunchProblem,
    ListProblem,
    ModelProblem,
    TargetProblem,
    Unread,
    *matrix.PROBLEMS,
    *results.PROBLEMS,
)
"""Mistakes of the user; each message says what is wrong, and what to do."""


_COMMANDS = (
    *(judge, results, matrix, referee, plan, serve, model),
    *(check, accept, lists, options),
)


PIPE_CLOSED = 141
"""The status that shells give a program whose output nobody reads any more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    outlet.ready()
    try:
        status = _do(list(sys.argv[1:] if arguments is None else arguments))
        outlet.flush()
    except BrokenPipeError:
        outlet.abandon()
        return PIPE_CLOSED
    return status


def _do(words: list[str]) -> int:
    if words[:1] == ["run"]:
        return run(words[1:])
    # Words after `--` are for pytest; argparse would take them for targets.
    passing = words[:1] in (["matrix"], ["referee"]) and "--" in words
    end = words.index("--") if passing else len(words)
    try:
        chosen = _parser().parse_args(words[:end])
    except SystemExit as ended:
        # argparse ends with 2, which here means a file without an answer.
        raise SystemExit(USAGE_ERROR if ended.code else 0) from None
    if end < len(words):
        chosen.arguments = words[end + 1 :]
    try:
        status: int = chosen.command(chosen)
    except _USAGE as problem:
        # Only the output of a server or installer takes several lines.
        text = str(problem)
        outlet.notice(text if isinstance(problem, LaunchProblem) else printable.line(text))
        return USAGE_ERROR
    return status


def run(words: list[str]) -> int:
    """Run pytest on the cases in the given paths, or on the shipped cases.

    The settings of the current folder do not apply.
    """
    if {"-h", "--help"} & {*words}:
        outlet.say(
            f"The suite's options stand under `{GROUP}:`, and `python -m conformance options` "
            "lists them alone. All others are pytest's.\n"
        )
    settings = Path(__file__).parents[1] / "pytest.toml"
    cases = shlex.quote(glob.escape(str(casefile.shipped())))
    fixed = ["-c", str(settings), "--rootdir", str(Path.cwd()), "-p", "conformance.plugin"]
    return int(pytest.main([*fixed, "-o", f"testpaths={cases}", *words]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("run", help="run pytest with the suite, on the shipped cases or PATHS")
    for command in _COMMANDS:
        command.add(commands)
    return parser
