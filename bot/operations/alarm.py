"""When nothing can be stored, people are told once, and once more when it is over.

Nothing is acknowledged meanwhile, so the platforms keep what happens there; and nothing can be queued, so this is said
past the outbox. Whether such a notice arrived is not known: a second one would be worse than none.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from bot.chat.messages import Line
from bot.chat.ports import Platform, SendError, StoreUnavailable
from bot.domain.places import Channel
from bot.locales import Catalogue
from bot.storage.store import Store, Unit

T = TypeVar("T")
PATIENCE = 3.0
"""Seconds of trouble before anybody is told: a short lock is nobody's business."""
QUIET = 15.0
"""Seconds without a fault after which it is over."""
LOOK = 1.0

log = logging.getLogger("herald.alarm")


class NoticedStore:
    """A store that remembers when it could not be used. Everything else is that of the store within."""

    def __init__(self, store: Store, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._monotonic = monotonic
        self.first = self.last = float("-inf")
        """Monotonic seconds of the first fault of a series, and of the newest."""
        self.reason = ""

    def listen(self, topic: str, call: Callable[[], None]) -> None:
        """As the store within."""
        self._store.listen(topic, call)

    async def open(self) -> None:
        """As the store within."""
        await self._store.open()

    async def close(self) -> None:
        """As the store within."""
        await self._store.close()

    async def write(self, unit: Unit[T]) -> T:
        """As the store within."""
        try:
            return await self._store.write(unit)
        except StoreUnavailable as error:
            self._failed(error)
            raise

    async def write_many(self, units: Sequence[Unit[T]]) -> list[T | Exception]:
        """As the store within."""
        try:
            return await self._store.write_many(units)
        except StoreUnavailable as error:
            self._failed(error)
            raise

    async def read(self, unit: Unit[T]) -> T:
        """As the store within."""
        return await self._store.read(unit)

    def _failed(self, error: StoreUnavailable) -> None:
        now = self._monotonic()
        if now - self.last > QUIET:
            self.first = now
        self.last = now
        self.reason = str(error)


class Alarm:
    """Tells the team's channels of a store that cannot be used. `channels` come with their languages."""

    def __init__(
        self,
        store: NoticedStore,
        platforms: Mapping[str, Platform],
        channels: Sequence[tuple[Channel, str]],
        texts: Catalogue,
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._platforms = platforms
        self._channels = channels
        self._texts = texts
        self._monotonic = monotonic
        self.told = False
        """Whether people know of the trouble."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            await self.look()

    async def look(self) -> None:
        """Say what has begun or is over since the last look."""
        store, now = self._store, self._monotonic()
        if not self.told and store.last - store.first >= PATIENCE and now - store.last < QUIET:
            self.told = True
            log.error("nothing can be stored: %s", store.reason)
            await self._say("alarm.store", reason=store.reason[:200])
        elif self.told and now - store.last >= QUIET and await self._works():
            self.told = False
            log.warning("storing works again")
            await self._say("alarm.store_works")

    async def _works(self) -> bool:
        try:
            await self._store.write(_nothing)
        except StoreUnavailable:
            return False
        return True

    async def _say(self, key: str, **values: str) -> None:
        await asyncio.gather(*(self._one(channel, language, key, values) for channel, language in self._channels))

    async def _one(self, channel: Channel, language: str, key: str, values: Mapping[str, str]) -> None:
        platform = self._platforms.get(channel.platform)
        if platform is None:
            return
        text = self._texts.say(language, key, **values)
        try:
            await platform.send(Line(text), channel, secrets.token_urlsafe(16))
        except SendError as error:
            log.warning("%s could not be told: %s", channel, error)


def _nothing(connection: Connection) -> None:
    """A unit that only shows that units can be committed."""
