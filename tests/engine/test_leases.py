"""Leases: at most one process believes that it holds something, whatever is paused, killed or slow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.domain.parts import ALL
from bot.engine.leases import PART, Claims, Plan, Timing
from bot.storage.leases import PRESENCE, Leases
from bot.storage.tables import leases as table

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
