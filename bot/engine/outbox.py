"""The courier: takes what is due from the outbox to one platform, and writes down what is known afterwards."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Connection

from bot.chat.ports import Deletes, Notifies, NotSent, Platform, Refused, SendError, StoreUnavailable, Unclear
from bot.domain.delivery import MAX_TRIES, Deadlines, Step, next_try
from bot.domain.failpoints import Point, reach
from bot.engine.core import Core, keep_going
from bot.engine.limiter import Limiter
from bot.engine.registry import (
    Act,
    Change,
    Create,
    Doubtful,
    Kind,
    Lost,
    Nothing,
    Outcome,
    Remove,
    Sent,
    Tell,
)
from bot.storage.outbox import URGENT, Delivery, Outbox
from bot.storage.work import Work

C = TypeVar("C")
SENDERS = 64
"""Messages at once on one platform."""
COALESCE = 0.002
"""Seconds that a finished delivery waits for others before more rows are claimed."""
DRAIN_SECONDS = 6.0
"""How long what is being sent may take when the program stops, which has ten seconds in all."""
DIED = "the process ended while sending"

log = logging.getLogger("herald.outbox")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the courier works. `held` names the kind of row that must wait now, or is empty."""

    deadlines: Deadlines
    held: Callable[[Work], str]


class Courier(Generic[C]):
    """Delivers for one platform."""

    def __init__(self, core: Core[C], platform: Platform, limiter: Limiter, settings: Settings) -> None:
        self._core = core
        self._store = core.store
        self._clock = core.clock
        self._platform = platform
        self._limiter = limiter
        self._settings = settings
        self._woken = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        core.store.listen("outbox", self._woken.set)

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
        paced = list(self._limiter.paced())
        expires = self._clock.monotonic() + self._settings.deadlines.lease
        begun = await self._claim(free, paced)
        for row, act in begun:
            task = asyncio.create_task(self._deliver(row, act, expires))
            self._running.add(task)
            task.add_done_callback(self._finished)
        if not begun:
            await self._sleep(list(self._limiter.paced().values()))

    async def _claim(self, count: int, paced: list[str]) -> list[tuple[Delivery, Act]]:
        """Rows that are to be sent now. Stopped meanwhile, it puts them back: nothing of them was sent."""
        writing = asyncio.ensure_future(self._store.write(lambda connection: self._begin(connection, count, paced)))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            with suppress(StoreUnavailable):
                begun = await writing
                await self._store.write(lambda connection: self._put_back(connection, begun))
            raise

    def _put_back(self, connection: Connection, begun: list[tuple[Delivery, Act]]) -> None:
        outbox = self._core.work(connection).outbox
        for row, _ in begun:
            outbox.postpone(row, row.due_at, row.tries, row.error)

    def _begin(self, connection: Connection, count: int, paced: list[str]) -> list[tuple[Delivery, Act]]:
        """Claim what is due and may go, make its message, and write down that the requests are about to be made."""
        work = self._core.work(connection)
        held = self._settings.held(work)
        rows = work.outbox.claim(self._platform.name, self._settings.deadlines.lease, count, held, paced)
        reach(Point.OUTBOX_CLAIMED)
        # Urgent rows answer what a person just did: they never wait.
        going = []
        for row in rows:
            if row.priority == URGENT or self._limiter.take(row.to.channel_id):
                going.append(row)
            else:
                work.outbox.release(row, row.due_at)
        acts: list[tuple[Delivery, Act]] = [
            (row, act) for row in going if not isinstance(act := self._prepared(work, row), Nothing)
        ]
        work.outbox.begin([row for row, _ in acts])
        for row, _ in acts:
            reach(Point.OUTBOX_SENDING, row.kind)
        return acts

    def _prepared(self, work: Work, row: Delivery) -> Act:
        kind = self._core.registry.kinds[row.kind]
        try:
            act = kind.prepare(self._core.context(work), row)
        except Exception:
            log.exception("delivery %d (%s) cannot be made", row.id, row.kind)
            work.outbox.begin([row])
            work.outbox.end(row, Step.REFUSE, "it could not be made")
            self._tell(work, kind, row, Lost("it could not be made"))
            return Nothing()
        if isinstance(act, Nothing):
            work.outbox.by_person(row.id, Step.CANCEL)
        return act

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        asyncio.get_running_loop().call_later(COALESCE, self._woken.set)
        if not task.cancelled() and (error := task.exception()):
            log.error("a delivery could not be recorded: %s", type(error).__name__, exc_info=error)

    async def _sleep(self, waits: list[float]) -> None:
        now = self._clock.now()
        name = self._platform.name
        due = await self._store.read(lambda connection: Outbox(connection, now).next_due(name))
        if due is not None:
            waits.append(due - now)
        wait = min([self._clock.patience, *(max(one, 0.005) for one in waits)])
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._woken.wait()

    async def _drain(self) -> None:
        reach(Point.STOP_DRAINING)
        if self._running:
            await asyncio.wait(self._running, timeout=DRAIN_SECONDS)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _deliver(self, row: Delivery, act: Act, expires: float) -> None:
        kind = self._core.registry.kinds[row.kind]
        deadlines = self._settings.deadlines
        if expires - self._clock.monotonic() < deadlines.timeout + deadlines.grace:
            await self._keep(lambda connection: self._put_back(connection, [(row, act)]))
            return
        try:
            async with asyncio.timeout(deadlines.timeout):
                reach(Point.OUTBOX_REQUEST, row.kind)
                message_id = await self._perform(act, row)
                reach(Point.OUTBOX_ANSWERED, row.kind)
        except asyncio.CancelledError:
            stopped = Unclear("stopped while sending")
            with suppress(StoreUnavailable):  # then the next start finds the row as it is
                await self._store.write(lambda connection: self._settle(connection, kind, row, stopped))
            raise
        except TimeoutError:
            await self._record(kind, row, Unclear("no answer in time"))
        except SendError as error:
            await self._record(kind, row, error)
        except Exception as error:
            log.exception("delivery %d (%s)", row.id, row.kind)
            await self._record(kind, row, Unclear(type(error).__name__))
        else:
            await self._keep(lambda connection: self._confirm(connection, kind, row, message_id))
            reach(Point.OUTBOX_CONFIRMED, row.kind)

    async def _perform(self, act: Act, row: Delivery) -> str:
        platform = self._platform
        if isinstance(act, Create):
            return await platform.send(act.message, act.to, row.key)
        if isinstance(act, Change):
            await platform.edit(act.message, act.at, act.message_id)
            return act.message_id
        other: object = platform
        if isinstance(act, Remove) and isinstance(other, Deletes):
            await other.delete(act.at, act.message_id)
            return act.message_id
        if isinstance(act, Tell) and isinstance(other, Notifies):
            await other.notify(act.notice, act.at, act.reply)
            return ""
        raise Refused(f"{platform.name} cannot do this", "unsupported")

    def _confirm(self, connection: Connection, kind: Kind[C], row: Delivery, message_id: str) -> None:
        work = self._core.work(connection)
        if work.outbox.confirm(row, message_id, "answer"):
            self._tell(work, kind, row, Sent(message_id))
        reach(Point.OUTBOX_CONFIRMING, row.kind)

    async def _record(self, kind: Kind[C], row: Delivery, error: SendError) -> None:
        log.warning("delivery %d (%s) to %s: %s %s", row.id, row.kind, row.to, type(error).__name__, error)
        if isinstance(error, NotSent) and error.retry_after:
            self._limiter.block(row.to.channel_id, error.retry_after)
        reach(Point.OUTBOX_FAILED, row.kind)
        await self._keep(lambda connection: self._settle(connection, kind, row, error))
        reach(Point.OUTBOX_SETTLED, row.kind)

    async def _keep(self, unit: Callable[[Connection], None]) -> None:
        """What became of a delivery is known only here: it is written as soon as the store can be used again."""
        while True:
            try:
                return await self._store.write(unit)
            except StoreUnavailable as error:
                log.warning("the store cannot be used, an outcome waits to be written: %s", error)
                await asyncio.sleep(1)

    def _settle(self, connection: Connection, kind: Kind[C], row: Delivery, error: SendError) -> None:
        work = self._core.work(connection)
        why = str(error)[:300]
        if isinstance(error, Refused):
            if work.outbox.end(row, Step.REFUSE, why):
                self._tell(work, kind, row, Lost(why, error.code))
        elif isinstance(error, Unclear) and kind.once:
            if work.outbox.end(row, Step.DOUBT, why):
                self._tell(work, kind, row, Doubtful(why))
        else:
            self._again(work, kind, row, error)

    def _again(self, work: Work, kind: Kind[C], row: Delivery, error: SendError) -> None:
        """Surely not sent, or harmless to repeat. Being told to wait does not use up a try."""
        told = error.retry_after if isinstance(error, NotSent) else None
        tries = row.tries + (0 if told else 1)
        if tries >= MAX_TRIES:
            if work.outbox.end(row, Step.GIVE_UP, str(error)[:300]):
                self._tell(work, kind, row, Lost(str(error)[:300], "gave_up"))
            return
        due = work.now + next_try(tries, random.random(), told)  # noqa: S311 - jitter is no secret
        work.outbox.postpone(row, due, tries, str(error)[:300])

    def _tell(self, work: Work, kind: Kind[C], row: Delivery, outcome: Outcome) -> None:
        tell(self._core, work, kind, row, outcome)


def tell(core: Core[C], work: Work, kind: Kind[C], row: Delivery, outcome: Outcome) -> None:
    """Let the kind's handler hear of an outcome. The outcome stands, whatever the handler does with it."""
    listener = kind.outcome
    if listener is None:
        return
    error = work.isolated(lambda: listener(core.context(work), row, outcome))
    if error is not None:
        log.error("outcome of delivery %d (%s)", row.id, row.kind, exc_info=error)


async def recover(core: Core[C]) -> None:
    """Before the first claim of a single process: every row in `sending` was left by one that died.

    What must not be sent twice becomes uncertain and is put to a person; the rest is sent again.
    """

    def unit(connection: Connection) -> None:
        work = core.work(connection)
        reach(Point.RECOVERING)
        work.outbox.free_claims()
        for row in work.outbox.orphans():
            kind = core.registry.kinds[row.kind]
            if not kind.once:
                work.outbox.postpone(row, work.now, row.tries, DIED)
            elif work.outbox.end(row, Step.DOUBT, DIED):
                tell(core, work, kind, row, Doubtful(DIED))
        reach(Point.RECOVER_SETTLED)

    await core.store.write(unit)
    reach(Point.RECOVERED)
