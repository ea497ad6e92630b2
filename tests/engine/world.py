"""An engine with a real store, a clock that is moved by hand, and a platform that remembers what it was told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from bot.chat.messages import Reply
from bot.chat.ports import Finds, StoreUnavailable
from bot.domain.delivery import Deadlines
from bot.domain.places import Channel
from bot.domain.roles import Role
from bot.domain.text import fingerprint
from bot.engine.clock import Clock
from bot.engine.core import Core
from bot.engine.courier import Courier
from bot.engine.limiter import Limiter
from bot.engine.reconciler import Reconciler
from bot.engine.recovery import Reaper, recover
from bot.engine.registry import Create, Outcome, Registry
from bot.engine.settling import Settling
from bot.storage.outbox import Delivery, Order
from bot.storage.sqlite import SqliteStore
from bot.storage.work import Work

from .platforms import (  # noqa: F401 - a part of this world for whoever works in it
    Call,
    Deed,
    Finder,
    Held,
    HeldLook,
    Look,
    Recorder,
    do_it,
    failing,
    hanging,
    on_reply,
    truly,
    unknown,
)

T = TypeVar("T")
START = 1_700_000_000.0
DEADLINE = 30.0
"""Seconds after which a test that waits for something gives up."""
ROOM = Channel("telegram", "1", "-100")


class HandClock(Clock):
    """Stands still until it is moved; loops look at it often."""

    def __init__(self) -> None:
        super().__init__()
        self.at = START

    @property
    def patience(self) -> float:
        return 0.005

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@dataclass
class Ledger:
    """What handlers are told: the context of these tests."""

    work: Work
    roles: frozenset[Role]
    prepared: object
    told: list[tuple[int, Outcome]]


class MortalStore(SqliteStore):
    """A store whose process can die: from then on nothing of it reaches the file."""

    dead = False
    full = False
    awake: asyncio.Event | None = None
    """While this is not set the process is suspended (SIGSTOP)."""
    committed: Callable[[object], None] | None = None
    """Hears what each unit gave, before whoever waits for it does."""

    async def write(self, unit: Callable[[Connection], T]) -> T:
        await self._run()
        if self.full and not self.dead:
            raise StoreUnavailable("database or disk is full")
        result = await super().write(unit)
        if self.committed is not None:
            self.committed(result)
        await self._run()
        return result

    async def _run(self) -> None:
        if self.awake is not None:
            await self.awake.wait()
        if self.dead:
            raise StoreUnavailable("the process is dead")

    def suspend(self) -> None:
        """From now on it does nothing, until `resume`."""
        self.awake = asyncio.Event()

    async def halt(self) -> None:
        """Suspend it between two units: what it had handed to the writer's thread has happened by then."""
        self.suspend()
        await super().write(lambda _: None)

    def resume(self) -> None:
        """It goes on as if no time had passed."""
        if self.awake is not None:
            self.awake.set()
            self.awake = None


