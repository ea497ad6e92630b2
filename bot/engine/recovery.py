"""What dead workers left behind: taken up at the start of a single process, and by watching where there are several."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from sqlalchemy import Connection

from bot.domain.delivery import DeliveryState
from bot.domain.failpoints import Point, reach
from bot.engine.core import Core, keep_going
from bot.engine.settling import Settling
from bot.storage.outbox import Delivery
from bot.storage.work import Work

C = TypeVar("C")
DIED = "the process ended while sending"
LOOKS_PER_LEASE = 4
"""How often a lease's time is looked after: what was left is taken up at most a quarter of it too late."""

log = logging.getLogger("herald.outbox")


async def recover(core: Core[C], settling: Settling[C]) -> None:
    """Before the first claim of a single process: every row in `sending` was left by one that died.

    What must not be sent twice becomes uncertain; the rest is sent again.
    """

    def unit(connection: Connection) -> None:
        work = core.work(connection)
        reach(Point.RECOVERING)
        work.doubts.free_claims()
        for row in work.doubts.orphans():
            settling.left(work, row, DIED)
        reach(Point.RECOVER_SETTLED)

    await core.store.write(unit)
    reach(Point.RECOVERED)


class Reaper(Generic[C]):
    """Takes up what other workers left: rows that nobody has touched for a whole lease, by this process's own clock.

    `monotonic` counts suspended time too. `mine` are the rows that this process itself is still busy with.
    """

    def __init__(
        self,
        core: Core[C],
        platforms: Collection[str],
        settling: Settling[C],
        mine: Callable[[], Collection[int]],
    ) -> None:
        self._core = core
        self._platforms = tuple(platforms)
        self._settling = settling
        self._mine = mine
        self._watched: dict[tuple[int, int], float] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        await keep_going(self._turn, "deliveries that were left")

    async def _turn(self) -> None:
        await self.look()
        await asyncio.sleep(min(self._core.clock.patience, self._settling.deadlines.lease / LOOKS_PER_LEASE))

    async def look(self) -> None:
        """Take up what has not changed for a lease."""
        rows = await self._core.store.read(lambda connection: self._core.work(connection).doubts.held(self._platforms))
        now = self._core.clock.monotonic()
        mine = set(self._mine())
        # Known by its token: a row that was claimed again is another claim, and its time begins anew.
        self._watched = {(r.id, r.token): self._watched.get((r.id, r.token), now) for r in rows if r.id not in mine}
        lease = self._settling.deadlines.lease
        left = [row for row in rows if now - self._watched.get((row.id, row.token), now) >= lease]
        if left:
            log.warning("%d deliveries were left by a worker that is gone or stuck", len(left))
            await self._core.store.write(lambda connection: self._take_up(self._core.work(connection), left))

    def _take_up(self, work: Work, rows: list[Delivery]) -> None:
        for row in rows:
            if row.state is DeliveryState.CLAIMED:
                work.outbox.release(row, row.due_at)
            else:
                self._settling.left(work, row, DIED)
