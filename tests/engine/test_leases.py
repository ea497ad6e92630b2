"""Leases: at most one process believes that it holds something, whatever is paused, killed or slow."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Connection

from bot.chat.ports import StoreUnavailable
from bot.domain.parts import ALL
from bot.engine.leases import PART, Claims, Keeper, Plan, Timing
from bot.storage.leases import PRESENCE, Leases
from bot.storage.tables import leases as table

from .world import MortalStore, until

TIMING = Timing(beat=3, lease=10)
GATE = "gateway:slack"
PROMISE = 15.0
"""Seconds after a death in which somebody else holds what the dead one held (issue 3)."""


class Process:
    """One process, step by step: between any two steps anything may happen, and any time may pass.

    Its clock began at another moment than the others'.
    """

    def __init__(self, database: Database, name: str, offset: float) -> None:
        self.database = database
        self.offset = offset
        self.claims = Claims(name, TIMING, worker=True, wanted={GATE})
        self.beaten = float("-inf")
        self.busy: set[int] = set()
        self.at = "look"
        self.next: Callable[[], None] = self.look

    def now(self) -> float:
        return self.database.now + self.offset

    def then(self, at: str, call: Callable[[], None]) -> None:
        self.at, self.next = at, call

    def step(self) -> None:
        self.next()

    def look(self) -> None:
        rows = self.database.run(lambda leases: leases.all())
        self.then("decide", lambda: self.decide(rows))

    def decide(self, rows: Any) -> None:
        plan = self.claims.plan(rows, self.now(), self.busy)
        if plan or self.now() - self.beaten >= TIMING.beat:
            since = self.now()
            self.then("write", lambda: self.write(plan, since))
        else:
            self.then("look", self.look)

    def write(self, plan: Plan, since: float) -> None:
        me = self.claims.me
        self.claims.giving(plan.give)

        def unit(leases: Leases) -> frozenset[str]:
            for name, seen in plan.take:
                leases.take(name, me, "", seen)
            leases.give(me, plan.give)
            leases.forget(plan.forget)
            return leases.beat(me)

        names = self.database.run(unit)
        self.then("learn", lambda: self.learn(names, since))

    def learn(self, names: Collection[str], since: float) -> None:
        self.claims.renewed(names, since)
        self.beaten = since
        self.then("look", self.look)

    def believes(self) -> set[str]:
        parts = {f"{PART}{part}" for part in self.claims.parts(self.now())}
        return parts | ({GATE} if self.claims.holds(GATE, self.now()) else set())


class Database:
    """One table of leases, and the time that passes for everybody."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.engine = sa.create_engine("sqlite://")
        self.connection = self.engine.connect()
        table.create(self.connection)

    def run(self, unit: Callable[[Leases], Any]) -> Any:
        self.connection.info["topics"] = set()
        return unit(Leases(self.connection))

    def close(self) -> None:
        self.connection.close()
        self.engine.dispose()


