"""Options whose default depends on what is tested."""

from __future__ import annotations

import pytest

from conformance import options

pytest_plugins = ["pytester"]


@pytest.mark.parametrize(
    ("words", "concurrency"),
    [
        (["--launch", "hermes"], 32),
        (["--launch", "smollm2"], 4),
        (["--launch", "smollm2", "--concurrency", "7"], 7),
        (["--reference", "--parser", "hermes"], 32),
    ],
)
def test_a_real_model_on_a_cpu_is_asked_a_few_things_at_once(
    pytester: pytest.Pytester, words: list[str], concurrency: int
) -> None:
    found = options.read(pytester.parseconfig("-p", "conformance.plugin", *words))
    assert found is not None
    assert found.concurrency == concurrency
