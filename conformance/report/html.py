"""One self-contained page about one or more runs: no network, no script, any text inert."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from conformance import __version__
from conformance.base import files
from conformance.base.printable import ORDER, cut, visible
from conformance.report import changes, evidence, histories, view
from conformance.results.comparison import Comparison
from conformance.results.reader import Results
from conformance.terms.outcome import Outcome

FOLDER = Path(__file__).parent
MAX_CSS_BYTES = 1_000_000
MAX_TEXT_CHARACTERS = 24_000
"""More of any text is not shown; what a page shows at length is shorter."""
MAX_VALUE_CHARACTERS = 400
"""More of a value in a list is not shown."""

LEGEND = {
    Outcome.PASS: (
        "ok",
        "the rule holds in every item that it applies to; the number counts them",
    ),
    Outcome.FAIL: ("fails", "the rule is broken, and nothing excuses it"),
    Outcome.KNOWN: (
        "known",
        "it is broken, and a known issue lists it, or it was broken in the baseline",
    ),
    Outcome.POLICY: (
        "policy",
        "it is broken by what the implementation demands or does on purpose: listed, and no fault",
    ),
    Outcome.STALE: ("stale", "it is listed as broken, but holds: the list is out of date"),
    Outcome.ERROR: ("error", "there was no whole answer to judge: refused, timed out, cut, 5xx"),
    Outcome.INCONCLUSIVE: ("unsure", "the answer did not let the rule decide"),
    Outcome.NA: ("-", "the rule or case says nothing here, or was not asked"),
}


def render(runs: Sequence[Results], *, room: int = evidence.MAX_PAGE_CHARACTERS) -> str:
    """Write the page; `room` is about how many characters of evidence it may hold."""
    columns = view.columns(runs)
    rules, cases = view.rule_rows(columns), view.case_rows(columns)
    css = files.text(FOLDER / "page.css", MAX_CSS_BYTES)
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    compared = view.comparison(columns)
    return (
        _environment()
        .get_template("page.html")
        .render(
            version=__version__,
            css=Markup(css),  # from this package; a style must not be escaped
            css_digest=digest,
            columns=columns,
            legend=LEGEND,
            compared=compared if isinstance(compared, Comparison) else None,
            incomparable=compared if isinstance(compared, str) else None,
            troubled=[row for row in rules if row.troubled],
            sound=[row for row in rules if not row.troubled],
            areas=_areas,
            histories=histories.histories(columns, rules),
            sections=view.rule_sections(columns, rules, cases),
            topics=[
                (topic, list(rows)) for topic, rows in groupby(cases, key=lambda row: row.topic)
            ],
            evidence=evidence.gather(columns, cases, room=room),
            issue_anchors=evidence.issue_anchors(columns),
        )
    )


def _areas(rows: Sequence[view.RuleRow]) -> list[tuple[str, list[view.RuleRow]]]:
    return [(area, list(found)) for area, found in groupby(rows, key=lambda row: row.area)]


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = lambda text: cut(text, MAX_VALUE_CHARACTERS)
    environment.filters["web"] = _web
    environment.filters["prose"] = _prose
    environment.filters["sentence"] = _sentence
    environment.globals.update(summary=changes.summary, changed=changes.groups)
    return environment


def _shown(value: Any) -> Markup:
    """Escape whatever the template writes, except its own markup.

    A page may be printed in a CI system's log, so no line of it may be an order there.
    """
    if isinstance(value, Markup):
        return value
    inert = escape(cut(visible(str(value), keep="\n"), MAX_TEXT_CHARACTERS))
    return Markup(ORDER.sub(lambda found: f"{found[1] or ''}&#{ord(found[0][-1])};", inert))


def _prose(text: str) -> Any:
    """Show what stands between backticks as code, in a sentence of a rule or a known issue."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return text
    shown = (f"<code>{_shown(one)}</code>" if n % 2 else _shown(one) for n, one in enumerate(parts))
    return Markup("".join(shown))


def _sentence(text: str) -> str:
    """Begin with a capital letter."""
    return text[:1].upper() + text[1:]


def _web(link: str | None) -> str | None:
    """Give the link if it is safe to follow; a file of known issues may hold any text."""
    return link if link and link.startswith(("https://", "http://")) else None