class Several(RuleBasedStateMachine):
    """Processes that come, stop for any time at any step, and die."""

    def __init__(self) -> None:
        super().__init__()
        self.database = Database()
        self.processes: list[Process] = []
        self.numbers = 0

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self.database.close()

    @initialize()
    def two(self) -> None:
        self.join(0.0)
        self.join(500.0)

    @precondition(lambda self: len(self.processes) < 4)
    @rule(offset=st.floats(-900, 900))
    def join(self, offset: float) -> None:
        self.numbers += 1
        self.processes.append(Process(self.database, f"p{self.numbers}", offset))

    @rule(number=st.integers(0, 3), count=st.integers(1, 8))
    def go_on(self, number: int, count: int) -> None:
        if self.processes:
            process = self.processes[number % len(self.processes)]
            for _ in range(count):
                process.step()
                self.nobody_shares()

    @rule(seconds=st.sampled_from([0.1, 0.9, 1.0, 2.9, 3.0, 6.9, 7.0, 9.9, 10.0, 10.1, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self.database.now += seconds

    @rule(seconds=st.floats(0.5, 40))
    def all_go_on_as_they_should(self, seconds: float) -> None:
        self.run_for(seconds, self.processes)

    @rule(number=st.integers(0, 3), seconds=st.floats(0.5, 40))
    def all_but_one_go_on(self, number: int, seconds: float) -> None:
        if self.processes:
            paused = self.processes[number % len(self.processes)]
            self.run_for(seconds, [one for one in self.processes if one is not paused])

    @rule(number=st.integers(0, 3), part=st.integers(0, 63))
    def something_is_under_way(self, number: int, part: int) -> None:
        if self.processes:
            busy = self.processes[number % len(self.processes)].busy
            busy.symmetric_difference_update({part})

    @precondition(lambda self: len(self.processes) > 1)
    @rule(number=st.integers(0, 3))
    def die(self, number: int) -> None:
        del self.processes[number % len(self.processes)]

    @invariant()
    def nobody_shares(self) -> None:
        believed = Counter(name for process in self.processes for name in process.believes())
        assert [name for name, count in believed.items() if count > 1] == []

    def run_for(self, seconds: float, processes: list[Process]) -> None:
        """They look as often as they should, and every step takes them a moment."""
        end = self.database.now + seconds
        while self.database.now < end:
            for process in processes:
                for _ in range(4):
                    process.step()
                    self.nobody_shares()
                    self.database.now += 0.01
            self.database.now += TIMING.look

    def settle(self) -> None:
        """Whatever has happened, in so many seconds everything is held, by living ones, and evenly."""
        if not self.processes:
            return
        for process in self.processes:
            process.busy.clear()
        self.run_for(PROMISE, self.processes)
        assert Counter(name for process in self.processes for name in process.believes()) == Counter(
            [GATE, *(f"{PART}{part}" for part in ALL)]
        )
        counts = [len(process.claims.parts(process.now())) for process in self.processes]
        assert max(counts) - min(counts) <= 1
        present = {row.name for row in self.database.run(lambda leases: leases.all()) if PRESENCE in row.name}
        assert present == {f"{PRESENCE}{process.claims.me}" for process in self.processes}


Several.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
TestSeveral = Several.TestCase


@pytest.fixture
def several() -> Any:
    machine = Several()
    machine.two()
    machine.run_for(PROMISE, machine.processes)
    yield machine
    machine.database.close()


def holder_of(machine: Several, name: str) -> Process:
    (process,) = [one for one in machine.processes if name in one.believes()]
    return process


def test_what_a_dead_process_held_has_moved_within_fifteen_seconds(several: Several) -> None:
    """Wherever between two beats it dies."""
    for _ in range(10):
        dead = holder_of(several, GATE)
        several.processes.remove(dead)
        several.run_for(PROMISE, several.processes)
        assert [GATE in one.believes() for one in several.processes] == [True]
        several.join(7.0)
        several.run_for(PROMISE + several.numbers * 0.37, several.processes)


def test_a_paused_holder_stops_by_itself_before_anybody_else_begins(several: Several) -> None:
    holder = holder_of(several, GATE)
    several.run_for(TIMING.trust + TIMING.look, [one for one in several.processes if one is not holder])
    assert holder.believes() == set()
    assert [one for one in several.processes if GATE in one.believes()] == []
    several.run_for(TIMING.beat + 2 * TIMING.look, [one for one in several.processes if one is not holder])
    assert holder_of(several, GATE) is not holder
    several.run_for(3 * TIMING.look, [holder])
    assert GATE not in holder.believes()


def test_a_holder_that_was_paused_in_the_middle_of_a_renewal_does_not_believe_in_it(several: Several) -> None:
    """Its renewal is written, and it learns of that only much later."""
    holder = holder_of(several, GATE)
    while holder.at != "learn":
        several.database.now += TIMING.look
        holder.step()
    several.run_for(60, [one for one in several.processes if one is not holder])
    assert holder_of(several, GATE) is not holder
    holder.step()
    several.nobody_shares()
    assert holder.believes() == set()


def test_after_an_outage_of_the_database_nobody_takes_from_those_who_live(several: Several) -> None:
    def owners() -> dict[str, tuple[str, int]]:
        return {row.name: (row.holder, row.token) for row in several.database.run(lambda leases: leases.all())}

    before = owners()
    for _ in range(6):  # wherever between two beats it comes
        several.database.now += 300
        assert [one.believes() for one in several.processes] == [set(), set()]
        several.run_for(PROMISE + 0.7, several.processes)
        assert owners() == before


def test_a_part_is_not_handed_over_while_something_of_it_is_under_way(several: Several) -> None:
    first = several.processes[0]
    first.busy = set(range(64))
    several.join(0.0)
    several.run_for(PROMISE, several.processes)
    joined = several.processes[-1]
    leaving = {int(name.removeprefix(PART)) for name in first.claims.leaving}
    assert len(leaving) >= 10
    assert not leaving & first.claims.parts(first.now())
    assert not leaving & joined.claims.parts(joined.now())
    first.busy.clear()
    several.run_for(PROMISE, several.processes)
    assert leaving <= joined.claims.parts(joined.now())


# The loop around it, over a real store.

QUICK = Timing(beat=0.3, lease=1.0)


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


async def test_a_worker_joins_leaves_and_dies(path: Path) -> None:
    (a, store_a, _), (b, store_b, _) = await keeper(path, "a"), await keeper(path, "b")
    tasks = await running(a)
    await holds(a, 64)
    assert a.held("worker:") == {"a"}
    tasks += await running(b)
    await holds(a, 32)
    await holds(b, 32)
    assert not a.mine() & b.mine()
    assert a.held("worker:") == b.held("worker:") == {"a", "b"}

    tasks[1].cancel()
    await asyncio.gather(tasks[1], return_exceptions=True)
    await b.leave()
    assert b.mine() == frozenset()
    await holds(a, 64)

    tasks += await running(b)
    await holds(b, 32)
    store_b.dead = True
    await holds(b, 0)  # it stops by itself
    assert b.held("worker:") == frozenset()
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

    store, time = Forgetful(path), Time()
    await store.open()
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
