"""`plan`: count the requests of a run, and estimate their cost."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from conformance.base import outlet
from conformance.casefiles import casefile, modes
from conformance.commands import judged_file
from conformance.commands.check import sort_files
from conformance.formats import registry
from conformance.runs import plan
from conformance.terms.server import ANSWER_TOKENS


def add(commands: Any) -> None:
    """Add the command to a parser."""
    one = commands.add_parser("plan", help="say how much a run will ask, and about what it costs")
    one.add_argument("paths", nargs="*", metavar="PATH", help="cases (default: shipped)")
    one.add_argument("--parser", metavar="NAME", default="hermes", help="default: %(default)s")
    one.add_argument(
        "--emission",
        choices=["scripted", "sampled"],
        default="sampled",
        help="where answers come from (default: %(default)s)",
    )
    one.add_argument(
        "--repeat",
        type=_times,
        metavar="N",
        default=1,
        help="how often a sampled model is asked each item at most (default: %(default)s)",
    )
    one.add_argument(
        "--max-tokens",
        type=_times,
        metavar="N",
        default=ANSWER_TOKENS,
        help="how long a sampled answer may be, where a case says nothing (default: %(default)s)",
    )
    one.add_argument("--cuts", choices=list(modes.CUTS), default="default")
    one.add_argument("--format", choices=["text", "json"], default="text")
    one.set_defaults(command=run)


def _times(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: 1 and more")
    return int(text)


def run(chosen: argparse.Namespace) -> int:
    """Print a plan, without any server."""
    places = [Path(name) for name in chosen.paths] or [casefile.shipped()]
    cases = casefile.load_files(sort_files(places)["cases"])
    format = judged_file.format_of(chosen.parser)
    server = plan.server_of(
        registry.parser_of(format), format.name, chosen.emission, chosen.max_tokens
    )
    found = plan.plan(cases, server, chosen.cuts, repeat=chosen.repeat)
    if chosen.format == "json":
        outlet.data(plan.document(found, server))
    else:
        outlet.say(plan.text(found, server))
    return 0
