"""Marks in a Markdown page: what stands between them is written by a command."""

from __future__ import annotations

from pathlib import Path

from conformance.base import files

MAX_BYTES = 1_000_000


def page(path: Path) -> str:
    """Read a page; raises `files.Unread`."""
    return files.text(path, MAX_BYTES)


def renew(page: str, name: str, text: str) -> str:
    """Put a text between a page's `<!-- NAME -->` and `<!-- /NAME -->`."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}{text}\n{end}{after}"
