"""List targets, cases and rules."""

from __future__ import annotations

import argparse
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

from conformance.base import files, outlet
from conformance.base.printable import counted, line
from conformance.casefiles import casefile
from conformance.commands import marks
from conformance.engines import target
from conformance.rules import RULES
from conformance.rules.rule import OPENAI
from conformance.scripting import formats_of


class ListProblem(Exception):
    """There is nothing to list; the message says what was looked for."""


def add(commands: Any) -> None:
    """Enter the commands into a parser's."""
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
    if not files.is_there(place):
        raise ListProblem(f"there is no {place}")
    found = casefile.load_folder(place) if files.is_folder(place) else casefile.load(place)
    formats = {case.id: formats_of(case) for case in found}
    if chosen.format == "json":
        rows = [{"id": one.id, "about": one.about, "formats": formats[one.id]} for one in found]
        outlet.data(rows)
        return 0
    _print([{"id": one.id, "about": one.about} for one in found], chosen.format)
    counts = Counter(format for listed in formats.values() for format in listed)
    listed = ", ".join(f"{count} in {format}" for format, count in counts.items())
    outlet.say(f"{counted(len(found), 'case')}: {listed}")
    return 0


def rules(chosen: argparse.Namespace) -> int:
    """List the rules."""
    if chosen.into:
        page = Path(chosen.into)
        page.write_text(marks.renew(marks.page(page), "rules", rules_markdown()), "utf-8")
        return 0
    if chosen.format == "markdown":
        outlet.page(f"{rules_markdown()}\n")
        return 0
    rows = [
        {"id": one.id, "level": str(one.level), "title": one.title, "why": one.why}
        | {"profile": one.profile, "wrong": one.wrong, "right": one.right}
        for one in RULES.values()
    ]
    if chosen.format == "json":
        outlet.data(rows)
        return 0
    for row in rows:
        outlet.say(f"{row['id']}  {row['level'].upper()}  {row['profile']}\n    {row['title']}")
        for part in ("why", "wrong", "right"):
            text = f"{part}: {row[part]}"
            outlet.say(textwrap.fill(text, 100, initial_indent=" " * 4, subsequent_indent=" " * 8))
    return 0


def rules_markdown() -> str:
    """Write the catalogue as a table."""
    lines = ["| rule | level | for | requirement |", "| --- | --- | --- | --- |"]
    for one in RULES.values():
        profile = "all" if one.profile == OPENAI else one.profile
        lines.append(f"| `{one.id}` | {one.level.upper()} | {profile} | {one.title} |")
    return "\n".join(lines)


def _print(rows: list[dict[str, str]], format: str) -> None:
    if format == "json":
        outlet.data(rows)
        return
    for row in rows:
        head, *rest = row.values()
        outlet.say(f"{line(head)}\n    {line('  '.join(rest))}")
