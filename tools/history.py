"""The record of vLLM's releases in `docs/`, from the results of a matrix.

    make history                                   # runs the matrix first: an hour or more
    python -m tools.history .conformance/history   # from what it left

What stands in `docs/history.md` before the first table is written by hand, and kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

from conformance import recorded
from conformance.recorded import Results
from conformance.report import html, markdown

DOCS = Path(__file__).parents[1] / "docs"
TABLES = "## Tool-call conformance\n"
ROOM = 500_000
"""Characters of evidence on the page, which is kept in a repository."""


def with_tables(page: str, runs: list[Results]) -> str:
    """Put the tables of the runs where a page has its tables."""
    before, mark, _ = page.partition(TABLES)
    assert mark, f"docs/history.md has no line {TABLES.strip()!r}"
    return before + markdown.tables(runs)


def main(folder: Path) -> int:
    """Write the page and its summary."""
    found = sorted(folder.glob("*/results.json"))
    if not found:
        print(f"{folder} has no results; run: make history", file=sys.stderr)
        return 5
    runs = [recorded.load(path) for path in found]
    summary = DOCS / "history.md"
    summary.write_text(with_tables(summary.read_text("utf-8"), runs), "utf-8")
    (DOCS / "history.html").write_text(html.render(runs, room=ROOM), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
