"""`accept`: write known issues for the failures of a run."""

from __future__ import annotations

import argparse
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance.base import outlet
from conformance.base.printable import counted, line
from conformance.casefiles import casefile
from conformance.commands import check
from conformance.results import acceptance, reader, writer
from conformance.results.acceptance import AcceptProblem


def add(commands: Any) -> None:
    """Add the command to a parser."""
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
    one.set_defaults(command=run)


def run(chosen: argparse.Namespace) -> int:
    """Write entries for the failures of a run, for a person to fill in."""
    into = Path(chosen.into) if chosen.into else None
    if into is not None and into.exists():
        raise AcceptProblem(f"-o: {into} exists; name a new file, and merge by hand")
    places = [Path(name) for name in chosen.cases] or [casefile.shipped()]
    found = reader.load(Path(chosen.results))
    files = check.sort_files(places)["cases"]
    listed = list(casefile.load_files(files))
    issues = acceptance.entries(found, listed, writer.digest(files), today=datetime.now(UTC).date())
    if stale := found.totals["stale"]:
        outlet.notice(
            f"{counted(stale, 'item is', 'items are')} stale: "
            "remove what they name from the known issues and policies, by hand."
        )
    if not issues:
        outlet.notice("No failure is left to explain.")
        return 0
    written = acceptance.text(found.target.implementation, issues)
    if into is None:
        outlet.page(written)
    else:
        try:
            into.write_text(written, "utf-8")
        except OSError as problem:
            raise AcceptProblem(f"-o: {into} cannot be written: {problem.strerror}") from None
        words = ["python", "-m", "conformance", "check", str(into), *chosen.cases]
        count = f"{len(issues)} {acceptance.TODO} in {into}"
        outlet.notice(line(f"{count}; fill in each, then: {shlex.join(words)}"))
    return 0
