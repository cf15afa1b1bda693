"""The README says what the code says."""

from pathlib import Path

from conformance.commands.lists import with_rules

README = Path(__file__).parents[1] / "README.md"


def test_the_table_of_rules_is_fresh() -> None:
    page = README.read_text("utf-8")

    assert with_rules(page) == page, "run: make docs"
