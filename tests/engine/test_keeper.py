"""The loop that keeps leases, over a real store: joining, leaving, dying, and answers that were lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from bot.chat.ports import StoreUnavailable
from bot.engine.leases import Keeper, Timing
from bot.storage.leases import Leases

from .world import MortalStore, until

GATE = "gateway:slack"
QUICK = Timing(beat=0.4, lease=2.0)


class Time:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead


async def keeper(path: Path, me: str, *, worker: bool = True) -> tuple[Keeper, MortalStore, Time]:
    store, time = MortalStore(path), Time()
    await store.open()
    return Keeper(store, me, f"about {me}", QUICK, worker=worker, seconds=time), store, time


async def running(*keepers: Keeper) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(one.run()) for one in keepers]


async def end(tasks: list[asyncio.Task[None]], *stores: MortalStore) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for store in stores:
        await store.close()


async def holds(one: Keeper, count: int) -> None:
    async def there() -> bool:
        return len(one.mine()) == count

    await until(there)


async def knows(one: Keeper, *workers: str) -> None:
    async def there() -> bool:
        return one.held("worker:") == set(workers)

    await until(there)


async def test_a_worker_joins_leaves_and_dies(path: Path) -> None:
    (a, store_a, _), (b, store_b, _) = await keeper(path, "a"), await keeper(path, "b")
    tasks = await running(a)
    await holds(a, 64)
    await knows(a, "a")
    tasks += await running(b)
    await holds(a, 32)
    await holds(b, 32)
    assert not a.mine() & b.mine()
    await knows(a, "a", "b")
    await knows(b, "a", "b")

    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)
    await b.leave()
    assert b.mine() == frozenset()
    await holds(a, 64)

    tasks += await running(b)
    await holds(b, 32)
    store_b.dead = True
    await holds(b, 0)  # it stops by itself
    await knows(b)
    await holds(a, 64)  # and is taken over
    await end(tasks, store_a, store_b)


async def test_a_gateways_lease_is_waited_for_held_and_lost(path: Path) -> None:
    (a, store_a, time_a), (b, store_b, _) = await keeper(path, "a", worker=False), await keeper(path, "b", worker=False)
    a.want(GATE)
    tasks = await running(a)
    await asyncio.wait_for(a.gained(GATE), 30)
    b.want(GATE)
    tasks += await running(b)
    waiting = asyncio.create_task(b.gained(GATE))
    losing = asyncio.create_task(a.lost(GATE))
    assert a.mine() == frozenset()  # it is no worker
    store_a.full = True
    await asyncio.wait_for(losing, 30)
    await asyncio.wait_for(waiting, 30)
    assert not a.holds(GATE)
    store_a.full = False

    async def refused() -> bool:
        rows = await store_a.read(lambda connection: Leases(connection).all())
        return {row.name: row.holder for row in rows} == {GATE: "b"}

    await until(refused)
    b.renounce(GATE)
    await asyncio.wait_for(a.gained(GATE), 30)
    time_a.ahead += 60  # the machine was suspended, and its timers know nothing of it
    assert not a.holds(GATE)
    await end(tasks, store_a, store_b)


async def test_listeners_hear_of_every_change(path: Path) -> None:
    a, store, _ = await keeper(path, "a")
    heard: list[int] = []
    a.listen(lambda: heard.append(len(a.mine())))
    tasks = await running(a)
    await holds(a, 64)
    store.dead = True
    await holds(a, 0)

    async def told() -> bool:
        return heard[-1] == 0

    await until(told)
    assert heard[-2:] == [64, 0]
    await end(tasks, store)


async def test_what_was_written_although_the_answer_was_lost_is_found(path: Path) -> None:
    """An unknown outcome is neither believed in nor forgotten."""

    class Forgetful(MortalStore):
        forget = False

        async def write(self, unit: Callable[[Connection], Any]) -> Any:
            result = await super().write(unit)
            if self.forget:
                self.forget = False
                raise StoreUnavailable("the answer was lost")
            return result

    store = Forgetful(path)
    await store.open()

    def time() -> float:
        return 1.0

    a = Keeper(store, "a", "", QUICK, worker=False, seconds=time)
    a.want(GATE)
    store.forget = True
    with pytest.raises(StoreUnavailable):
        await a.turn()
    assert not a.holds(GATE)
    await a.turn()
    assert a.holds(GATE)
    a.renounce(GATE)
    store.forget = True
    with pytest.raises(StoreUnavailable):
        await a.turn()
    b = Keeper(store, "b", "", QUICK, worker=False, seconds=time)
    b.want(GATE)
    await b.turn()
    a.want(GATE)
    assert (a.holds(GATE), b.holds(GATE)) == (False, True)
    await a.turn()
    assert (a.holds(GATE), b.holds(GATE)) == (False, True)
    await store.close()


@given(st.floats(0.01, 5), st.floats(3, 20))
def test_a_holder_stops_before_the_others_begin_whatever_the_settings(beat: float, ratio: float) -> None:
    timing = Timing(beat, beat * ratio)
    assert timing.trust + beat <= timing.lease * 1.000001
    assert timing.look <= beat


async def test_a_renewal_counts_from_when_it_was_begun(path: Path) -> None:
    class Slow(MortalStore):
        async def write(self, unit: Callable[[Connection], Any]) -> Any:
            result = await super().write(unit)
            time.ahead += QUICK.trust
            return result

    store, time = Slow(path), Time()
    await store.open()
    a = Keeper(store, "a", "", QUICK, worker=True, seconds=time)
    a.want(GATE)
    await a.turn()
    assert not a.holds(GATE)
    assert a.mine() == frozenset()
    await store.close()


@pytest.mark.parametrize("trouble", ["gone", "silent"])
async def test_a_stop_is_not_held_up_by_a_store_that_cannot_be_used(
    path: Path, trouble: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bot.engine.leases.LEAVE_SECONDS", 0.01)
    a, store, _ = await keeper(path, "a")
    await a.turn()
    if trouble == "gone":
        store.dead = True
    else:
        store.awake = asyncio.Event()
    await a.leave()
    assert "others take them over" in caplog.text
    assert a.mine() == frozenset()
    store.awake = None
    await store.close()
