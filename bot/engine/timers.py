"""What is due happens: rows, never sleeping tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

from sqlalchemy import Connection

from bot.chat.ports import StoreUnavailable
from bot.domain.failpoints import Point, reach
from bot.engine.core import EVERYTHING, Core, Parts, keep_going
from bot.storage.timers import Timer, Timers

C = TypeVar("C")
AT_ONCE = 32
LONGEST = 3600.0
"""Seconds between two tries of a timer that keeps failing."""

log = logging.getLogger("herald.timers")


class TimerLoop(Generic[C]):
    """Runs timers when they are due, several at once, each committed with its effects.

    Of several workers each runs those of its own parts. One that loses a part in the middle goes on with its timers:
    whoever ends a timer first has its effect, the other one's is dropped.
    """

    def __init__(self, core: Core[C], parts: Parts = EVERYTHING) -> None:
        self._core = core
        self._parts = parts
        self._store = core.store
        self._clock = core.clock
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        core.store.listen("timers", self._woken.set)
        parts.listen(self._woken.set)

    async def run(self) -> None:
        """Run timers until cancelled; those under way are taken up again after a restart."""
        try:
            await keep_going(self._turn, "timers")
        finally:
            tasks = list(self._busy.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _turn(self) -> None:
        self._woken.clear()
        now, busy, free = self._clock.now(), list(self._busy), AT_ONCE - len(self._busy)
        parts = self._parts.mine()

        def unit(connection: Connection) -> tuple[list[Timer], float | None]:
            timers = Timers(connection)
            return timers.due(now, busy, free, parts) if free else [], timers.next_due(busy, parts) if free else None

        due, after = await self._store.read(unit)
        for timer in due:
            task = asyncio.create_task(self._fire(timer))
            self._busy[timer.id] = task
            task.add_done_callback(partial(self._ended, timer.id))
        if not due:
            await self._sleep(after, now)

    def _ended(self, row: int, _: asyncio.Task[None]) -> None:
        self._busy.pop(row, None)
        self._woken.set()

    async def _sleep(self, due: float | None, now: float) -> None:
        wait = self._clock.patience
        if due is not None:
            wait = min(max(due - now, 0.005), wait)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._woken.wait()

    async def _fire(self, timer: Timer) -> None:
        try:
            reach(Point.TIMER_DUE, timer.kind)
            effect = await self._core.registry.timers[timer.kind](timer)
            reach(Point.TIMER_MADE, timer.kind)
            await self._store.write(lambda connection: self._end(connection, timer, effect))
            reach(Point.TIMER_COMMITTED, timer.kind)
        except StoreUnavailable:
            await asyncio.sleep(1)  # still due: the loop takes it up again
        except Exception:
            log.exception("timer %s %s", timer.kind, timer.key)
            due = self._clock.now() + min(2.0 ** min(timer.tries, 30), LONGEST)
            with suppress(StoreUnavailable):  # still due: the loop takes it up again
                await self._store.write(lambda connection: Timers(connection).later(timer, due))

    def _end(self, connection: Connection, timer: Timer, effect: Callable[[C], None]) -> None:
        work = self._core.work(connection)
        if work.timers.end(timer):  # otherwise it has happened elsewhere, or is to happen later
            effect(self._core.context(work))
