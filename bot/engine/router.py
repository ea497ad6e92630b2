"""From the inbox to the handlers: in order, each with its effects and its `done` in one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from bot.chat.events import ButtonPressed, CommandInvoked, Event, FormSubmitted, MessagePosted
from bot.chat.ports import Platform, StoreUnavailable
from bot.domain.failpoints import Point, reach
from bot.domain.places import Member
from bot.domain.roles import Role
from bot.engine.access import Access
from bot.engine.core import EVERYTHING, Core, Parts, keep_going
from bot.engine.passing import Say, unsaid
from bot.engine.sealing import UNSEALED, Seals, read_envelope, without_words
from bot.engine.tasks import completed
from bot.storage.inbox import Inbox, Stored
from bot.storage.work import Passing, Work

C = TypeVar("C")
BATCH, MOST = 32, 256
"""Events per turn, at least and at most."""
LONG = 0.05
"""Seconds that a turn's transaction should not take: deliveries find the writer free in between."""
REMEMBERED = 4096
"""Parsed events kept for the router; those beyond are parsed again from the inbox."""
TRIES = 3
ASKING = 32
"""Events at once that wait for a platform to tell somebody's roles."""

RETRY_SECONDS = 0.5
"""How long an event that failed waits for its next try, unless there is nothing but failed ones."""

Prepare = Callable[[list[Event]], Awaitable[list[Any]]]

log = logging.getLogger("herald.router")


