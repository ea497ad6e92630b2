"""Passing answers where things end: the program in the middle of a commit, the database beside one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from bot.storage.inbox import Inbox

from .flow import flowing, incoming, pressed
from .test_passing import says, says_and_fails, texts
from .world import until


async def test_what_is_committed_as_the_program_stops_is_said(path: Path) -> None:
    """The router was told to stop while its units were being committed; whoever says things stops after it."""
    async with flowing(path, says, started=False) as flow:
        begun, go = asyncio.Event(), asyncio.Event()
        write = flow.engine.store.write

        async def held(unit: Callable[[Any], Any]) -> Any:
            begun.set()
            await go.wait()
            return await write(unit)

        await flow.door.accept([incoming(1, pressed(1))])
        flow.engine.store.write = held  # type: ignore[method-assign]
        routing = asyncio.create_task(flow.router.run())
        flow.engine.tasks.append(asyncio.create_task(flow.voice.run()))
        async with asyncio.timeout(30):
            await begun.wait()
        routing.cancel()
        await asyncio.sleep(0)
        go.set()
        await asyncio.wait([routing])
        await flow.engine.stop()
        assert texts(flow.engine.platform) == ["1"]
        assert await flow.counts() == {"done": 1}


async def test_what_is_committed_is_said_though_a_failure_beside_it_cannot_be_written_down(path: Path) -> None:
    async with flowing(path, says_and_fails, started=False) as flow:
        await flow.door.accept([incoming(number, pressed(number)) for number in (1, 2)])
        flow.engine.store.committed = lambda _: setattr(flow.engine.store, "full", True)
        flow.engine.tasks += [asyncio.create_task(one.run()) for one in (flow.router, flow.voice)]

        async def said() -> bool:
            return texts(flow.engine.platform) == ["2"]

        await until(said)
        assert await flow.counts() == {"done": 1, "new": 1}


async def test_a_unit_that_a_server_begins_again_says_everything_once(path: Path) -> None:
    """PostgreSQL runs the same unit as often as others are in its way."""
    async with flowing(path, says, started=False) as flow:
        store = flow.engine.store
        await flow.door.accept([incoming(1, pressed(1))])
        (row,) = await store.read(lambda connection: Inbox(connection).new([], 1, None))
        unit = flow.router._unit(row, pressed(1), frozenset(), None, flow.engine.clock.at)

        def taken_back(connection: Connection) -> None:
            assert len(unit(connection)) == 1
            raise ValueError("another transaction was in the way")

        with pytest.raises(ValueError, match="in the way"):
            await store.write(taken_back)
        assert len(await store.write(unit)) == 1
        assert await store.write(unit) == []  # it is done
