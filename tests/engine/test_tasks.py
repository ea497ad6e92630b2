"""Tasks that belong together."""

from __future__ import annotations

import asyncio

import pytest

from bot.engine import tasks as module
from bot.engine.tasks import completed, stop_all, wait_all

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


async def test_who_is_being_stopped_is_only_waited_for() -> None:
    """A second cancellation would cut short what it does at its end."""
    go, ended = asyncio.Event(), asyncio.Event()

    async def careful() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await go.wait()
            ended.set()

    task = asyncio.create_task(careful())
    await asyncio.sleep(0)
    await stop_all([task], 0.001)
    assert not task.done()
    go.set()
    await stop_all([task])
    assert ended.is_set()


async def test_what_is_a_whole_is_completed_by_whoever_is_cancelled() -> None:
    go = asyncio.Event()
    done: list[str] = []

    async def whole() -> str:
        await go.wait()
        done.append("second half")
        return "all"

    doing = asyncio.create_task(completed(whole()))
    await asyncio.sleep(0)
    doing.cancel()
    await asyncio.sleep(0)
    go.set()
    await asyncio.wait([doing])
    assert doing.cancelled()
    assert done == ["second half"]
    assert await completed(whole()) == "all"


async def test_nobody_waits_for_ever_for_what_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_SECONDS", 0.01)
    left: list[asyncio.Task[None] | None] = []

    async def whole() -> None:
        left.append(asyncio.current_task())
        await asyncio.Event().wait()

    doing = asyncio.create_task(completed(whole()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await stop_all([doing])
    assert doing.cancelled()
    assert left[0] is not None
    assert left[0].cancelled()