@dataclass
class Engine:
    """The parts of an engine for one platform, over a file that may outlive them."""

    store: MortalStore
    platform: Recorder
    clock: HandClock
    core: Core[Ledger]
    limiter: Limiter
    settling: Settling[Ledger]
    courier: Courier[Ledger]
    reconciler: Reconciler[Ledger]
    reaper: Reaper[Ledger]
    told: list[tuple[int, Outcome]]
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    paused: bool = False

    async def write(self, unit: Callable[[Work], T]) -> T:
        return await self.store.write(lambda connection: unit(self.core.work(connection)))

    async def read(self, unit: Callable[[Work], T]) -> T:
        return await self.store.read(lambda connection: unit(self.core.work(connection)))

    async def order(self, kind: str = "reply", lane: str = "lane", **changes: Any) -> int:
        key = changes.pop("key", f"k{next(_keys)}")
        text = changes.pop("text", f"text of {key}")
        given = {"to": ROOM, "draft_id": next(_keys), "version": 1, "text_hash": fingerprint(text), **changes}
        row = await self.write(lambda work: work.outbox.add(Order(key, kind, lane, text=text, **given)))
        assert row is not None
        return row

    async def row(self, row: int) -> Delivery:
        return await self.read(lambda work: work.outbox.get(row))

    def start(self) -> asyncio.Task[None]:
        """Deliver and look up; the courier's task."""
        delivering, looking = (asyncio.create_task(part.run()) for part in (self.courier, self.reconciler))
        self.tasks += [delivering, looking]
        return delivering

    async def recover(self) -> None:
        """As at the start of a single process."""
        await recover(self.core, self.settling)

    async def stop(self) -> None:
        """As at a stop of the process: cancelled, and waited for."""
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            task.cancel()
        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(*tasks, return_exceptions=True)

    async def kill(self) -> None:
        """As at `kill -9`: what is not committed by now never happened."""
        self.store.dead = True
        self.store.resume()
        for task in list(self.courier._running):
            task.cancel()
        await self.stop()
        await self.store.close()

    async def until(self, row: int, *states: str) -> Delivery:
        async def there() -> bool:
            return (await self.row(row)).state in states

        await until(there)
        return await self.row(row)

    async def after_calls(self, count: int) -> None:
        """Wait until so many requests have reached the platform and what became of them is written."""

        async def there() -> bool:
            orphans = await self.read(lambda work: work.doubts.orphans())
            return len(self.platform.calls) == count and not orphans

        await until(there)


_keys = itertools.count(1)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so; a test that waits in vain fails."""
    async with asyncio.timeout(DEADLINE):
        while not await holds():  # noqa: ASYNC110 - what it waits for is in the database
            await asyncio.sleep(0.002)


def message_kinds(registry: Registry[Ledger], *, once: bool = True) -> None:
    """A reply, which must not be sent twice by itself, and a card, which may. Both look at the database."""

    def prepare(ledger: Ledger, row: Delivery) -> Create:
        assert ledger.work.outbox.get(row.id).key == row.key
        return Create(Reply(row.text, row.reply_to), row.to)

    def outcome(ledger: Ledger, row: Delivery, became: Outcome) -> None:
        assert ledger.work.outbox.get(row.id).key == row.key
        ledger.told.append((row.id, became))

    registry.outgoing("reply", prepare, outcome, once=once)
    registry.outgoing("card", prepare, outcome)


async def make_engine(
    path: Path,
    *,
    platform: Recorder | None = None,
    clock: HandClock | None = None,
    registry: Registry[Ledger] | None = None,
    deadlines: Deadlines | None = None,
    limiter: Limiter | None = None,
) -> Engine:
    """An engine over a migrated file; its parts are not started."""
    clock = clock or HandClock()
    platform = platform or Recorder()
    if registry is None:
        registry = Registry()
        message_kinds(registry)
    store = MortalStore(path)
    await store.open()
    told: list[tuple[int, Outcome]] = []
    core = Core(store, clock, registry, lambda work, roles, prepared: Ledger(work, roles, prepared, told))
    limiter = limiter or Limiter(None, clock.monotonic, clock.now)
    engine: list[Engine] = []
    finds: object = platform
    names = {platform.name} if isinstance(finds, Finds) else set()
    settling = Settling(core, deadlines or Deadlines(), names)
    courier = Courier(core, platform, limiter, settling, lambda _: "reply" if engine[0].paused else "")
    reconciler = Reconciler(core, platform, settling)
    reaper = Reaper(core, [platform.name], settling, courier.busy)
    engine.append(Engine(store, platform, clock, core, limiter, settling, courier, reconciler, reaper, told))
    return engine[0]


@asynccontextmanager
async def running(path: Path, **parts: Any) -> AsyncIterator[Engine]:
    """An engine whose courier runs, stopped at the end."""
    engine = await make_engine(path, **parts)
    engine.start()
    try:
        yield engine
    finally:
        await engine.stop()
        with suppress(StoreUnavailable):
            await engine.store.close()


def states(rows: Sequence[Delivery]) -> list[str]:
    return [row.state.value for row in rows]
