from __future__ import annotations

from conformance.base.suggest import MAX_LISTED, did_you_mean, listed


def test_names_are_listed_in_a_line() -> None:
    assert listed(["b", "a"]) == "b, a"
    assert listed([]) == "none"
    assert did_you_mean("hermess", ["mistral", "hermes"]) == (
        "did you mean 'hermes'? allowed: hermes, mistral"
    )


def test_thousands_of_names_are_counted_and_a_long_one_is_cut() -> None:
    models = [f"model-{number}-{'x' * 1000}" for number in range(5_000)]
    for shown in (listed(models), did_you_mean("model-1", models)):
        assert shown.endswith(f" and {5_000 - MAX_LISTED:,} more")
        assert len(shown) < 10_000


def test_a_hostile_name_stays_in_its_line() -> None:
    assert listed(["a\n::error::", "\x1b[2J"]) == "a\\n::error::, \\x1b[2J"
