"""The verdict of one or more runs as a small SVG picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

from conformance.report import view
from conformance.results.reader import Results
from conformance.terms.outcome import Outcome

LABEL = "tool calls"
MAX_CHARACTER_PIXELS = 7
"""The width of the widest character."""

TROUBLED = ((Outcome.FAIL, "failing"), (Outcome.ERROR, "in error"), (Outcome.STALE, "stale"))
GREEN, AMBER, RED = "#18632c", "#7d4a00", "#a31621"
EXCUSED = ((Outcome.KNOWN, "known"), (Outcome.POLICY, "by policy"))
WORST = [Outcome.ERROR, Outcome.FAIL, Outcome.STALE, *(one for one, _ in EXCUSED), Outcome.PASS]


def render(runs: Sequence[Results]) -> str:
    """Write the badge."""
    verdicts = [column.verdict[0] for column in view.columns(runs)]
    worst = next(outcome for outcome in WORST if outcome in verdicts)
    items = [item.outcome for run in runs for item in run.items]
    words, colour = _words(worst, items)
    left, right = (len(text) * MAX_CHARACTER_PIXELS + 14 for text in (LABEL, words))
    title = escape(f"{LABEL}: {words}", {'"': "&quot;"})
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{title}"><title>{title}</title>'
        f'<rect width="{left}" height="20" fill="#3d4650"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{colour}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" '
        'text-anchor="middle">'
        f'<text x="{left / 2:g}" y="14">{escape(LABEL)}</text>'
        f'<text x="{left + right / 2:g}" y="14">{escape(words)}</text></g></svg>\n'
    )


def _words(worst: Outcome, items: Sequence[Outcome]) -> tuple[str, str]:
    if worst in (Outcome.PASS, Outcome.KNOWN, Outcome.POLICY):
        colour = AMBER if worst is Outcome.KNOWN else GREEN
        return ", ".join(["conforming", *_counted(items, EXCUSED)]), colour
    return ", ".join(_counted(items, TROUBLED)) or "not tested to the end", RED


def _counted(items: Sequence[Outcome], words: Iterable[tuple[Outcome, str]]) -> list[str]:
    """Count the items that have these outcomes; what none has is left out."""
    return [f"{items.count(outcome)} {word}" for outcome, word in words if outcome in items]
