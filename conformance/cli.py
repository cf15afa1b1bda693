"""The commands beside pytest: run, judge, compare, report, check, accept, serve, and lists."""

from __future__ import annotations

import argparse
import glob
import json
import os
import shlex
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conformance import (
    __version__,
    capture,
    check,
    judge,
    matrix_cli,
    plan_cli,
    results_cli,
    serve_cli,
)
from conformance.base.strictyaml import FileProblem
from conformance.base.suggest import did_you_mean
from conformance.casefiles import casefile
from conformance.check import CheckProblem
from conformance.engines import target
from conformance.engines.target import TargetProblem
from conformance.engines.vllm import LaunchProblem
from conformance.judge import Basis, JudgeProblem, Recorded
from conformance.results import acceptance, writer
from conformance.results.acceptance import AcceptProblem
from conformance.rules import RULES, Rule
from conformance.rules.rule import OPENAI
from conformance.scripting import formats_of
from conformance.terms.case import Case

FOUND, USAGE_ERROR, NOTHING_CHECKED = 1, 4, 5
_USAGE = (
    AcceptProblem,
    CheckProblem,
    FileProblem,
    JudgeProblem,
    LaunchProblem,
    TargetProblem,
    *matrix_cli.PROBLEMS,
    *results_cli.PROBLEMS,
)
"""What is wrong with what the user gave; the message says what, and what to do."""

