"""The reconciler: asks a platform for what may have arrived, once nothing of the request can land any more."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Generic, TypeVar

from sqlalchemy import Connection

from bot.chat.ports import Finds, NotSent, Platform, Refused, SendError, Sought, StoreUnavailable, Unclear
from bot.domain.failpoints import Point, reach
from bot.engine.core import Core, keep_going
from bot.engine.settling import Settling
from bot.storage.outbox import Delivery

C = TypeVar("C")
AT_ONCE = 4
"""Look-ups of one platform at the same time."""
WINDOW = 64
"""Rows that are kept an eye on; the others are due later."""

log = logging.getLogger("herald.outbox")


class Reconciler(Generic[C]):
    """Looks up the uncertain deliveries of one platform.

    When a row is due stands in the table. From the moment that it is seen its time runs by the monotonic clock: a wall
    clock that jumps makes no look-up early.
    """

    def __init__(self, core: Core[C], platform: Platform, settling: Settling[C]) -> None:
        self._core = core
        self._store = core.store
        self._clock = core.clock
        self._platform = platform
        self._settling = settling
        self._due: dict[tuple[int, int, int], float] = {}
        self._pause_until = 0.0
        self._woken = asyncio.Event()
        core.store.listen("outbox", self._woken.set)

    async def run(self) -> None:
        """Look up until cancelled."""
        await keep_going(self._turn, "look-ups")

    async def _turn(self) -> None:
        self._woken.clear()
        name = self._platform.name
        rows = await self._store.read(lambda connection: self._core.work(connection).doubts.sought(name, WINDOW))
        now = self._clock.monotonic()
        self._due = {_mark(row): self._due.get(_mark(row), now + self._wait(row)) for row in rows}
        ready = [row for row in rows if max(self._due[_mark(row)], self._pause_until) <= now][:AT_ONCE]
        if ready:
            async with asyncio.TaskGroup() as group:
                for row in ready:
                    group.create_task(self._look(row))
        else:
            await self._sleep(now)

    def _wait(self, row: Delivery) -> float:
        return max(0.0, (row.look_at or 0.0) - self._clock.now())

    async def _sleep(self, now: float) -> None:
        waits = [max(due, self._pause_until) - now for due in self._due.values()]
        with suppress(TimeoutError):
            async with asyncio.timeout(min([self._clock.patience, *(max(0.005, wait) for wait in waits)])):
                await self._woken.wait()

    async def _look(self, row: Delivery) -> None:
        try:
            counted = await self._store.write(lambda connection: self._count(connection, row))
            if counted is None:
                return
            looking, sought = counted
            reach(Point.RECONCILE_DUE)
            outcome = await self._find(sought)
            reach(Point.RECONCILE_LOOKED)
            await self._keep(looking, outcome)
            reach(Point.RECONCILE_SETTLED)
        except StoreUnavailable as error:  # the row is as it was, or is looked up again when its time comes
            log.warning("the store cannot be used, a look-up waits: %s", error)
            self._pause_until = self._clock.monotonic() + 1

    def _count(self, connection: Connection, row: Delivery) -> tuple[Delivery, Sought | None] | None:
        """Note the look-up before it is made. None: somebody else makes it, or it is settled."""
        work = self._core.work(connection)
        sought = self._settling.sought(work, row)
        looking = work.doubts.look(row, work.now + 2 * self._settling.deadlines.quiet)
        return None if looking is None else (looking, sought)

    async def _find(self, sought: Sought | None) -> str | SendError | None:
        """Where it is, None if it is surely not there, or why that cannot be told."""
        platform: object = self._platform
        if sought is None or not isinstance(platform, Finds):
            return Refused("it cannot be looked up")
        try:
            async with asyncio.timeout(self._settling.deadlines.quiet):
                return await platform.find(sought)
        except TimeoutError:
            return Unclear("no answer in time")
        except SendError as error:
            return error
        except Exception as error:
            log.exception("look-up of delivery %s", sought.key)
            return Unclear(type(error).__name__)

    async def _keep(self, row: Delivery, outcome: str | SendError | None) -> None:
        if isinstance(outcome, SendError):
            log.warning("delivery %d cannot be looked up: %s %s", row.id, type(outcome).__name__, outcome)
            if isinstance(outcome, NotSent) and outcome.retry_after:
                self._pause_until = self._clock.monotonic() + outcome.retry_after
        else:
            log.info("delivery %d is %s", row.id, "not there" if outcome is None else "there")

        def unit(connection: Connection) -> None:
            work = self._core.work(connection)
            if isinstance(outcome, SendError):
                self._settling.not_looked_up(work, row, outcome)
            else:
                self._settling.looked_up(work, row, outcome)

        await self._store.write(unit)


def _mark(row: Delivery) -> tuple[int, int, int]:
    return row.id, row.token, row.looks
