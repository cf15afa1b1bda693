from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from conformance.casefiles.modes import CUTS, DEFAULT, LONG, THOROUGH, named, of_case, of_server
from conformance.terms.asked import Options
from conformance.terms.case import CHARACTERS, COMPLETE, PROMPT, STREAM, Case, Echo, Mode
from conformance.terms.said import Text
from tests.evidence import SCRIPTED

SERVER = replace(SCRIPTED, takes_interval=True, takes_steps=True, render_path="/tokenize")
CASE = Case(id="a/b", about="x", path=Path("a.yaml"), line=1, messages=())
STOP = Mode(name="stream-stop-8", stream=True, stop=8)


def names(*found: Mode) -> list[str]:
    return [mode.name for mode in found]


def test_a_scripted_server_is_asked_at_several_cuts() -> None:
    plain = ["complete", "stream", "stream-characters"]
    assert names(*of_server(SERVER)) == [*plain, "stream-interval-5", "stream-interval-1000"]
    assert names(*of_server(replace(SERVER, takes_interval=False))) == names(*of_server(SERVER))
    fields = replace(SERVER, takes_steps=False)
    assert names(*of_server(fields)) == names(*of_server(SERVER))
    assert names(*of_server(replace(fields, takes_interval=False))) == plain


def test_a_thorough_run_has_every_mode_of_a_default_one_and_each_once() -> None:
    found = of_server(SERVER, "thorough")
    assert set(DEFAULT) < set(found)
    assert len(set(names(*found))) == len(found)
    assert {mode.interval for mode in found} >= {*range(1, 17), 1000}
    assert {mode.stop for mode in found} >= set(range(1, 17))
    assert {mode.steps for mode in found} >= set(range(1, 5))
    others = of_server(replace(SERVER, takes_steps=False), "thorough")
    assert {mode for mode in found if mode.steps} == {*found} - {*others}


@pytest.mark.parametrize("mode", [*THOROUGH, PROMPT], ids=lambda mode: mode.name)
def test_a_mode_is_read_from_its_name(mode: Mode) -> None:
    assert named(mode.name) == mode


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("complete", COMPLETE),
        ("stream", STREAM),
        ("stream-characters", CHARACTERS),
        ("stream-stop-8", STOP),
        ("stream-pieces-7", Mode(name="stream-pieces-7", stream=True, cut="pieces:7")),
        ("stream-steps-7", Mode(name="stream-steps-7", stream=True, steps=7)),
        ("stream-drafts-3", Mode(name="stream-drafts-3", stream=True, drafts=3)),
        (
            "stream-characters-interval-3-stop-2",
            Mode(
                name="stream-characters-interval-3-stop-2",
                stream=True,
                cut="characters",
                interval=3,
                stop=2,
            ),
        ),
    ],
)
def test_the_parts_of_a_name_are_the_parts_of_a_mode(name: str, mode: Mode) -> None:
    assert named(name) == mode


@pytest.mark.parametrize(
    "name",
    [
        *("", "streams", "stream-", "stream-stop-0", "stream-stop-1-pieces-1"),
        *("stream-drafts-4", "stream-steps-1-drafts-3"),
    ],
)
def test_a_name_that_is_no_mode_is_read_as_none(name: str) -> None:
    assert named(name) is None


def test_a_case_adds_modes_of_its_own_once() -> None:
    case = replace(CASE, modes=(PROMPT, STOP, STREAM))
    assert of_case(case, (COMPLETE, STREAM), SERVER) == [COMPLETE, STREAM, PROMPT, STOP]


def test_a_stop_string_of_the_case_leaves_no_room_for_another() -> None:
    case = replace(CASE, modes=(STOP,), options=Options(stop="x"))
    assert of_case(case, (COMPLETE,), SERVER) == [COMPLETE]


def test_a_long_answer_is_cut_in_the_default_ways_and_its_own_alone() -> None:
    short, long = (
        replace(CASE, says=(Text(text=" " * size),), modes=(PROMPT,)) for size in (LONG, LONG + 1)
    )
    assert of_case(short, THOROUGH, SERVER) == [*THOROUGH, PROMPT]
    assert of_case(long, THOROUGH, SERVER) == [*DEFAULT, PROMPT]


def test_an_answer_that_is_sent_back_is_asked_complete_and_streamed_only() -> None:
    case = replace(CASE, echo=Echo(results=(), says=()), modes=(STOP,))
    assert of_case(case, THOROUGH, SERVER) == [COMPLETE, STREAM]


@pytest.mark.parametrize("cuts", CUTS)
def test_a_server_that_speculates_is_asked_so_in_any_run_and_no_other_is(cuts: str) -> None:
    more = ["stream-drafts-3", "stream-characters-drafts-3"]
    speculating = of_server(replace(SERVER, takes_drafts=True), cuts)
    assert names(*speculating) == [*names(*of_server(SERVER, cuts)), *more]
    case = replace(CASE, modes=tuple(mode for mode in speculating if mode.drafts))
    assert of_case(case, (STREAM,), SERVER) == [STREAM]
    long = replace(CASE, says=(Text(text=" " * (LONG + 1)),))
    asked = of_case(long, speculating, replace(SERVER, takes_drafts=True))
    assert names(*asked) == [*names(*DEFAULT), *more]


def test_a_server_without_intervals_is_asked_for_none() -> None:
    interval = Mode(name="stream-interval-5", stream=True, interval=5)
    case = replace(CASE, modes=(interval,))
    assert of_case(case, (COMPLETE,), SERVER) == [COMPLETE, interval]
    plain = replace(SERVER, takes_interval=False, takes_steps=False)
    assert of_case(case, (COMPLETE,), plain) == [COMPLETE]
