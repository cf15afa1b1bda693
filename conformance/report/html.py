"""One self-contained page about one or more runs: no network, no script, any text inert."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from conformance import __version__
from conformance.base.printable import cut, visible
from conformance.report import changes, evidence, view
from conformance.results.comparison import Comparison
from conformance.results.reader import Results
from conformance.terms.outcome import Outcome

FOLDER = Path(__file__).parent
LONG = 400
"""Characters of a value in a list."""

LEGEND = {
    Outcome.PASS: (
        "ok",
        "the rule holds in every item that it applies to, so many",
    ),
    Outcome.FAIL: ("fails", "the rule is broken, and nothing excuses it"),
    Outcome.KNOWN: ("known", "it is broken, and listed with a reason, or was so in the baseline"),
    Outcome.STALE: ("stale", "it is listed as broken, and holds: the list is out of date"),
    Outcome.ERROR: ("error", "there was no whole answer to judge: refused, timed out, cut, 5xx"),
    Outcome.INCONCLUSIVE: ("unsure", "the answer did not let it be decided"),
    Outcome.NA: ("-", "the rule or case says nothing here, or was not asked"),
}


def render(runs: Sequence[Results], *, room: int = evidence.PAGE) -> str:
    """Write the page, with about so many characters of evidence at most."""
    columns = view.columns(runs)
    rules, cases = view.rule_rows(columns), view.case_rows(columns)
    css = (FOLDER / "page.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    compared = view.comparison(columns)
    return (
        _environment()
        .get_template("page.html")
        .render(
            version=__version__,
            css=Markup(css),  # ours, and a style's text is not to be escaped
            css_digest=digest,
            columns=columns,
            legend=LEGEND,
            compared=compared if isinstance(compared, Comparison) else None,
            incomparable=compared if isinstance(compared, str) else None,
            troubled=[row for row in rules if row.troubled],
            sound=[row for row in rules if not row.troubled],
            areas=_areas,
            histories=view.histories(columns, rules),
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
    environment.filters["short"] = lambda text: cut(text, LONG)
    environment.filters["web"] = _web
    environment.globals.update(summary=changes.summary, changed=changes.groups)
    return environment


def _shown(value: Any) -> Any:
    """Make whatever the template writes visible; what it marks as markup is ours."""
    if isinstance(value, Markup):
        return value
    return visible(str(value), keep="\n")


def _web(link: str | None) -> str | None:
    """Give a link that is safe to follow; a known file may hold any text."""
    return link if link and link.startswith(("https://", "http://")) else None
