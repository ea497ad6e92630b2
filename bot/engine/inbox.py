"""The door of the engine: events are on disk before anybody answers the platform."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import Connection

from bot.chat.events import ButtonPressed, CommandInvoked, Event, FormSubmitted
from bot.chat.messages import Accepted, Answer, FieldErrors, OpenForm
from bot.chat.ports import Incoming, StoreUnavailable
from bot.domain.failpoints import Point, reach
from bot.engine.clock import Clock
from bot.engine.sealing import UNSEALED, Seals, without_words
from bot.storage.inbox import Inbox
from bot.storage.people import Facts
from bot.storage.store import Store, wake

ANSWER_SECONDS = 1.5
"""How long the immediate answer may take: Slack and Discord give us three seconds in all."""
ROOM = 1024
"""Batches that may be on their way to the disk at once, and as many that may wait for that."""
ROOM_SECONDS = 2.5
"""How long a batch waits for room: after that no platform waits for the acknowledgement any more."""

Answerer = Callable[[ButtonPressed | FormSubmitted | CommandInvoked], Answer | Awaitable[Answer]]
"""What is to be looked up first is awaited; most presses need nothing of the kind."""
Remember = Callable[[int, Event], None]

log = logging.getLogger("herald.inbox")


class Door:
    """The `Sink` that integrations hand their events to."""

    def __init__(
        self, store: Store, clock: Clock, answer: Answerer, remember: Remember, seals: Seals = UNSEALED
    ) -> None:
        self._store = store
        self._clock = clock
        self._answer = answer
        self._remember = remember
        self._seals = seals
        self._room = asyncio.Semaphore(ROOM)
        self._waiting = 0

    async def accept(self, batch: Sequence[Incoming]) -> list[Answer]:
        """Store the events in one commit, then give each its immediate answer. Raises StoreUnavailable.

        When more comes than can be stored, what has to wait for too long is not acknowledged: the platform keeps it.
        """
        await self._enter()
        try:
            return await self._accept(batch)
        finally:
            self._room.release()

    async def _enter(self) -> None:
        if not self._room.locked():
            await self._room.acquire()  # at once
            return
        if self._waiting >= ROOM:
            raise StoreUnavailable("too many events wait to be stored")
        self._waiting += 1
        try:
            async with asyncio.timeout(ROOM_SECONDS):
                await self._room.acquire()
        except TimeoutError:
            raise StoreUnavailable("events wait too long to be stored") from None
        finally:
            self._waiting -= 1

    async def _accept(self, batch: Sequence[Incoming]) -> list[Answer]:
        now = self._clock.now()
        if len(batch) == 1:
            urgent = [await self._ask(batch[0].event)]
        else:
            urgent = await asyncio.gather(*(self._ask(item.event) for item in batch))
        reach(Point.INBOX_ANSWERED)
        refused = {index for index, answer in enumerate(urgent) if isinstance(answer, FieldErrors)}

        def unit(connection: Connection) -> None:
            inbox = Inbox(connection)
            rows = inbox.add([self._seals.close(item) for item in batch], now)
            for index, row in enumerate(rows):
                if row is not None and index in refused:
                    inbox.done(row)
                elif row is not None and (event := batch[index].event) is not None:
                    self._remember(row, event)
            wake(connection, "inbox")
            reach(Point.INBOX_WRITTEN)

        await self._store.write(unit)
        reach(Point.INBOX_COMMITTED)
        return urgent

    async def position(self, cursor: str) -> int | None:
        """How far this cursor was read before."""
        return await self._store.read(lambda connection: Inbox(connection).position(cursor))

    async def gap(self, cursor: str, until: int | None) -> None:
        """What is being read back. Raises StoreUnavailable."""
        await self._store.write(lambda connection: Inbox(connection).gap(cursor, until))

    async def remember(self, name: str, value: str) -> None:
        """Keep a small fact beyond a restart. Raises StoreUnavailable."""
        await self._store.write(lambda connection: Facts(connection).set(name, value))

    async def recall(self, name: str) -> str | None:
        """The fact that was kept under this name, or None. Raises StoreUnavailable."""
        return await self._store.read(lambda connection: Facts(connection).get(name))

    async def _ask(self, event: Event | None) -> Answer:
        if not isinstance(event, ButtonPressed | FormSubmitted | CommandInvoked):
            return Accepted()
        try:
            answer = self._answer(event)
            if isinstance(answer, Accepted | OpenForm | FieldErrors):
                return answer
            async with asyncio.timeout(ANSWER_SECONDS):
                return await answer
        except (TimeoutError, StoreUnavailable):
            log.warning("no immediate answer in time: %s", type(event).__name__)
        except Exception as error:
            if self._seals.covers(event):
                # Without a trace: it would quote what must not be written down.
                log.error("no immediate answer: %s\n%s", type(event).__name__, without_words(error))  # noqa: TRY400
            else:
                log.exception("no immediate answer: %s", type(event).__name__)
        return Accepted()
