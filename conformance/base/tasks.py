"""How the tasks of an event loop end before they are done."""

from __future__ import annotations

import asyncio
import inspect


async def break_off() -> None:
    """Cancel every other task of the running loop, and wait until none is left.

    A task that has not begun is let begin first. anyio's tasks each await a coroutine of another;
    cancelled before its first step, such a task ends and never awaits it, and Python warns of that.
    """
    while under_way := asyncio.all_tasks() - {asyncio.current_task()}:
        begun = [task for task in under_way if _has_begun(task)]
        for task in begun:
            task.cancel()
        if len(begun) == len(under_way):
            await asyncio.gather(*under_way, return_exceptions=True)
        else:
            await asyncio.sleep(0)


def _has_begun(task: asyncio.Task[object]) -> bool:
    coroutine = task.get_coro()
    return not (
        inspect.iscoroutine(coroutine)
        and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
    )
