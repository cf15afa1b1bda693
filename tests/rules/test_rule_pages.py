"""The pages of rules are what the rules say."""

from __future__ import annotations

import re

import pytest

from tools.rule_pages import FOLDER, pages

PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_a_rule_is_fresh(name: str) -> None:
    path = FOLDER / name
    assert path.exists(), f"docs/rules/{name} is not there: run python -m tools.rule_pages"
    assert path.read_text("utf-8") == PAGES[name], "run: python -m tools.rule_pages"


def test_no_page_is_of_a_rule_that_is_gone() -> None:
    stray = {path.name for path in FOLDER.iterdir()} - PAGES.keys()
    assert stray == set(), "run: python -m tools.rule_pages"


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", PAGES[name])
    for link in links:
        assert link.startswith("https://") or link in PAGES or (FOLDER / link).exists()