PIPE_CLOSED = 141
"""What a shell says of a program whose output nobody reads any more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; gives the exit status."""
    try:
        status = _do(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # At exit Python would flush into the closed pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    return status


def _do(words: list[str]) -> int:
    if words[:1] == ["run"]:
        return run(words[1:])
    # What follows `--` is pytest's; argparse would take it for more targets.
    end = words.index("--") if words[:1] == ["matrix"] and "--" in words else len(words)
    try:
        chosen = _parser().parse_args(words[:end])
    except SystemExit as ended:
        # argparse ends with 2, which is the word for a file without an answer.
        raise SystemExit(USAGE_ERROR if ended.code else 0) from None
    if end < len(words):
        chosen.arguments = words[end + 1 :]
    try:
        status: int = chosen.command(chosen)
    except _USAGE as problem:
        print(problem, file=sys.stderr)
        return USAGE_ERROR
    return status


def run(words: list[str]) -> int:
    """Run pytest on the cases in the paths that are given, or on the shipped cases.

    The settings of the folder that one happens to be in are left alone.
    """
    settings = Path(__file__).with_name("pytest.toml")
    cases = shlex.quote(glob.escape(str(casefile.shipped())))
    fixed = ["-c", str(settings), "--rootdir", str(Path.cwd()), "-p", "conformance.plugin"]
    return int(pytest.main([*fixed, "-o", f"testpaths={cases}", *words]))


def judge_files(chosen: argparse.Namespace) -> int:
    """Judge recorded answers by the rules, with no server."""
    if chosen.files.count("-") > 1:
        raise JudgeProblem("FILE: - stands for standard input, which can be read once")
    basis = _basis(chosen)
    found: list[Recorded] = []
    for file in chosen.files:
        try:
            found.append(judge.judge(file, _bytes(file), basis))
        except OSError as problem:
            found.append(Recorded(file=file, reason=f"cannot be read: {problem.strerror}"))
    if chosen.format == "json":
        print(json.dumps(judge.document(found), indent=1))
    else:
        # A file's name may hold bytes that no encoding takes.
        print(judge.text(found).encode("utf-8", "backslashreplace").decode("utf-8"))
    return judge.status(found)


def _basis(chosen: argparse.Namespace) -> Basis:
    format = judge.format_of(chosen.parser) if chosen.parser else None
    complete = _option("--compare", chosen.compare, judge.complete_of)
    if chosen.cases and not chosen.case:
        raise JudgeProblem("--cases: says where --case is found; give --case too")
    if not chosen.case:
        request = _option("--request", chosen.request, judge.request_of)
        return Basis(request=request, format=format, complete=complete)
    case = _case(chosen.case, Path(chosen.cases) if chosen.cases else casefile.shipped())
    judge.accepts(case, format)
    return Basis(
        request=judge.request_in(case),
        expect=case.expect,
        said=judge.said_in(case, format),
        format=format,
        complete=complete,
    )


def _case(id: str, place: Path) -> Case:
    if not place.exists():
        raise JudgeProblem(f"--cases: there is no {place}")
    listed = casefile.load(place) if place.is_file() else casefile.load_folder(place)
    found = {case.id: case for case in listed}
    if id not in found:
        raise JudgeProblem(f"--case: {id!r} is not in {place}; {did_you_mean(id, found)}")
    return found[id]


def _option(name: str, file: str | None, read: Callable[[bytes], Any]) -> Any:
    """Read the file that an option names, and name the option in what is wrong with it."""
    if file is None:
        return None
    try:
        return read(_bytes(file))
    except OSError as problem:
        raise JudgeProblem(f"{name}: {file} cannot be read: {problem.strerror}") from None
    except JudgeProblem as problem:
        raise JudgeProblem(f"{name}: {file}: {problem}") from None


def _bytes(file: str) -> bytes:
    """Read no more of a file than shows that it is too large."""
    if file == "-":
        return sys.stdin.buffer.read(capture.LIMIT + 1)
    with Path(file).open("rb") as opened:
        return opened.read(capture.LIMIT + 1)


def check_files(chosen: argparse.Namespace) -> int:
    """Check files of cases, targets and known issues."""
    found = check.check([Path(name) for name in chosen.paths])
    for problem in found.problems:
        print(problem)
    count = len(found.problems)
    print(f"{found.files} files, {count or 'no'} {'problem' if count == 1 else 'problems'}")
    if not found.files:
        return NOTHING_CHECKED
    return FOUND if found.problems else 0


def accept_failures(chosen: argparse.Namespace) -> int:
    """Write entries for the failures of a run, to be filled in."""
    into = Path(chosen.into) if chosen.into else None
    if into is not None and into.exists():
        raise AcceptProblem(f"-o: {into} exists; name a new file, and merge by hand")
    places = [Path(name) for name in chosen.cases] or [casefile.shipped()]
    found = acceptance.read(Path(chosen.results))
    files = check.sort_files(places)["cases"]
    listed = list(casefile.load_files(files))
    issues = acceptance.entries(found, listed, writer.digest(files), today=datetime.now(UTC).date())
    if stale := found["totals"]["stale"]:
        _tell(f"{stale} items are stale: remove what they name from the known issues, by hand")
    if not issues:
        _tell("no failure is left to explain")
        return 0
    written = acceptance.text(found["target"]["implementation"], issues)
    if into is None:
        print(written, end="")
    else:
        into.write_text(written, "utf-8")
        words = ["python", "-m", "conformance", "check", str(into), *chosen.cases]
        _tell(f"{len(issues)} {check.TODO} in {into}; fill in each, then: {shlex.join(words)}")
    return 0


def targets(chosen: argparse.Namespace) -> int:
    """List the built-in targets."""
    found = [target.load(name) for name in target.names()]
    rows = [
        {"name": one.name, "parser": one.parser, "format": one.format, "about": one.about}
        for one in found
    ]
    _print(rows, chosen.format)
    return 0


def cases(chosen: argparse.Namespace) -> int:
    """List the cases of a folder or a file."""
    place = Path(chosen.place) if chosen.place else casefile.shipped()
    if not place.exists():
        print(f"there is no {place}", file=sys.stderr)
        return USAGE_ERROR
    found = casefile.load(place) if place.is_file() else casefile.load_folder(place)
    formats = {case.id: formats_of(case) for case in found}
    if chosen.format == "json":
        rows = [{"id": one.id, "about": one.about, "formats": formats[one.id]} for one in found]
        print(json.dumps(rows, indent=1))
        return 0
    _print([{"id": one.id, "about": one.about} for one in found], chosen.format)
    counts = Counter(format for listed in formats.values() for format in listed)
    told = ", ".join(f"{count} in {format}" for format, count in counts.items())
    print(f"{len(found)} cases: {told}")
    return 0


def rules(chosen: argparse.Namespace) -> int:
    """List the rules."""
    if chosen.into:
        page = Path(chosen.into)
        page.write_text(with_rules(page.read_text("utf-8")), "utf-8")
        return 0
    if chosen.format == "markdown":
        print(rules_markdown())
        return 0
    rows = [
        {"id": one.id, "level": str(one.level), "title": one.title, "why": one.why}
        | {"profile": one.profile, "wrong": one.wrong, "right": one.right}
        for one in _catalogue()
    ]
    if chosen.format == "json":
        print(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        print(f"{row['id']}  {row['level'].upper()}  {row['profile']}\n    {row['title']}")
        for part in ("why", "wrong", "right"):
            text = f"{part}: {row[part]}"
            print(textwrap.fill(text, 100, initial_indent=" " * 4, subsequent_indent=" " * 8))
    return 0


def _catalogue() -> list[Rule]:
    return sorted(RULES.values(), key=lambda one: one.id)


def rules_markdown() -> str:
    """Write the catalogue as the README's table."""
    lines = ["| rule | level | for | requirement |", "| --- | --- | --- | --- |"]
    for one in _catalogue():
        whom = "all" if one.profile == OPENAI else one.profile
        lines.append(f"| `{one.id}` | {one.level.upper()} | {whom} | {one.title} |")
    return "\n".join(lines)


def with_rules(page: str) -> str:
    """Put the catalogue between a page's `<!-- rules -->` marks."""
    before, _, rest = page.partition("<!-- rules -->\n")
    _, _, after = rest.partition("<!-- /rules -->")
    return f"{before}<!-- rules -->\n{rules_markdown()}\n<!-- /rules -->{after}"


def _print(rows: list[dict[str, str]], format: str) -> None:
    if format == "json":
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        head, *rest = row.values()
        print(f"{head}\n    {'  '.join(rest)}")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("run", help="run pytest with the suite, on the shipped cases or PATHS")

    one = commands.add_parser("judge", help="judge recorded answers, with no server")
    one.add_argument("files", nargs="+", metavar="FILE", help="SSE or JSON; - is standard input")
    known = one.add_mutually_exclusive_group()
    known.add_argument("--case", metavar="ID", help="the case that was asked")
    known.add_argument("--request", metavar="FILE", help="the body of the request, as JSON")
    one.add_argument("--cases", metavar="FOLDER|FILE", help="where the case is (default: shipped)")
    one.add_argument("--parser", metavar="NAME", help="the parser, or the format of the model")
    one.add_argument("--compare", metavar="FILE", help="the complete answer to the same request")
    one.add_argument("--format", choices=["text", "json"], default="text")
    one.set_defaults(command=judge_files)

    results_cli.add(commands)
    matrix_cli.add(commands)
    plan_cli.add(commands)
    serve_cli.add(commands)

    one = commands.add_parser("check", help="check files of cases, targets and known issues")
    one.add_argument("paths", nargs="*", metavar="PATH", help="default: what comes with the suite")
    one.set_defaults(command=check_files)

    one = commands.add_parser("accept", help="write known issues for the failures of a run")
    one.add_argument("results", metavar="RESULTS", help="the results.json of a whole run")
    one.add_argument("-o", dest="into", metavar="FILE", help="default: standard output")
    one.add_argument(
        "--cases",
        metavar="FOLDER|FILE",
        action="append",
        default=[],
        help="what was run (default: shipped); may be given several times",
    )
    one.set_defaults(command=accept_failures)

    for name, command, formats in (
        ("targets", targets, ["text", "json"]),
        ("cases", cases, ["text", "json"]),
        ("rules", rules, ["text", "json", "markdown"]),
    ):
        one = commands.add_parser(name, help=f"list the {name}")
        one.add_argument("--format", choices=formats, default="text")
        if name == "cases":
            one.add_argument("place", nargs="?", metavar="FOLDER|FILE")
        if name == "rules":
            one.add_argument("--into", metavar="FILE", help="renew the table in a Markdown file")
        one.set_defaults(command=command)
    return parser
