"""The page of rules says what the code says."""

from pathlib import Path

from conformance.commands.lists import with_rules

PAGE = Path(__file__).parents[1] / "docs/rules/README.md"


def test_the_table_of_rules_is_fresh() -> None:
    page = PAGE.read_text("utf-8")

    assert with_rules(page) == page, "run: make docs"
