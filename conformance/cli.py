"""The commands beside pytest: run, serve, targets, cases, rules."""

from __future__ import annotations

import argparse
import glob
import json
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conformance import __version__, casefile, launch, target
from conformance.launch import Launched, LaunchProblem
from conformance.model import Piece
from conformance.report import terminal
from conformance.request import SCRIPT_FIELD, encode
from conformance.rules import RULES, Rule
from conformance.strictyaml import FileProblem
from conformance.target import TargetProblem

USAGE_ERROR = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; gives the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["run"]:
        return run(words[1:])
    try:
        chosen = _parser().parse_args(words)
    except SystemExit as ended:
        # argparse ends with 2, which is the word for a file that cannot be read.
        raise SystemExit(USAGE_ERROR if ended.code else 0) from None
    try:
        status: int = chosen.command(chosen)
    except (FileProblem, LaunchProblem, TargetProblem) as problem:
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


def serve(chosen: argparse.Namespace) -> int:
    """Start a target's server and keep it up until it is interrupted."""
    recipe = target.load(chosen.target)
    environment = launch.provision(chosen.vllm, tell=_tell)
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        launched = launch.start(
            recipe, environment, folder=Path(folder), tell=_tell, template=chosen.template
        )
        try:
            _show(launched, recipe.parser)
            _wait(launched)
        finally:
            launched.stop()
    return 0 if launched.alive() is False else 1


def _show(launched: Launched, parser: str) -> None:
    body = {
        "model": launched.model,
        "messages": [{"role": "user", "content": "Hello"}],
        "temperature": 0,
        "vllm_xargs": {SCRIPT_FIELD: encode((Piece("text", "Hello, world."),), "tokens")},
    }
    print(f"\n{launched.model} at {launched.url}, log {launched.log}")
    print(f"\ntest it:\n  pytest --server-url {launched.url} --parser {parser}")
    print(f"\nmake it say something:\n  {terminal.curl(body, launched.url)}")
    print("\nstop it with Ctrl-C", flush=True)


def _wait(launched: Launched) -> None:
    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        while launched.alive():
            time.sleep(0.5)
    except KeyboardInterrupt:
        return
    raise LaunchProblem(f"the server has ended; it said last:\n{launched.tail()}")


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
    _print([{"id": case.id, "about": case.about} for case in found], chosen.format)
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
        for one in _catalogue()
    ]
    _print(rows, chosen.format)
    return 0


def _catalogue() -> list[Rule]:
    return sorted(RULES.values(), key=lambda one: one.id)


def rules_markdown() -> str:
    """Write the catalogue as the README's table."""
    lines = ["| rule | level | requirement |", "| --- | --- | --- |"]
    for one in _catalogue():
        lines.append(f"| `{one.id}` | {one.level.upper()} | {one.title} |")
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

    one = commands.add_parser("serve", help="keep a target's server up, to try things by hand")
    one.add_argument("target", metavar="TARGET")
    one.add_argument("--vllm", metavar="VERSION|PYTHON", default=launch.DEFAULT_VLLM)
    one.add_argument("--template", metavar="FILE")
    one.set_defaults(command=serve)

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
