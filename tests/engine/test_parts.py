"""Several routers and timer loops on one database: each does its own parts, and nothing is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bot.chat.events import Event, MessageDeleted
from bot.chat.ports import Incoming
from bot.domain.parts import ALL, part_of
from bot.domain.places import Channel
from bot.engine.access import Access
from bot.engine.registry import Registry
from bot.engine.router import Router
from bot.engine.timers import TimerLoop
from bot.storage.tables import inbox
from bot.storage.timers import Timer

from .flow import unprepared
from .world import Engine, Ledger, make_engine, until

Effect = Callable[[Ledger], None]


class Held:
    """Parts that change by hand."""

    def __init__(self, parts: frozenset[int] = ALL) -> None:
        self.parts = parts
        self.calls: list[Callable[[], None]] = []

    def mine(self) -> frozenset[int]:
        return self.parts

    def listen(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def become(self, parts: frozenset[int]) -> None:
        self.parts = parts
        for call in self.calls:
            call()


def room(number: int) -> Channel:
    return Channel("telegram", "1", f"-{number}")


def gone(number: int) -> MessageDeleted:
    return MessageDeleted(room(number % 10), str(number))


def part(number: int) -> int:
    return part_of(f"telegram:-{number % 10}")


class Worker:
    """A router over a store of its own on the common file, and what its handlers have seen."""

    def __init__(self, engine: Engine, held: Held, handle: Callable[[Ledger, Any], None] | None = None) -> None:
        self.engine = engine
        self.held = held
        self.seen: list[int] = []
        self.while_handling: set[int] = set()
        platform = engine.platform
        platform.parsed = {f"raw {n}": gone(n) for n in range(200)}
        access = Access((), {"telegram": platform}, engine.clock.monotonic)
        self.router = Router(engine.core, access, {"telegram": platform}, unprepared, held)

        def seen(ledger: Ledger, event: MessageDeleted) -> None:
            self.while_handling |= set(self.router.handling)
            if handle is not None:
                handle(ledger, event)
            self.seen.append(int(event.message_id))
            count = int(ledger.work.facts.get(f"n{event.message_id}") or 0)
            ledger.work.facts.set(f"n{event.message_id}", str(count + 1))

        engine.core.registry.on(MessageDeleted)(seen)

    def start(self) -> None:
        self.engine.tasks.append(asyncio.create_task(self.router.run()))

    async def end(self) -> None:
        await self.engine.stop()
        await self.engine.store.close()


async def worker(path: Path, parts: frozenset[int] = ALL, **options: Any) -> Worker:
    registry: Registry[Ledger] = Registry()
    return Worker(await make_engine(path, registry=registry), Held(parts), **options)


async def put(one: Worker, *numbers: int) -> None:
    batch = [Incoming("telegram:1", str(n), f"raw {n}", gone(n)) for n in numbers]
    await one.engine.write(lambda work: work.inbox.add(batch, 0.0))


async def counted(one: Worker, **wanted: int) -> None:
    async def there() -> bool:
        return await one.engine.read(lambda work: work.inbox.counts()) == wanted

    await until(there)


async def test_a_worker_handles_its_own_parts_in_order_and_others_when_they_become_its_own(path: Path) -> None:
    mine = frozenset({part(1), part(2)})
    one = await worker(path, mine)
    await put(one, *range(60))
    one.start()
    of_mine = [n for n in range(60) if part(n) in mine]
    await counted(one, done=len(of_mine), new=60 - len(of_mine))
    assert one.seen == of_mine
    assert one.while_handling == mine
    assert one.router.handling == frozenset()
    one.held.become(ALL)
    await counted(one, done=60)
    assert one.seen[len(of_mine) :] == [n for n in range(60) if part(n) not in mine]
    await one.end()


async def test_parts_that_were_lost_while_rows_were_read_are_not_handled(path: Path) -> None:
    one = await worker(path)
    read = one.engine.store.read
    await put(one, *range(20))

    async def lose(unit: Any) -> Any:
        found = await read(unit)
        one.held.parts = frozenset({part(3)})
        return found

    one.engine.store.read = lose  # type: ignore[method-assign]
    one.start()
    await counted(one, done=2, new=18)
    assert one.seen == [3, 13]
    await one.end()


async def test_an_event_of_two_workers_is_done_once(path: Path) -> None:
    """Leases protect the order; once-ness does not depend on them."""
    a, b = await worker(path), await worker(path)
    a.start()
    b.start()
    for start in range(0, 200, 20):
        await put(a, *range(start, start + 20))
    await counted(a, done=200)
    counts = await a.engine.read(lambda work: [work.facts.get(f"n{n}") for n in range(200)])
    assert counts == ["1"] * 200
    await a.end()
    await b.end()


async def test_a_row_that_becomes_visible_late_is_not_passed_over(path: Path) -> None:
    """On a server a number is given before the commit: row 1 may appear after row 2 was handled."""
    one = await worker(path)
    one.start()
    await put(one, *range(5))
    await counted(one, done=5)

    def late(work: Any) -> None:
        work._connection.execute(sa.update(inbox).where(inbox.c.id == 5).values(id=50))
        values = {"source": "telegram:1", "external_id": "late", "raw": "raw 7", "state": "new", "received_at": 0.0}
        work._connection.execute(sa.insert(inbox).values(id=5, part=part(7), **values))

    await one.engine.write(late)
    await counted(one, done=6)
    assert one.seen[-1] == 7
    await one.end()


async def test_failing_events_do_not_pile_up_in_memory(path: Path) -> None:
    """Back-pressure: those that wait for another try are bounded, however many there are."""
    most = 0

    def fail(_: Ledger, __: Event) -> None:
        nonlocal most
        most = max(most, len(one.router._retries))
        raise ZeroDivisionError

    one = await worker(path, handle=fail)
    await put(one, *range(120))
    one.start()
    await counted(one, failed=120)
    assert most < 64
    await one.end()


async def ticking(path: Path, fire: Callable[[Timer], Awaitable[Effect]], parts: frozenset[int] = ALL) -> Engine:
    registry: Registry[Ledger] = Registry()
    registry.timer("job", fire)
    engine = await make_engine(path, registry=registry)
    engine.tasks.append(asyncio.create_task(TimerLoop(engine.core, Held(parts)).run()))
    return engine


async def fire(timer: Timer) -> Effect:
    def count(ledger: Ledger) -> None:
        ledger.work.facts.set(timer.key, str(int(ledger.work.facts.get(timer.key) or 0) + 1))

    return count


async def all_fired(engine: Engine) -> None:
    async def there() -> bool:
        return await engine.read(lambda work: work.timers.next_due([])) is None

    await until(there)


async def test_a_timer_of_two_workers_has_its_effect_once(path: Path) -> None:
    a, b = await ticking(path, fire), await ticking(path, fire)
    for number in range(60):
        await a.write(lambda work, number=number: work.timers.set("job", f"j{number}", a.clock.at))  # type: ignore[misc]
    await all_fired(a)
    assert await a.read(lambda work: {work.facts.get(f"j{n}") for n in range(60)}) == {"1"}
    for engine in (a, b):
        await engine.stop()
        await engine.store.close()


async def test_a_worker_fires_the_timers_of_its_own_parts_only(path: Path) -> None:
    mine = frozenset(range(0, 64, 2))
    a = await ticking(path, fire, mine)
    for number in range(40):
        await a.write(lambda work, number=number: work.timers.set("job", f"j{number}", a.clock.at))  # type: ignore[misc]

    async def own_are_gone() -> bool:
        return await a.read(lambda work: work.timers.due(a.clock.at, [], 99, mine)) == []

    await until(own_are_gone)
    left = {timer.key for timer in await a.read(lambda work: work.timers.due(a.clock.at, [], 99))}
    assert left == {f"j{n}" for n in range(40) if part_of(f"job:j{n}") not in mine}
    b = await ticking(path, fire, ALL - mine)
    await all_fired(b)
    for engine in (a, b):
        await engine.stop()
        await engine.store.close()


async def test_a_timer_that_is_set_anew_while_it_is_under_way_happens_once_and_later(path: Path) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(timer: Timer) -> Effect:
        if not begun.is_set():
            begun.set()
            await go.wait()
        return await fire(timer)

    engine = await ticking(path, slow)
    await engine.write(lambda work: work.timers.set("job", "j", engine.clock.at))
    async with asyncio.timeout(30):
        await begun.wait()
    await engine.write(lambda work: work.timers.set("job", "j", engine.clock.at + 60))
    go.set()

    async def nothing_is_under_way() -> bool:
        return len(engine.tasks) == 1 and await engine.read(lambda work: work.timers.next_due([])) is not None

    await until(nothing_is_under_way)
    assert await engine.read(lambda work: work.facts.get("j")) is None
    engine.clock.at += 60
    await all_fired(engine)
    assert await engine.read(lambda work: work.facts.get("j")) == "1"
    await engine.stop()
    await engine.store.close()
