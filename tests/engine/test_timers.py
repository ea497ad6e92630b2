"""Timers: what is due happens once, however long other things take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

from bot.domain.parts import ALL
from bot.engine.registry import Registry
from bot.engine.timers import TimerLoop
from bot.storage.timers import Timer

from .world import DEADLINE, START, Engine, HandClock, Ledger, make_engine, until

Effect = Callable[[Ledger], None]


@asynccontextmanager
async def ticking(path: Path, fire: Callable[[Timer], Awaitable[Effect]]) -> AsyncIterator[Engine]:
    registry: Registry[Ledger] = Registry()
    registry.timer("job", fire)
    engine = await make_engine(path, registry=registry)
    engine.tasks.append(asyncio.create_task(TimerLoop(engine.core).run()))
    try:
        yield engine
    finally:
        await engine.stop()
        await engine.store.close()


async def left(engine: Engine) -> list[Timer]:
    return await engine.read(lambda work: work.timers.due(float("inf"), [], 99))


async def set_timer(engine: Engine, key: str, after: float = 0.0, kind: str = "job") -> None:
    await engine.write(lambda work: work.timers.set(kind, key, engine.clock.at + after))


def recorded(ledger: Ledger, key: str) -> None:
    ledger.work.facts.set(key, str(int(ledger.work.facts.get(key) or 0) + 1))


async def fire(timer: Timer) -> Effect:
    return lambda ledger: recorded(ledger, timer.key)


async def happened(engine: Engine, key: str) -> None:
    async def there() -> bool:
        return await engine.read(lambda work: work.facts.get(key)) is not None

    await until(there)


async def test_what_is_due_happens_once_with_its_effects(path: Path) -> None:
    async with ticking(path, fire) as engine:
        await set_timer(engine, "now")
        await set_timer(engine, "later", 60)
        await happened(engine, "now")
        assert [timer.key for timer in await left(engine)] == ["later"]
        engine.clock.at += 60
        await happened(engine, "later")
        assert await left(engine) == []
        assert await engine.read(lambda work: (work.facts.get("now"), work.facts.get("later"))) == ("1", "1")


async def test_a_timer_that_takes_long_holds_up_no_other(path: Path) -> None:
    gate = asyncio.Event()

    async def slow(timer: Timer) -> Effect:
        if timer.key == "slow":
            await gate.wait()
        return await fire(timer)

    async with ticking(path, slow) as engine:
        await set_timer(engine, "slow")
        await set_timer(engine, "quick")
        await happened(engine, "quick")
        gate.set()
        await happened(engine, "slow")


async def test_a_coming_timer_is_looked_for_while_another_is_under_way(path: Path) -> None:
    waits: list[float | None] = []
    gate = asyncio.Event()

    async def slow(timer: Timer) -> Effect:
        await gate.wait()
        return await fire(timer)

    async with ticking(path, slow) as engine:
        await set_timer(engine, "slow")
        await set_timer(engine, "coming", 5)
        busy = [timer.id for timer in await left(engine) if timer.key == "slow"]
        waits.append(await engine.read(lambda work: work.timers.next_due(busy)))
        gate.set()
        await happened(engine, "slow")
    assert waits == [START + 5]


async def test_a_timer_that_fails_comes_again_later_and_later(path: Path) -> None:
    fired: list[float] = []

    async def failing(timer: Timer) -> Effect:
        fired.append(engine.clock.at)
        if len(fired) < 5:
            raise ZeroDivisionError
        return await fire(timer)

    async with ticking(path, failing) as engine:
        await set_timer(engine, "job")
        for tries in range(1, 5):

            async def tried(tries: int = tries) -> bool:
                timers = await left(engine)
                return len(timers) == 1 and timers[0].tries == tries

            await until(tried)
            (timer,) = await left(engine)
            engine.clock.at = timer.due_at
        await happened(engine, "job")
        assert [b - a for a, b in pairwise(fired)] == [1, 2, 4, 8]


async def test_an_effect_that_fails_takes_nothing_with_it(path: Path) -> None:
    def broken(ledger: Ledger) -> None:
        recorded(ledger, "half")
        raise ZeroDivisionError

    async def failing(_: Timer) -> Effect:
        return broken

    async with ticking(path, failing) as engine:
        await set_timer(engine, "job")

        async def tried() -> bool:
            return (await left(engine))[0].tries == 1

        await until(tried)
        assert await engine.read(lambda work: work.facts.get("half")) is None


async def test_a_timer_of_an_unknown_kind_waits_for_a_program_that_knows_it(path: Path) -> None:
    async with ticking(path, fire) as engine:
        await set_timer(engine, "strange", kind="of tomorrow")
        await set_timer(engine, "job")
        await happened(engine, "job")

        async def tried() -> bool:
            return (await left(engine))[0].tries == 1

        await until(tried)


async def test_a_stop_leaves_what_is_under_way_to_the_next_start(path: Path) -> None:
    begun = asyncio.Event()

    async def endless(_: Timer) -> Effect:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async with ticking(path, endless) as engine:
        await set_timer(engine, "job")
        async with asyncio.timeout(DEADLINE):
            await begun.wait()
    async with ticking(path, fire) as engine:
        await happened(engine, "job")


async def test_many_timers_at_once_all_happen(path: Path) -> None:
    async with ticking(path, fire) as engine:
        for number in range(100):
            await set_timer(engine, f"job {number}")

        async def none_left() -> bool:
            return await left(engine) == []

        await until(none_left)
        counts = await engine.read(lambda work: {work.facts.get(f"job {n}") for n in range(100)})
        assert counts == {"1"}


async def test_timers_of_parts_that_become_ours_are_taken_up_at_once(path: Path) -> None:
    class Patient(HandClock):
        patience = 1000.0

    class Some:
        held: frozenset[int] = frozenset()
        call: Callable[[], None]

        def mine(self) -> frozenset[int]:
            return self.held

        def listen(self, call: Callable[[], None]) -> None:
            self.call = call

    registry: Registry[Ledger] = Registry()
    registry.timer("job", fire)
    engine = await make_engine(path, registry=registry, clock=Patient())
    parts = Some()
    await set_timer(engine, "a")
    engine.tasks.append(asyncio.create_task(TimerLoop(engine.core, parts).run()))
    for _ in range(10):
        await asyncio.sleep(0.01)
    assert await engine.read(lambda work: work.facts.get("a")) is None
    parts.held = ALL
    parts.call()
    await happened(engine, "a")
    await engine.stop()
    await engine.store.close()
