import asyncio
import gc

import anyio

from conformance.base.tasks import break_off


async def _parent(ended: list[str]) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(_child, ended)
        await anyio.sleep_forever()


async def _child(ended: list[str]) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        ended.append("child")


def test_a_task_that_has_not_begun_begins_and_is_then_broken_off() -> None:
    ended: list[str] = []

    async def run() -> None:
        parent = asyncio.create_task(_parent(ended))
        await asyncio.sleep(0)  # the parent has begun, its child has not
        await break_off()
        assert parent.cancelled()

    asyncio.run(run())
    gc.collect()  # what was never awaited is warned of here, and warnings are errors
    assert ended == ["child"]


def test_tasks_that_others_begin_as_they_end_are_broken_off_too() -> None:
    ended: list[str] = []
    begun: list[asyncio.Task[None]] = []

    async def late() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("late")

    async def begins_another() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            begun.append(asyncio.create_task(late()))

    async def run() -> None:
        begun.append(asyncio.create_task(begins_another()))
        await asyncio.sleep(0)
        await break_off()

    asyncio.run(run())
    assert ended == ["late"]
