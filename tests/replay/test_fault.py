"""An engine of ours does something wrong only if it is asked to in so many words."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.replay import fault
from conformance.replay.fault import KEY, Fault


def test_nothing_goes_wrong_unless_it_is_asked_for() -> None:
    for config in ({}, {"other": 1}, None):
        assert fault.read(config) is None


def test_it_goes_wrong_once_enough_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    struck: list[int] = []
    monkeypatch.setitem(fault.FAULTS, "dies", lambda: struck.append(1))
    asked = fault.read({KEY: {"name": "dies", "after": 3}})
    assert asked == Fault(name="dies", after=3)
    for said, times in ((0, 0), (2, 0), (3, 1), (5, 2)):
        asked.strike(said)
        assert len(struck) == times


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("dies", "is 'dies'; expected an object with name and after"),
        ({"name": "dies"}, "expected an object with name and after"),
        ({"name": "sings", "after": 1}, "name is 'sings'; allowed: dies, stalls, is-slow"),
        ({"name": "dies", "after": -1}, "after is -1; expected a whole number from 0"),
        ({"name": "dies", "after": True}, "after is True; expected"),
    ],
)
def test_what_cannot_be_done_is_refused(asked: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        fault.read({KEY: asked})
