"""The page in a real browser; skipped where there is none, so no CI turns red for want of one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.report import html
from tests.browser import Browser, browser, installed
from tests.report.test_html import hostile
from tools import golden

PROGRAM = installed()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="no chromium here: the page was not driven"),
]
WIDTHS = {"phone": 390, "laptop": 1280, "wide": 1920}
TAB, ENTER = ("Tab", 9), ("Enter", 13)


@pytest.fixture(scope="module")
def driven() -> Iterator[Browser]:
    assert PROGRAM is not None
    with browser(PROGRAM) as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    path = folder / "page.html"
    path.write_text(html.render(golden.runs(folder)), "utf-8")
    return path


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_every_screen(driven: Browser, page: Path, width: str, dark: bool) -> None:
    driven.size(WIDTHS[width], phone=width == "phone")
    driven.media(dark=dark)
    driven.open(page)
    driven.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert driven.ask("document.documentElement.scrollWidth") <= WIDTHS[width]
    back = driven.ask("getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(15, 19, 24)" if dark else "rgb(255, 255, 255)")


def test_a_cell_opens_the_items_that_it_counts(driven: Browser, page: Path) -> None:
    driven.size(1280)
    driven.open(page)
    assert driven.ask("document.querySelectorAll('.target')[0].checkVisibility()") is False
    driven.ask("document.querySelector('td.fail a').click()")
    assert driven.ask("document.querySelector(':target').checkVisibility()") is True
    driven.ask("document.querySelector(':target .places a').click()")
    shown = driven.ask("document.querySelector(':target').innerText")
    assert driven.ask("document.querySelector(':target').checkVisibility()") is True
    for words in ("The model said", "<tool_call>", "chunk 3 ◀ here", "pytest 'cases/"):
        assert words in shown


def test_every_link_in_the_page_leads_to_something_that_shows(driven: Browser, page: Path) -> None:
    links = sorted(set(re.findall(r'href="(#[^"]+)"', page.read_text("utf-8"))))
    assert len(links) > 5
    for link in links:
        driven.open(page, link)
        assert driven.ask("document.querySelector(':target').checkVisibility()") is True, link


def test_the_keyboard_reaches_the_rules_first_and_opens_a_cell(driven: Browser, page: Path) -> None:
    driven.size(1280)
    driven.open(page)
    driven.press(*TAB)
    assert driven.ask("document.activeElement.textContent") == "Skip to the rules"
    assert driven.ask("document.activeElement.getBoundingClientRect().left >= 0") is True
    assert driven.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    driven.press(*ENTER)
    assert driven.ask("location.hash") == "#rules"
    for _ in range(4):
        driven.press(*TAB)
        if driven.ask("document.activeElement.closest('td') !== null"):
            break
    driven.press(*ENTER)
    assert driven.ask("document.querySelector(':target').className") == "target"


def test_a_screen_reader_finds_tables_headings_and_regions(driven: Browser, page: Path) -> None:
    driven.open(page)
    driven("Accessibility.enable")
    nodes = driven("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in nodes if not node["ignored"]]
    driven("Accessibility.disable")
    for role in ("banner", "main", "contentinfo", "table", "columnheader", "rowheader", "heading"):
        assert role in roles
    named = [
        node["name"]["value"]
        for node in nodes
        if not node["ignored"] and node["role"]["value"] == "table"
    ]
    assert named
    assert all(named)


def test_nothing_that_a_server_says_is_obeyed_or_fetched(driven: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(html.render([hostile(tmp_path)]), "utf-8")
    del driven.problems[:], driven.requests[:]
    driven.open(path)
    driven.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert driven.ask("document.title").startswith("Tool-call conformance: ")
    assert driven.ask("document.querySelectorAll('script, img').length") == 0
    assert driven.requests == [path.as_uri()]
    assert driven.problems == []
    assert driven.ask("document.documentElement.scrollWidth <= innerWidth") is True
    assert "\\u202e" in driven.ask("document.body.innerText")


def test_the_policy_would_stop_a_script_that_got_in(
    driven: Browser, page: Path, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    evil = "<script>document.title='owned'</script></body>"
    path.write_text(page.read_text("utf-8").replace("</body>", evil), "utf-8")
    driven.open(path)
    assert driven.ask("document.title").startswith("Tool-call conformance: ")
    del driven.problems[:]


def test_paper_needs_no_colour(driven: Browser, page: Path) -> None:
    driven.media(type="print")
    driven.open(page)
    cells = driven.ask(
        "[...new Set([...document.querySelectorAll('td[class]')].map(one => "
        "getComputedStyle(one).color + getComputedStyle(one).backgroundColor))].sort()"
    )
    driven.media()
    assert cells == ["rgb(0, 0, 0)rgba(0, 0, 0, 0)"]
