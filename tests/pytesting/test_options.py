"""Options whose default depends on what is tested."""

from __future__ import annotations

import pytest

from conformance.pytesting import option_reader

pytest_plugins = ["pytester"]


@pytest.mark.parametrize(
    ("words", "concurrency", "room"),
    [
        (["--launch", "hermes"], 32, 1024),
        (["--launch", "smollm2"], 16, 256),
        (["--launch", "smollm2", "--concurrency", "7", "--max-tokens", "8"], 7, 8),
        (["--reference", "--parser", "hermes"], 32, 1024),
    ],
)
def test_a_real_model_on_a_cpu_is_asked_a_few_things_at_once_for_short_answers(
    pytester: pytest.Pytester, words: list[str], concurrency: int, room: int
) -> None:
    found = option_reader.read(pytester.parseconfig("-p", "conformance.plugin", *words))
    assert found is not None
    assert (found.concurrency, found.room) == (concurrency, room)
    assert ("--max-tokens=8" in found.repeat) == (room == 8)
