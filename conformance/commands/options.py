"""The command that lists the options of a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from conformance.base import outlet
from conformance.commands import marks
from conformance.pytesting.option import EVERY_WAY, Option
from conformance.pytesting.option_table import OPTIONS, VARIABLES

"""The marks around the table in a page."""
FEW_CHOICES = 12
"""More than these are left to `pytest --help`."""


def add(commands: Any) -> None:
    """Enter the command into a parser's."""
    one = commands.add_parser("options", help="list the options of a run")
    one.add_argument("--format", choices=["text", "json", "markdown"], default="text")
    one.add_argument("--into", metavar="FILE", help="renew the table in a Markdown file")
    one.set_defaults(command=run)


def run(chosen: argparse.Namespace) -> int:
    """List the options."""
    if chosen.into:
        page = Path(chosen.into)
        page.write_text(marks.renew(marks.page(page), "options", markdown()), "utf-8")
    elif chosen.format == "markdown":
        outlet.page(f"{markdown()}\n")
    elif chosen.format == "json":
        outlet.data([_row(option) for option in OPTIONS])
    else:
        for option in OPTIONS:
            outlet.say(f"{_usage(option)}\n    {_meaning(option)}")
            if option.environment:
                outlet.say(f"    from the environment: {option.environment}")
    return 0


def markdown() -> str:
    """Write the table, and the variables that stand for no option."""
    lines = ["| option | environment | for | meaning |", "| --- | --- | --- | --- |"]
    for option in OPTIONS:
        variable = f"`{option.environment}`" if option.environment else ""
        where = ", ".join(f"`{way}`" for way in option.ways)
        where = "all" if option.ways == EVERY_WAY else where
        lines.append(_cells(f"`{_usage(option)}`", variable, where, _meaning(option)))
    lines += [_cells("", f"`{name}`", "", meaning) for name, meaning in VARIABLES.items()]
    return "\n".join(lines)


def _row(option: Option) -> dict[str, Any]:
    return {
        "name": option.name,
        "metavar": option.metavar,
        "many": option.many,
        "environment": option.environment,
        "default": option.standard(None),
        "choices": None if option.choices is None else list(option.choices),
        "for": list(option.ways),
        "repeated": option.repeat is not None,
        "help": _meaning(option),
    }


def _usage(option: Option) -> str:
    return option.name if option.is_switch else f"{option.name} {option.metavar}"


def _meaning(option: Option) -> str:
    choices = list(option.choices or ())
    listed = ", ".join(choices) if len(choices) <= FEW_CHOICES else "see pytest --help"
    return option.help % {"default": option.default, "choices": listed}


def _cells(*cells: str) -> str:
    """Write a row; a bar in a cell would end it."""
    shown = (cell.replace("|", "\\|") for cell in cells)
    return "|" + "|".join(f" {cell} " if cell else " " for cell in shown) + "|"
