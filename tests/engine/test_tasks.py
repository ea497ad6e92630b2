"""Tasks that belong together."""

from __future__ import annotations

import asyncio

import pytest

from bot.engine.tasks import stop_all, wait_all

from .world import DEADLINE


async def test_all_are_waited_for() -> None:
    go = asyncio.Event()

    async def first() -> None:
        go.set()

    async def second() -> None:
        await go.wait()

    tasks = [asyncio.create_task(second()), asyncio.create_task(first())]
    async with asyncio.timeout(DEADLINE):
        await wait_all(tasks)
    assert all(task.done() for task in tasks)


async def test_the_first_fault_is_raised_while_others_go_on() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    async def failing() -> None:
        raise OSError("broken")

    going = asyncio.create_task(forever())
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(OSError, match="broken"):
            await wait_all([going, asyncio.create_task(failing())])
    assert not going.done()
    await stop_all([going])
    assert going.cancelled()


async def test_whoever_waits_can_go_away_and_nothing_is_stopped() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    going = asyncio.create_task(forever())
    waiting = asyncio.create_task(wait_all([going]))
    await asyncio.sleep(0)
    await stop_all([waiting])
    assert waiting.cancelled()
    assert not going.done()
    await stop_all([going])


async def test_all_are_stopped_and_may_end_their_work() -> None:
    ended: list[int] = []

    async def careful(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(number)

    tasks = [asyncio.create_task(careful(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    await stop_all(tasks)
    assert ended == [1, 2]
    await stop_all([])
