"""A platform is heard by one process: the others wait, and whoever loses its lease stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.chat.messages import Accepted, Answer
from bot.chat.ports import PlatformDown, Sink, StoreUnavailable
from bot.engine import hearing as module
from bot.engine.hearing import Hearing, Hears
from bot.engine.inbox import Door
from bot.engine.leases import Keeper

from .flow import deleted, incoming
from .test_keeper import GATE, Time, end, keeper, running
from .world import DEADLINE, HandClock, MortalStore, Recorder, until


class Ear(Recorder):
    """Hears until it is cancelled; keeps the sink."""

    def __init__(self) -> None:
        super().__init__()
        self.sinks: list[Sink] = []
        self.stopped = 0
        self.down = asyncio.Event()

    async def run(self, sink: Sink, ready: Callable[[], None]) -> None:
        self.sinks.append(sink)
        ready()
        try:
            await self.down.wait()
            raise PlatformDown("a bad token")
        finally:
            self.stopped += 1


class Process:
    """One process that would hear."""

    def __init__(self, parts: tuple[Keeper, MortalStore, Time]) -> None:
        self.keeper, self.store, self.time = parts
        self.ear = Ear()
        self.told: list[Hears] = []
        door = Door(self.store, HandClock(), accepted, lambda *_: None)
        self.hearing = Hearing(self.ear, door, self.told.append, self.keeper, GATE)

    async def says(self, *told: Hears) -> None:
        async def there() -> bool:
            return self.told == list(told)

        await until(there)


async def accepted(_: object) -> Answer:
    return Accepted()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_START_SECONDS", 0.3)


async def two(path: Path) -> tuple[Process, Process]:
    return (
        Process(await keeper(path, "a", worker=False)),
        Process(await keeper(path, "b", worker=False)),
    )


async def test_a_process_alone_hears_at_once() -> None:
    ear, told = Ear(), list[Hears]()
    door = Door(MortalStore(Path("unused")), HandClock(), accepted, lambda *_: None)
    task = asyncio.create_task(Hearing(ear, door, told.append).run())

    async def heard() -> bool:
        return told == ["yes"]

    await until(heard)
    assert ear.sinks == [door]
    ear.down.set()
    with pytest.raises(PlatformDown):
        await task


async def test_the_second_waits_and_follows_a_first_that_lost_its_lease(path: Path) -> None:
    a, b = await two(path)
    tasks = [*await running(a.keeper, b.keeper), asyncio.create_task(a.hearing.run())]
    await a.says("yes")
    tasks.append(asyncio.create_task(b.hearing.run()))
    await b.says("waiting")
    await a.ear.sinks[0].accept([incoming(1, deleted(1))])
    await a.ear.sinks[0].remember("telegram:x", "y")
    assert await a.ear.sinks[0].recall("telegram:x") == "y"

    a.store.full = True  # it cannot renew any more
    await a.says("yes", "waiting")
    await b.says("waiting", "yes")
    assert a.ear.stopped == 1
    a.store.full = False
    with pytest.raises(StoreUnavailable):
        await a.ear.sinks[0].accept([incoming(2, deleted(2))])
    await b.ear.sinks[0].accept([incoming(2, deleted(2))])
    assert await b.store.read(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM inbox").scalar()) == 2
    await end(tasks, a.store, b.store)


async def test_what_a_suspended_machine_still_hears_is_not_stored(path: Path) -> None:
    """Its timers stood still, the lease is long over, and nobody has told the platform's client yet."""
    a, b = await two(path)
    tasks = [*await running(a.keeper), asyncio.create_task(a.hearing.run())]
    await a.says("yes")
    a.store.full = True
    a.time.ahead += 60
    a.store.full = False
    sink = a.ear.sinks[0]
    for refused in (sink.accept([incoming(1, deleted(1))]), sink.gap("c", 1), sink.remember("telegram:x", "y")):
        with pytest.raises(StoreUnavailable, match="telegram may be heard by another process"):
            await refused
    assert await sink.position("c") is None
    assert await sink.recall("telegram:x") is None
    await end(tasks, a.store, b.store)


async def test_a_platform_that_cannot_go_on_here_may_be_tried_by_others(path: Path) -> None:
    a, b = await two(path)
    tasks = await running(a.keeper, b.keeper)
    hearing = asyncio.create_task(a.hearing.run())
    await a.says("yes")
    tasks.append(asyncio.create_task(b.hearing.run()))
    await b.says("waiting")
    a.ear.down.set()
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(PlatformDown):
            await hearing
    await b.says("waiting", "yes")
    await end(tasks, a.store, b.store)
