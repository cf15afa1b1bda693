"""Draws the copying model's attention into its page: `python -m tools.copying_page`."""

from __future__ import annotations

import math
from pathlib import Path

from conformance.commands import marks
from conformance.copying.family import REACH
from conformance.copying.weights import score

PAGE = Path(__file__).parents[1] / "docs" / "copying-model.md"
PLACES = (1, 200, 1200, 1250, *range(1270, 1290), 1300, 1350, 2000, 10_000, 60_000)
"""Distances that are drawn: tokens before the one that is read."""
WIDE = 50
"""Characters of the highest score."""


def drawing(reach: int = REACH) -> str:
    """Draw a bar for the score of each place, and say which share of the attention it gets."""
    peak = score(reach - 1, reach)
    whole = sum(math.exp(score(place, reach) - peak) for place in range(65_536))
    lines = ["```text", f"{'tokens before':>13}  {'score':>6}  share"]
    for place in PLACES:
        found = score(place, reach)
        share = math.exp(found - peak) / whole
        shown = f"{share:.4f}" if share >= 0.00005 else "0     "
        bar = "█" * max(0, round(WIDE * found / peak))
        lines.append(f"{place:>13,}  {found:>6.1f}  {shown}  {bar}".rstrip())
    return "\n".join([*lines, "```"])


def page() -> str:
    """Give the page with its drawing renewed."""
    return marks.renew(marks.page(PAGE), "drawing", drawing())


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
