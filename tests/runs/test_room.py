"""What a run holds at once: how much is under way, what waits, and what is let go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from conformance.base.sse import Read
from conformance.client.sender import Asker
from conformance.runs.room import CASE, Room, weight
from conformance.runs.session import Session
from conformance.terms.case import COMPLETE, STREAM
from conformance.terms.exchange import Exchange
from conformance.verdicts.item import Item
from conformance.verdicts.known_issues import Known
from tests.runs.test_emissions import SERVER, Fluent
from tests.sampling import CASES

ANSWER = Exchange(request={}, status=200, reads=(Read(0.0, b"x" * 100),))
FULL = weight(ANSWER)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def played(room: Room, cases: list[str], then: Callable[[list[str]], Awaitable[None]]) -> None:
    """Ask for each case at once; `then` sees which have asked and been read, in order."""
    came: list[str] = []

    async def ask(case: str) -> None:
        CASE.set(case)
        async with room.asking():
            came.append(f"ask {case}")
            await asyncio.sleep(0)
            await room.hold(ANSWER)
            came.append(f"read {case}")

    async def all_of_them() -> None:
        tasks = [asyncio.ensure_future(ask(case)) for case in cases]
        await settle()
        await then(came)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(all_of_them())


def test_asking_is_held_back_while_too_much_waits_to_be_judged() -> None:
    room = Room(at_once=1, ceiling=2 * FULL)

    async def then(came: list[str]) -> None:
        assert came == ["ask a", "read a", "ask b", "read b"]
        room.drop("a")
        await settle()
        assert came[4:] == ["ask c", "read c"]

    played(room, ["a", "b", "c", "d"], then)


def test_an_answer_that_came_when_there_is_no_room_is_not_read_yet() -> None:
    room = Room(at_once=3, ceiling=FULL)

    async def then(came: list[str]) -> None:
        assert came == ["ask a", "ask b", "ask c", "read a"]
        room.drop("a")
        await settle()
        assert came[4:] == ["read b"]

    played(room, ["a", "b", "c", "d"], then)


def test_what_is_judged_next_goes_first_and_has_room_in_any_case() -> None:
    room = Room(at_once=2, ceiling=FULL)

    async def then(came: list[str]) -> None:
        assert came == ["ask a", "ask b", "read a"]
        room.hurry("d")
        await settle()
        assert came[3:] == ["ask d", "read d"]

    played(room, ["a", "b", "c", "d"], then)


def test_a_request_that_is_broken_off_gives_its_turn_back() -> None:
    room = Room(at_once=1)

    async def ask() -> None:
        async with room.asking():
            await asyncio.Event().wait()

    async def both() -> None:
        under_way, waiting = (asyncio.ensure_future(ask()) for _ in range(2))
        await settle()
        waiting.cancel()
        under_way.cancel()
        await settle()
        async with asyncio.timeout(5), room.asking():
            pass

    asyncio.run(both())


def test_short_lines_weigh_more_and_what_is_not_read_weighs_its_bytes() -> None:
    lines = replace(ANSWER, reads=(Read(0.0, b"\n" * 100),))
    assert weight(lines) > 10 * weight(ANSWER)
    assert weight(replace(lines, error="cut")) < 300


class Counting(Fluent):
    """Says good night, and counts how often."""

    def __init__(self) -> None:
        self.sent = 0

    async def send(self, path: str, body: Any) -> Exchange:
        self.sent += 1
        return await super().send(path, body)


def test_the_answers_to_a_case_are_kept_until_its_last_item_is_judged() -> None:
    sender = Counting()
    session = Session(SERVER, known=Known(), asker=Asker(sender))
    first, second = (Item(case=CASES[0], mode=mode) for mode in (COMPLETE, STREAM))
    try:
        session.ask_ahead([first, second])
        session.judge(first)
        assert session.holds == {CASES[0].id}
        session.judge(second)
        assert session.holds == set()
        assert sender.sent == 2
    finally:
        session.close()
