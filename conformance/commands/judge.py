"""`judge`: recorded answers by the rules, with no server."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conformance.base import files, outlet
from conformance.base.suggest import did_you_mean
from conformance.casefiles import casefile
from conformance.commands import answer_file, judged_file
from conformance.commands.judged_file import Basis, JudgeProblem, Recorded
from conformance.terms.case import Case


def add(commands: Any) -> None:
    """Enter the command into a parser's."""
    one = commands.add_parser("judge", help="judge recorded answers, with no server")
    one.add_argument("files", nargs="+", metavar="FILE", help="SSE or JSON; - is standard input")
    known = one.add_mutually_exclusive_group()
    known.add_argument("--case", metavar="ID", help="the case that was asked")
    known.add_argument("--request", metavar="FILE", help="the body of the request, as JSON")
    one.add_argument("--cases", metavar="FOLDER|FILE", help="where the case is (default: shipped)")
    one.add_argument("--parser", metavar="NAME", help="the parser, or the format of the model")
    one.add_argument("--compare", metavar="FILE", help="the complete answer to the same request")
    one.add_argument("--format", choices=["text", "json"], default="text")
    one.set_defaults(command=run)


def run(chosen: argparse.Namespace) -> int:
    """Judge recorded answers by the rules, with no server."""
    if chosen.files.count("-") > 1:
        raise JudgeProblem("FILE: - stands for standard input, which can be read once")
    basis = _basis(chosen)
    found: list[Recorded] = []
    for file in chosen.files:
        try:
            found.append(judged_file.judge(file, _bytes(file), basis))
        except files.Unread as problem:
            found.append(Recorded(file=file, reason=problem.what))
    if chosen.format == "json":
        outlet.data(judged_file.document(found))
    else:
        outlet.say(judged_file.text(found))
    return judged_file.status(found)


def _basis(chosen: argparse.Namespace) -> Basis:
    format = judged_file.format_of(chosen.parser) if chosen.parser else None
    complete = _option("--compare", chosen.compare, judged_file.complete_of)
    if chosen.cases and not chosen.case:
        raise JudgeProblem("--cases: says where --case is found; give --case too")
    if not chosen.case:
        request = _option("--request", chosen.request, judged_file.request_of)
        return Basis(request=request, format=format, complete=complete)
    case = _case(chosen.case, Path(chosen.cases) if chosen.cases else casefile.shipped())
    judged_file.accepts(case, format)
    return Basis(
        request=judged_file.request_in(case),
        expect=case.expect,
        said=judged_file.said_in(case, format),
        format=format,
        complete=complete,
    )


def _case(id: str, place: Path) -> Case:
    if not files.is_there(place):
        raise JudgeProblem(f"--cases: there is no {place}")
    listed = casefile.load_folder(place) if files.is_folder(place) else casefile.load(place)
    found = {case.id: case for case in listed}
    if id not in found:
        raise JudgeProblem(f"--case: {id!r} is not in {place}; {did_you_mean(id, found)}")
    return found[id]


def _option(name: str, file: str | None, read: Callable[[bytes], Any]) -> Any:
    """Read the file that an option names; an error names the option."""
    if file is None:
        return None
    try:
        return read(_bytes(file))
    except files.Unread as problem:
        raise JudgeProblem(f"{name}: {problem}") from None
    except JudgeProblem as problem:
        raise JudgeProblem(f"{name}: {file}: {problem}") from None


def _bytes(file: str) -> bytes:
    if file == "-":
        return files.standard_input(answer_file.MAX_FILE_BYTES)
    return files.data(Path(file), answer_file.MAX_FILE_BYTES)
