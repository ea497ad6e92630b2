"""What giveaways' timers work with: the database off the loop, platforms, the beacon, and who does the heavy work."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from bot.chat.beacons import Beacon
from bot.chat.ports import Platform
from bot.domain.fdraw import Entry as Listed
from bot.domain.giveaways import Giveaway
from bot.domain.roles import Role
from bot.engine.access import Access
from bot.engine.clock import Clock
from bot.engine.drawing import Drawer
from bot.handlers.context import Context
from bot.handlers.giveaways import checking
from bot.handlers.giveaways.checking import Checker
from bot.storage.giveaways import Frozen
from bot.storage.keys import Keys
from bot.storage.store import Store
from bot.storage.work import Work

T = TypeVar("T")
LIST_PAGE = 10_000

Effect = Callable[[Context], None]
"""What a timer's end commits."""


@dataclass(frozen=True, slots=True)
class Office:
    """The installation, as what takes its time sees it."""

    store: Store
    clock: Clock
    platforms: Mapping[str, Platform]
    access: Access
    drawer: Drawer
    beacon: Beacon | None
    keys: Keys
    context: Callable[[Work, frozenset[Role]], Context]

    @property
    def checker(self) -> Checker:
        """Who asks platforms about entrants."""
        return Checker(self.store, self.platforms, self.access)

    async def named(self, name: str) -> Giveaway | None:
        """The giveaway of this name as it stands now."""
        return await self.store.read(lambda connection: Work(connection, 0.0).giveaways.named(name))

    async def frozen(self, giveaway: Giveaway) -> tuple[Frozen | None, bytes]:
        """The frozen list, if it is, and the seed."""
        return await self.store.read(
            lambda connection: (
                (work := Work(connection, 0.0)).giveaways.frozen(giveaway.id),
                work.giveaways.seed(giveaway.id),
            )
        )

    async def pages(self, giveaway: Giveaway) -> AsyncIterator[Sequence[Listed]]:
        """The list in the order of its tickets, a page after the other."""
        after = ""
        while page := await self._page(giveaway, after):
            yield page
            after = page[-1][0]

    async def _page(self, giveaway: Giveaway, after: str) -> Sequence[Listed]:
        return await self.store.read(
            lambda connection: Work(connection, 0.0).entries.list_page(giveaway.id, after, LIST_PAGE)
        )

    async def write(self, unit: Callable[[Context], bool | None]) -> bool | None:
        """Commit a step by itself; all such steps may be repeated."""

        def run(connection: Connection) -> bool | None:
            return unit(self.context(Work(connection, self.clock.now()), frozenset()))

        return await self.store.write(run)

    async def look_at_all(self, giveaway: Giveaway, *, appeals: bool) -> None:
        """Look at everybody on the list again, and put out whom a rule keeps out by now."""
        unread = Counter[str]()
        async for look in self.checker.everybody(giveaway):
            unread += checking.unread(giveaway, look)
            found = await self.read(partial(checking.concerned, giveaway=giveaway, look=look))
            if found.entries:
                await self.write(partial(checking.look_again, giveaway=giveaway, look=found, appeals=appeals))
        if unread:
            await self.write(partial(checking.tell_unread, giveaway=giveaway, missed=unread))

    async def read(self, unit: Callable[[Context], T]) -> T:
        """Find something out that handlers know how to; nothing may be written by it."""

        def run(connection: Connection) -> T:
            return unit(self.context(Work(connection, self.clock.now()), frozenset()))

        return await self.store.read(run)


def round_of(ctx: Context) -> Callable[[float], int]:
    """The beacon's first round at or after a time (UTC seconds)."""
    beacon = ctx.desk.giveaways.beacon
    return beacon.round_at if beacon is not None else lambda at: 0


def time_of(ctx: Context) -> Callable[[int], float]:
    """When a round of the beacon is there (UTC seconds)."""
    beacon = ctx.desk.giveaways.beacon
    return beacon.time_of if beacon is not None else lambda number: 0.0


def nothing(_: Context) -> None:
    """There is nothing to do any more."""
