"""Hearing one platform: by one process at a time, where several run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from bot.chat.messages import Answer
from bot.chat.ports import Incoming, Platform, Sink, StoreUnavailable
from bot.engine.leases import Keeper

AT_START_SECONDS = 2.0
"""How long a free lease may take to be ours before we say that we wait."""
STOP_SECONDS = 5.0
"""How long a platform may take to stop hearing after its lease was lost: nothing that it still hears is stored."""

Hears = Literal["yes", "waiting"]
log = logging.getLogger("herald.hearing")


class Guarded:
    """A sink that takes nothing unless this process may hear the platform at this moment."""

    def __init__(self, sink: Sink, held: Callable[[], bool], name: str) -> None:
        self._sink = sink
        self._held = held
        self._name = name

    async def accept(self, batch: Sequence[Incoming]) -> list[Answer]:
        """As the sink within. Raises StoreUnavailable when another process may be hearing by now."""
        self._check()
        return await self._sink.accept(batch)

    async def position(self, cursor: str) -> int | None:
        """As the sink within."""
        return await self._sink.position(cursor)

    async def gap(self, cursor: str, until: int | None) -> None:
        """As the sink within; raises as `accept`."""
        self._check()
        await self._sink.gap(cursor, until)

    async def remember(self, name: str, value: str) -> None:
        """As the sink within; raises as `accept`."""
        self._check()
        await self._sink.remember(name, value)

    async def recall(self, name: str) -> str | None:
        """As the sink within."""
        return await self._sink.recall(name)

    def _check(self) -> None:
        if not self._held():
            raise StoreUnavailable(f"{self._name} may be heard by another process")


@dataclass(frozen=True)
class Hearing:
    """Has one platform heard. `told` learns whether it is, and of every change.

    Without a `keeper` there is no other process. With one the platform is heard while this process holds `lease`, and
    waited for otherwise.
    """

    platform: Platform
    sink: Sink
    told: Callable[[Hears], None]
    keeper: Keeper | None = None
    lease: str = ""

    async def run(self) -> None:
        """Hear, or wait for one's turn, until cancelled. Raises PlatformDown; then others may try."""
        keeper = self.keeper
        if keeper is None:
            await self.platform.run(self.sink, self._ready)
            return
        keeper.want(self.lease)
        try:
            while True:
                await self._turn(keeper)
                await self._hear(keeper)
                log.warning("%s is heard by another process, or may be", self.platform.name)
        finally:
            keeper.renounce(self.lease)

    def _ready(self) -> None:
        self.told("yes")

    async def _turn(self, keeper: Keeper) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(AT_START_SECONDS):
                await keeper.gained(self.lease)
                return
        self.told("waiting")
        await keeper.gained(self.lease)

    async def _hear(self, keeper: Keeper) -> None:
        """Hear until the lease is lost."""
        sink = Guarded(self.sink, lambda: keeper.holds(self.lease), self.platform.name)
        hearing = asyncio.create_task(self.platform.run(sink, self._ready))
        losing = asyncio.create_task(keeper.lost(self.lease))
        try:
            await asyncio.wait([hearing, losing], return_when=asyncio.FIRST_COMPLETED)
            if hearing.done() and not losing.done():
                hearing.result()
        finally:
            losing.cancel()
            hearing.cancel()
            await asyncio.wait([hearing, losing], timeout=STOP_SECONDS)
        self.told("waiting")
