"""Look-ups where several processes could make them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from .test_reconciler import GRACE, LOST, LOST_REPLY, QUIET, S, looking
from .world import Finder, HeldLook, make_engine, until


async def test_a_suspended_looker_changes_nothing_once_another_has_looked(path: Path) -> None:
    """What it saw is old: meanwhile the message was sent again, and its outcome is unknown again."""
    platform = Finder()
    first = await make_engine(path, platform=platform)
    held = HeldLook()
    platform.looks.append(held)
    platform.fates.extend([LOST, LOST_REPLY])
    first.start()
    row = await first.order()
    await first.until(row, S.UNCERTAIN)
    first.clock.at += QUIET
    async with asyncio.timeout(30):
        await held.arrived.wait()
    await first.store.halt()
    second = await make_engine(path, platform=platform, clock=first.clock)
    second.start()
    first.clock.at = (await second.row(row)).look_at or 0

    async def once_absent() -> bool:
        return "first look" in (await second.row(row)).error

    await until(once_absent)
    first.clock.at += GRACE
    waiting = await second.until(row, S.PENDING)
    second.clock.at = waiting.due_at
    await second.until(row, S.UNCERTAIN)
    before = await second.row(row)
    held.go.set()  # "it is not there", from long ago
    first.store.resume()

    async def answered() -> bool:
        return not looking()

    await until(answered)
    assert (await second.row(row)) == before
    second.clock.at += QUIET
    await second.until(row, S.SENT)
    assert len(platform.done) == 1
    for engine in (first, second):
        await engine.stop()
        await engine.store.close()


async def test_two_processes_look_only_once(path: Path) -> None:
    platform = Finder()
    first = await make_engine(path, platform=platform)
    second = await make_engine(path, platform=platform, clock=first.clock)
    platform.fates.append(LOST_REPLY)
    first.start()
    row = await first.order()
    await first.until(row, S.UNCERTAIN)
    second.start()
    first.clock.at += QUIET
    await first.until(row, S.SENT)
    assert len(platform.sought) == 1
    for engine in (first, second):
        await engine.stop()
        await engine.store.close()
