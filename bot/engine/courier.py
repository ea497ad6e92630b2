"""The courier: takes what is due from the outbox to one platform, and writes down what is known afterwards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from sqlalchemy import Connection

from bot.chat.ports import NotSent, Platform, Refused, ReportsLimits, SendError, StoreUnavailable, Unclear
from bot.domain.failpoints import Point, reach
from bot.engine.acting import perform
from bot.engine.claiming import SENDERS, Begun, Claims
from bot.engine.core import Core, keep_going
from bot.engine.limiter import Limiter
from bot.engine.schedule import Candidate
from bot.engine.sealing import without_words
from bot.engine.settling import Settling
from bot.storage.blocks import Block
from bot.storage.outbox import Delivery
from bot.storage.work import Work

C = TypeVar("C")
BLOCKS_SECONDS = 1.0
"""How often it is looked for what other processes were told to wait for."""
COALESCE = 0.002
"""Seconds that a finished delivery waits for others before more rows are claimed."""
DRAIN_SECONDS = 6.0
"""How long what is being sent may take when the program stops, which has ten seconds in all."""

log = logging.getLogger("herald.outbox")


class Courier(Generic[C]):
    """Delivers for one platform. `held` names the kind of row that must wait now, or is empty."""

    def __init__(
        self,
        core: Core[C],
        platform: Platform,
        limiter: Limiter,
        settling: Settling[C],
        held: Callable[[Work], str],
    ) -> None:
        self._core = core
        self._store = core.store
        self._clock = core.clock
        self._platform = platform
        self._limiter = limiter
        self._settling = settling
        self._claims = Claims(core, platform.name, limiter, settling, held)
        self._woken = asyncio.Event()
        self._running: dict[asyncio.Task[None], int] = {}
        self._blocks_read = -BLOCKS_SECONDS
        core.store.listen("outbox", self._woken.set)
        reports: object = platform
        if isinstance(reports, ReportsLimits):
            reports.on_limits(limiter.seen)

    def busy(self) -> list[int]:
        """The rows that are being sent, or whose outcome waits to be written."""
        return list(self._running.values())

    async def run(self) -> None:
        """Deliver until cancelled; what is being sent then has its deadline to finish."""
        try:
            await keep_going(self._turn, "messages")
        finally:
            await self._drain()

    async def _turn(self) -> None:
        self._woken.clear()
        free = SENDERS - len(self._running)
        if free <= 0:
            await self._woken.wait()
            return
        await self._obey_others()
        await self._limiter.share()
        expires = self._clock.monotonic() + self._settling.deadlines.lease
        begun = await self._claim(free)
        for one in begun:
            task = asyncio.create_task(self._deliver(one, expires))
            self._running[task] = one.row.id
            task.add_done_callback(self._finished)
        if not begun:
            await self._sleep()

    async def _obey_others(self) -> None:
        """What was told before a restart, or to another process, holds for us too."""
        now = self._clock.monotonic()
        if now - self._blocks_read >= BLOCKS_SECONDS:
            self._blocks_read = now
            name = self._platform.name
            self._limiter.load(await self._store.read(lambda connection: _blocks(self._core.work(connection), name)))

    # ---- claiming

    async def _claim(self, free: int) -> list[Begun]:
        """Rows that are to be sent now. Stopped meanwhile, it puts them back: nothing of them was sent."""
        chosen: list[Candidate] = []
        writing = asyncio.ensure_future(
            self._store.write(lambda connection: self._claims.begin(connection, free, chosen))
        )
        begun: list[Begun] = []
        try:
            begun = await asyncio.shield(writing)
        except asyncio.CancelledError:
            with suppress(StoreUnavailable):
                rows = [one.row for one in await writing]
                await self._store.write(lambda connection: self._claims.put_back(connection, rows))
            raise
        finally:
            self._claims.unused(chosen, {one.row.id for one in begun})
        return begun

    def _finished(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        asyncio.get_running_loop().call_later(COALESCE, self._woken.set)
        if not task.cancelled() and (error := task.exception()):
            log.error("a delivery could not be recorded: %s", type(error).__name__, exc_info=error)

    async def _sleep(self) -> None:
        name = self._platform.name
        due = await self._store.read(lambda connection: self._core.work(connection).outbox.next_due(name))
        waits = [self._clock.patience, *(max(wait, 0.005) for wait in self._limiter.waits().values())]
        if due is not None:
            waits.append(max(due - self._clock.now(), 0.005))
        if (rest := self._limiter.rest()) is not None:
            waits.append(max(rest, 0.005))
        with suppress(TimeoutError):
            async with asyncio.timeout(min(waits)):
                await self._woken.wait()

    async def _drain(self) -> None:
        reach(Point.STOP_DRAINING)
        if self._running:
            await asyncio.wait(self._running, timeout=DRAIN_SECONDS)
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    # ---- one delivery

    async def _deliver(self, one: Begun, expires: float) -> None:
        row, deadlines = one.row, self._settling.deadlines
        admitted = await self._admitted(one)
        try:
            async with asyncio.timeout(deadlines.timeout):
                reach(Point.OUTBOX_REQUEST, row.kind)
                # Nothing is awaited between this look and the request: whoever was suspended must not send any more.
                late = not admitted or expires - self._clock.monotonic() < deadlines.timeout + deadlines.grace
                message_id = None if late else await perform(self._platform, one.act, row.key)
                reach(Point.OUTBOX_ANSWERED, row.kind)
        except asyncio.CancelledError:
            self._limiter.failed_transport(one.chosen)
            stopped = Unclear("stopped while sending")
            with suppress(StoreUnavailable):  # then the next start finds the row as it is
                await self._store.write(lambda connection: self._failed(connection, row, stopped, None))
            raise
        except TimeoutError:
            await self._record(one, Unclear("no answer in time"))
        except SendError as error:
            await self._record(one, error)
        except Exception as error:
            if self._core.registry.kinds[row.kind].private:
                # Without a trace: it would quote what must not be written down.
                log.error("delivery %d (%s): %s", row.id, row.kind, without_words(error))  # noqa: TRY400
            else:
                log.exception("delivery %d (%s)", row.id, row.kind)
            await self._record(one, Unclear(type(error).__name__))
        else:
            if message_id is None:
                self._limiter.unused(one.chosen)
                await self._keep(lambda connection: self._claims.put_back(connection, [row]))
                return
            self._limiter.went(one.chosen)
            await self._keep(lambda connection: self._confirm(connection, row, message_id))
            reach(Point.OUTBOX_CONFIRMED, row.kind)

    async def _admitted(self, one: Begun) -> bool:
        """Whether the request may be made now. Stopped while it waits for that, it is put back: nothing was sent."""
        try:
            return await self._limiter.admit(one.chosen)
        except asyncio.CancelledError:
            self._limiter.unused(one.chosen)
            with suppress(StoreUnavailable):
                await self._store.write(lambda connection: self._claims.put_back(connection, [one.row]))
            raise

    def _confirm(self, connection: Connection, row: Delivery, message_id: str) -> None:
        self._settling.confirmed(self._core.work(connection), row, message_id)
        reach(Point.OUTBOX_CONFIRMING, row.kind)

    async def _record(self, one: Begun, error: SendError) -> None:
        row = one.row
        log.warning("delivery %d (%s) to %s: %s %s", row.id, row.kind, row.to, type(error).__name__, error)
        block = self._learn(one.chosen, error)
        reach(Point.OUTBOX_FAILED, row.kind)
        await self._keep(lambda connection: self._failed(connection, row, error, block))
        reach(Point.OUTBOX_SETTLED, row.kind)

    def _learn(self, chosen: Candidate, error: SendError) -> Block | None:
        """Have the limiter know how it went; what is to be kept of that beyond a restart."""
        if isinstance(error, NotSent) and error.retry_after is not None:
            return self._limiter.told(chosen, error.retry_after, error.scope, str(error))
        if isinstance(error, Refused):
            self._limiter.refused(chosen)
        else:
            self._limiter.failed_transport(chosen)
        return None

    def _failed(self, connection: Connection, row: Delivery, error: SendError, block: Block | None) -> None:
        work = self._core.work(connection)
        self._settling.failed(work, row, error)
        if block is not None:
            work.blocks.forget(self._platform.name, work.now)
            work.blocks.keep(self._platform.name, block)

    async def _keep(self, unit: Callable[[Connection], None]) -> None:
        """What became of a delivery is known only here: it is written as soon as the store can be used again."""
        while True:
            try:
                return await self._store.write(unit)
            except StoreUnavailable as error:
                log.warning("the store cannot be used, an outcome waits to be written: %s", error)
                await asyncio.sleep(1)


def _blocks(work: Work, platform: str) -> list[Block]:
    return work.blocks.of(platform, work.now)