class Router(Generic[C]):
    """Reads the inbox in order. A handler that fails is tried again, and given up after three tries.

    Of several workers each reads its own parts; an event is done once, whoever reads it.
    """

    def __init__(
        self,
        core: Core[C],
        access: Access,
        platforms: Mapping[str, Platform],
        prepare: Prepare,
        parts: Parts = EVERYTHING,
        seals: Seals = UNSEALED,
        *,
        say: Say = unsaid,
    ) -> None:
        self._core = core
        self._say = say
        self._parts = parts
        self._seals = seals
        self._store = core.store
        self._access = access
        self._platforms = platforms
        self._prepare = prepare
        self._parsed: OrderedDict[int, Event] = OrderedDict()
        self._handling: frozenset[int] = frozenset()
        self._count = BATCH
        self._woken = asyncio.Event()
        self._asking: set[asyncio.Task[None]] = set()
        self._asked: set[int] = set()
        self._retries: dict[int, Stored] = {}
        core.store.listen("inbox", self._woken.set)
        parts.listen(self._woken.set)

    @property
    def handling(self) -> Collection[int]:
        """Parts of which events are being handled at this moment: another worker must not begin with them yet."""
        return self._handling

    def remember(self, row: int, event: Event) -> None:
        """Keep a parsed event until its row is read. Called from the writer's thread, before the commit."""
        self._parsed[row] = event
        while len(self._parsed) > REMEMBERED:
            self._parsed.popitem(last=False)

    async def run(self) -> None:
        """Route until cancelled."""
        try:
            await keep_going(self._turn, "events")
        finally:
            for task in self._asking:
                task.cancel()
            await asyncio.gather(*self._asking, return_exceptions=True)

    async def _turn(self) -> None:
        self._woken.clear()
        parts = self._parts.mine()
        busy = self._asked | self._retries.keys()
        room = max(BATCH - len(self._retries), 0) if self._retries else self._count  # those that fail must not pile up
        rows = await self._store.read(lambda connection: Inbox(connection).new(busy, room, parts)) if room else []
        if rows:
            await self._guarded(rows)
        elif self._retries:
            await self._retry()
        else:
            await self._wait()

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._core.clock.patience):
                await self._woken.wait()

    async def _guarded(self, rows: list[Stored]) -> None:
        """Handle rows of parts that are still ours: others may have taken over while they were read."""
        mine = self._parts.mine()
        rows = [row for row in rows if mine is None or row.part in mine]
        self._handling = frozenset(row.part for row in rows)
        try:
            await self._handle(rows)
        finally:
            self._handling = frozenset()

    async def _retry(self) -> None:
        retry, self._retries = self._retries, {}
        await asyncio.sleep(RETRY_SECONDS)
        try:
            await self._guarded(list(retry.values()))
        except StoreUnavailable:
            self._retries = retry | self._retries
            raise

    async def _handle(self, rows: list[Stored]) -> None:
        quick: list[tuple[Stored, Event]] = []
        roles: list[frozenset[Role]] = []
        for row, event in await self._events(rows):
            held = self._known_roles(event) if event else None
            if event is None:
                await self._store.write(partial(_unreadable, row=row.id))
            elif held is None:
                await self._ask(row, event)
            else:
                quick.append((row, event))
                roles.append(held)
        if quick:
            await self._apply(quick, roles)

    def _known_roles(self, event: Event) -> frozenset[Role] | None:
        who = _principal(event)
        if who is None:
            return frozenset()
        platform = self._platforms.get(who.platform)
        return self._access.known(who, carried(event, platform) if platform else None)

    async def _events(self, rows: list[Stored]) -> list[tuple[Stored, Event | None]]:
        """What was stored: as it was parsed when it came, or parsed again. None: nobody can read it any more."""
        # Taken out at once: the writer's thread makes room for newer ones while we wait.
        parsed = {row.id: self._parsed.pop(row.id, None) for row in rows}
        forgotten = [number for number, event in parsed.items() if event is None]
        raws = await self._store.read(lambda connection: Inbox(connection).raws(forgotten)) if forgotten else {}
        return [(row, parsed[row.id] or await self._parse(row, raws[row.id])) for row in rows]

    async def _parse(self, row: Stored, raw: str) -> Event | None:
        platform = self._platforms.get(row.source.partition(":")[0])
        if platform is None:
            return None
        sealed = read_envelope(raw)
        return platform.parse(raw) if sealed is None else await asyncio.to_thread(self._seals.open, *sealed)

    async def _ask(self, row: Stored, event: Event) -> None:
        """A platform's answer about roles must not hold up everybody else."""
        while len(self._asking) >= ASKING:
            await asyncio.wait(self._asking, return_when=asyncio.FIRST_COMPLETED)

        async def ask() -> None:
            try:
                who = _principal(event)
                roles = await self._access.roles(who) if who else frozenset()
                await self._apply([(row, event)], [roles])
            except StoreUnavailable:
                self._retries[row.id] = row
                self._woken.set()
            finally:
                self._asked.discard(row.id)

        self._asked.add(row.id)
        task = asyncio.create_task(ask())
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _apply(self, events: list[tuple[Stored, Event]], roles: list[frozenset[Role]]) -> None:
        try:
            prepared = await self._prepare([event for _, event in events])
        except Exception as error:
            await self._one_by_one(events, roles, error)
            return
        reach(Point.ROUTER_PREPARED)
        now = self._core.clock.now()
        units = [
            self._unit(row, event, held, ready, now)
            for (row, event), held, ready in zip(events, roles, prepared, strict=True)
        ]
        results = await completed(self._commit(units))
        for (row, event), result in zip(events, results, strict=True):
            if isinstance(result, Exception):
                await self._failed(row, event, result)

    async def _commit(self, units: list[Callable[[Connection], list[Passing]]]) -> list[list[Passing] | Exception]:
        """Have what was committed said before anything else happens: nobody could say it later."""
        begun = self._core.clock.monotonic()
        results = await self._store.write_many(units)
        self._took(len(units), self._core.clock.monotonic() - begun)
        reach(Point.ROUTER_COMMITTED)
        for result in results:
            if not isinstance(result, Exception):
                self._say(result)
        return results

    def _took(self, count: int, seconds: float) -> None:
        """More at once where a full turn was quick, since each has its price; fewer where it held others up."""
        if seconds > LONG:
            self._count = max(self._count // 2, BATCH)
        elif count >= self._count and seconds < LONG / 2:
            self._count = min(self._count * 2, MOST)

    async def _one_by_one(
        self, events: list[tuple[Stored, Event]], roles: list[frozenset[Role]], error: Exception
    ) -> None:
        """An event that cannot be prepared must not take the others with it."""
        if len(events) == 1:
            await self._failed(*events[0], error)
            return
        for one, held in zip(events, roles, strict=True):
            await self._apply([one], [held])

    def _unit(
        self, row: Stored, event: Event, roles: frozenset[Role], prepared: object, now: float
    ) -> Callable[[Connection], list[Passing]]:
        def unit(connection: Connection) -> list[Passing]:
            passing: list[Passing] = []
            work = Work(connection, now, row.received_at, passing)
            reach(Point.HANDLER_BEFORE)
            handler = self._core.registry.events.get(type(event))
            # Marked first: whoever comes second finds it done and does nothing.
            if work.inbox.done(row.id) and handler is not None:
                handler(self._core.make(work, roles, prepared), event)
            reach(Point.HANDLER_AFTER)
            return passing

        return unit

    async def _failed(self, row: Stored, event: Event, error: Exception) -> None:
        kind = type(event).__name__
        if self._seals.covers(event):
            log.error("event %d (%s) failed: %s", row.id, kind, without_words(error))
        else:
            log.error("event %d (%s) failed: %s", row.id, kind, type(error).__name__, exc_info=error)

        def unit(connection: Connection) -> int | None:
            inbox = Inbox(connection)
            tries = inbox.tried(row.id, type(error).__name__)
            if tries is not None and tries >= TRIES:
                inbox.failed(row.id, type(error).__name__)
            return tries

        tries = await self._store.write(unit)
        if tries is not None and tries < TRIES:
            self._parsed[row.id] = event
            self._retries[row.id] = row
            self._woken.set()


def _unreadable(connection: Connection, row: int) -> None:
    Inbox(connection).ignored(row, "unreadable")


def _principal(event: Event) -> Member | None:
    if isinstance(event, MessagePosted):
        return event.author
    if isinstance(event, ButtonPressed | FormSubmitted | CommandInvoked):
        return event.member
    return None  # a vote needs no role


def carried(event: Event, platform: Platform) -> tuple[str, ...] | None:
    """All platform roles of whoever caused an event, where the event itself vouches for them."""
    if not platform.capabilities.carries_roles:
        return None
    if isinstance(event, MessagePosted):
        return None if event.backfilled else event.author_roles
    if isinstance(event, ButtonPressed | FormSubmitted | CommandInvoked):
        return event.member_roles
    return None
