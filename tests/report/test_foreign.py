"""Nothing foreign is obeyed on a page: not by a browser, in Markdown, or in a log that shows it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.report import badge, changes, html, markdown, sampled
from conformance.results import reader
from conformance.results.comparison import compare
from conformance.results.reader import ItemResult, Results
from conformance.terms.outcome import Outcome
from tests.foreign import FOREIGN, NASTY, is_inert
from tests.made import document, finding, item, write
from tests.report.test_html import check

FLOOD = "B" * 200_000
_numbers = itertools.count()


def hostile(folder: Path, texts: list[str], tail: str = "") -> list[Results]:
    """Make results of two runs in which everything that can be foreign is."""
    case, mode, expected, actual, reason, version, model, about = (text + tail for text in texts)
    found = []
    for name in ("old", "new"):
        one = document({}, target_version=version, target_model=model)
        one["target"] |= {"id": f"vllm-{version}", "template": reason, "packages": {actual: reason}}
        one["issues"] = {"an-issue": {"about": about, "issue": None}}
        wrong = finding("args.json", "known", expected=expected, actual=actual, where=about)
        one["results"] = [
            item(f"a/{case}[{mode}]", {"args.json": "known"}, findings=[wrong]),
            item("a/lost[stream]", "error", reason=reason),
            item("a/unsure[stream]", {"args.json": "inconclusive"}, reason=reason),
        ]
        one["totals"] = {"known": 1, "error": 1, "inconclusive": 1}
        if name == "new":
            one["results"] = one["results"][1:]
            one["totals"]["known"] = 0
        found.append(reader.load(write(folder / f"{next(_numbers)}" / name, one)))
    return found


EIGHT = st.lists(FOREIGN, min_size=8, max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(EIGHT)
def test_any_text_on_a_page_is_inert_in_every_form(tmp_path: Path, texts: list[str]) -> None:
    found = hostile(tmp_path, texts)
    page = html.render(found)
    check(page, set())
    assert is_inert(page)
    for text in (markdown.render(found), changes.markdown(compare(*found))):
        assert is_inert(text)
        for markup in ("</td>", "[a](", "@everyone", "`x`"):
            assert markup not in text
    assert is_inert(changes.text(compare(*found)))
    assert is_inert(badge.render(found))


def test_all_that_is_nasty_at_once_is_inert_on_a_page(tmp_path: Path) -> None:
    found = hostile(tmp_path, ["".join(NASTY)] * 8)
    check(html.render(found), set())
    assert is_inert(html.render(found))
    assert is_inert(markdown.render(found))


def test_a_flood_leaves_a_page_that_can_be_read(tmp_path: Path) -> None:
    found = hostile(tmp_path, ["x"] * 8, FLOOD)
    assert len(html.render(found)) < 700_000
    assert len(markdown.render(found)) < markdown.MAX_CHARACTERS
    shown = changes.text(compare(*found))
    assert max(map(len, shown.splitlines())) < 4_100


def test_what_rules_and_issues_say_between_backticks_is_code(tmp_path: Path) -> None:
    one = document({"a/b[stream]": {"args.json": "known"}})
    one["issues"]["an-issue"]["about"] = "Of `<b>` and `tool_calls`, `one is open."
    page = html.render([reader.load(write(tmp_path / "r.json", one))])
    assert "Of `&lt;b&gt;` and `tool_calls`, `one is open." in page
    one["issues"]["an-issue"]["about"] = "Of `<b>` and `tool_calls`."
    page = html.render([reader.load(write(tmp_path / "r.json", one))])
    assert "Of <code>&lt;b&gt;</code> and <code>tool_calls</code>." in page


@pytest.mark.parametrize(
    ("fault", "why", "said"),
    [
        ("server", "waited 60 s", "waited 60 s (the server's fault)"),
        ("unclear", "cut", "cut (the model's fault or the parser's)"),
        ("parser", None, "the parser's fault"),
        (None, "it was refused", "it was refused"),
        (None, None, None),
    ],
)
def test_a_reason_says_whose_fault_it_is(
    fault: str | None, why: str | None, said: str | None
) -> None:
    one: Any = json.loads(json.dumps({"fault": fault, "reason": why}))
    found = ItemResult(
        case="a/b",
        mode="stream",
        outcome=Outcome.ERROR,
        seconds=1.0,
        rules={},
        findings=(),
        wire=None,
        test=None,
        **one,
    )
    assert sampled.reason(found) == said
