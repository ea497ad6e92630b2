"""Delivery under random losses, timeouts, kills, suspensions and people: the invariants of RELIABILITY section 3.

Courier, reconciler, reaper and store are the real ones; the platform does what fate says. A kill abandons store and
courier in the middle of whatever they do; a suspended worker (SIGSTOP) stands still between two steps while the others
go on. `test_delivery_mutants.py` shows that the model catches what must not be left out.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Coroutine
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Connection
from storage.backends import fresh

from bot.chat.messages import Reply
from bot.chat.ports import NotSent, Refused, Unclear
from bot.domain.delivery import FINAL, MAX_TRIES, Deadlines, DeliveryState, Step
from bot.engine.courier import Begun
from bot.engine.registry import Registry
from bot.storage.outbox import SKIP_SECONDS, Delivery

from .world import (
    Call,
    Deed,
    Engine,
    Finder,
    HandClock,
    Ledger,
    Recorder,
    do_it,
    failing,
    hanging,
    make_engine,
    message_kinds,
    unknown,
    until,
)

T = TypeVar("T")
S = DeliveryState
TIMEOUT = 0.02
LEASE = 30.0
GRACE = 5.0
LATE = 4.0
"""Seconds after which a request that was given up lands all the same: within the quiet period."""
STEP_SECONDS = (1.0, 6.0, 20.0, LEASE + 1, SKIP_SECONDS + 1)
LANES = st.sampled_from(["a", "b"])


class Slow(Recorder):
    """Keeps requests that land later, and looks at the file at each one: is it in its turn (I8)?"""

    path: Path
    clock: HandClock

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.moved_by_persons: set[str] = set()
        self.landing: list[tuple[float, Call]] = []

    async def _take(self, call: Call) -> str:
        self._check_turn(call.key)
        return await super()._take(call)

    def _check_turn(self, key: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            (row, lane) = connection.execute("SELECT id, lane FROM outbox WHERE key = ?", (key,)).fetchone()
            earlier = connection.execute(
                "SELECT key, state, started_at FROM outbox WHERE lane = ? AND id < ?", (lane, row)
            ).fetchall()
        for other, state, started in earlier:
            skipped = started is not None and started < self.clock.at - SKIP_SECONDS + 1
            if not (S(state) in FINAL or skipped or other in self.moved_by_persons):
                self.faults.append(f"{key} went before {other}, which is {state}")

    def land(self, now: float) -> None:
        """What was on its way until now is there."""
        self.done += [call for at, call in self.landing if at <= now]
        self.landing = [(at, call) for at, call in self.landing if at > now]


class SlowFinder(Slow, Finder):
    """The same, and it can be asked."""


async def land_late(platform: Recorder, call: Call) -> str:
    """No answer; and the request is done all the same, a while later."""
    assert isinstance(platform, Slow)
    platform.landing.append((platform.clock.at + LATE, call))
    raise Unclear("no answer")


FATES: dict[str, Deed] = {
    "lost reply": failing(Unclear("no answer"), after=True),
    "lost request": failing(Unclear("cut off")),
    "lands late": land_late,
    "slow, done": hanging(after=True),
    "slow, not done": hanging(),
    "busy": failing(NotSent("refused before it stood")),
    "wait": failing(NotSent("429", 7.0)),
    "refused": failing(Refused("no rights", "403")),
}
FATE = st.sampled_from(["ok", "ok", *FATES])


class Deliveries(RuleBasedStateMachine):
    """Replies and cards in two conversations. Platform: nobody can ask it what arrived. One process works."""

    once = True
    finds = False
    workers = 1

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.path = fresh(Path(self.folder.name) / "herald.db")
        self.numbers = itertools.count()
        self.orders: dict[str, tuple[int, str, str]] = {}  # key: row, kind, text
        self.again: Counter[str] = Counter()
        self.ever_uncertain: set[str] = set()
        self.paused = False
        self.engines: list[Engine] = []

    def run(self, awaited: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(awaited)

    async def new_engine(self) -> Engine:
        registry: Registry[Ledger] = Registry()
        message_kinds(registry, once=self.once)
        deadlines = Deadlines(timeout=TIMEOUT, lease=LEASE, grace=GRACE)
        engine = await make_engine(
            self.path, platform=self.platform, clock=self.clock, registry=registry, deadlines=deadlines
        )
        engine.paused = self.paused
        if self.workers == 1:
            await engine.recover()
        engine.start()
        return engine

    @initialize()
    def begin(self) -> None:
        async def start() -> list[Engine]:
            self.platform: Slow = SlowFinder() if self.finds else Slow()
            self.clock = HandClock()
            self.platform.path, self.platform.clock = self.path, self.clock
            return [await self.new_engine() for _ in range(self.workers)]

        self.engines = self.run(start())

    # ---- what is the case

    @property
    def writer(self) -> Engine:
        """One whose store can be used, to put orders in and look at rows."""
        return next((one for one in self.engines if one.store.awake is None), self.engines[0])

    def rows(self) -> dict[str, Delivery]:
        async def read() -> list[Delivery]:
            return [await self.engines[0].row(row) for row, _, __ in self.orders.values()]

        return {row.key: row for row in self.run(read())}

    def settle(self) -> None:
        self.run(self.until_quiet())
        self.ever_uncertain |= {key for key, row in self.rows().items() if row.state is S.UNCERTAIN}

    async def until_quiet(self) -> None:
        """Until all that is awake has nothing to do: seen three times in a row, for what is between two steps."""
        seen = 0

        async def there() -> bool:
            nonlocal seen
            seen = seen + 1 if await self.quiet() else 0
            return seen >= 3

        await until(there)

    async def quiet(self) -> bool:
        awake = [one for one in self.engines if one.store.awake is None]
        for engine in awake:
            engine.courier._woken.set()
            engine.reconciler._woken.set()
        if not awake:
            return True
        busy = {row for engine in awake for row in engine.courier.busy()}
        paced = all(one.limiter.waits() or one.limiter.broken_since() is not None for one in awake)
        held = "reply" if self.paused else ""
        now = self.clock.at

        def unit(connection: Connection) -> bool:
            query = "SELECT id, lane, state, due_at, kind, started_at, look_at FROM outbox ORDER BY id"
            blocked: set[str] = set()
            for row, lane, state, due, kind, started, look_at in connection.exec_driver_sql(query):
                ready = state == "pending" and due <= now and kind != held and lane not in blocked and not paced
                if ready or row in busy or (look_at is not None and look_at <= now):
                    return False
                if state in {"pending", "claimed", "sending"} or (
                    state == "uncertain" and started >= now - SKIP_SECONDS
                ):
                    blocked.add(lane)
            return True

        return await self.engines[0].store.read(unit)

    # ---- what happens

    def fated(self, fate: str) -> None:
        self.platform.fates.clear()
        if fate != "ok":
            self.platform.fates.append(FATES[fate])

    def ordered(self, lane: str, kind: str) -> str:
        key = f"k{next(self.numbers)}"
        text = f"text of {key} 茶"
        row = self.run(self.writer.order(kind, f"{kind} {lane}", key=key, text=text))
        self.orders[key] = (row, kind, text)
        return key

    @rule(lane=LANES, kind=st.sampled_from(["reply", "reply", "card"]), fate=FATE)
    def approve(self, lane: str, kind: str, fate: str) -> None:
        if self.writer.store.awake is None:
            self.fated(fate)
            self.ordered(lane, kind)
            self.settle()

    @rule(seconds=st.sampled_from(STEP_SECONDS), fate=FATE)
    def time_passes(self, seconds: float, fate: str) -> None:
        self.fated(fate)
        self.run(self.watch())
        self.clock.at += seconds
        self.platform.land(self.clock.at)
        self.run(self.watch())
        self.settle()

    async def watch(self) -> None:
        if self.workers > 1:
            for engine in self.engines:
                if engine.store.awake is None:
                    await engine.reaper.look()

    @precondition(lambda self: self.finds)
    @rule(error=st.sampled_from([Unclear("cut off"), NotSent("busy"), NotSent("429", 9.0), Refused("no scope")]))
    def the_next_look_up_fails(self, error: Exception) -> None:
        assert isinstance(self.platform, Finder)
        self.platform.looks.clear()
        self.platform.looks.append(unknown(error))

    @rule(lane=LANES, kind=st.sampled_from(["reply", "card"]), after=st.booleans())
    def killed_while_sending(self, lane: str, kind: str, after: bool) -> None:
        """The request is made, perhaps done, and the process dies before it knows."""
        if self.writer.store.awake is not None:
            return
        arrived = asyncio.Event()
        self.platform.fates.clear()
        self.platform.fates.append(self.parked(arrived, after=after))
        key = self.ordered(lane, kind)

        async def die() -> None:
            await _soon(arrived)
            await self.reborn(self.engines.index(self.sender(key)))

        self.run(die())
        self.settle()

    def parked(self, arrived: asyncio.Event, *, after: bool) -> Deed:
        async def park(platform: Recorder, call: Call) -> str:
            if after:
                platform.done.append(call)
            arrived.set()
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

        return park

    @rule(number=st.integers(0, 1))
    def killed(self, number: int) -> None:
        self.platform.fates.clear()
        self.run(self.reborn(number % self.workers))
        self.settle()

    async def reborn(self, number: int) -> None:
        await self.engines[number].kill()
        self.platform.fates.clear()
        self.engines[number] = await self.new_engine()

    @rule()
    def stopped_and_started(self) -> None:
        async def restart() -> None:
            engine = self.engines[0]
            engine.store.resume()
            await engine.stop()
            if self.workers == 1:
                assert not await engine.read(lambda work: work.doubts.orphans())
            await engine.store.close()
            self.engines[0] = await self.new_engine()

        self.run(restart())
        self.settle()

    @precondition(lambda self: self.workers > 1)
    @rule(lane=LANES, kind=st.sampled_from(["reply", "card"]), answered=st.booleans(), fate=FATE)
    def suspended_while_sending(self, lane: str, kind: str, answered: bool, fate: str) -> None:
        """SIGSTOP between the mark and the request, or with the answer in its hands; the others go on."""
        if any(one.store.awake is not None for one in self.engines):
            return
        self.fated(fate)

        async def stop_there(platform: Recorder, call: Call) -> str:
            self.sender(call.key).store.suspend()
            return await do_it(platform, call)

        def begun(engine: Engine) -> Any:
            def hear(result: object) -> None:
                if isinstance(result, list) and any(isinstance(one, Begun) for one in result):
                    engine.store.committed = None
                    engine.store.suspend()

            return hear

        if answered:
            self.platform.fates.clear()
            self.platform.fates.append(stop_there)
        else:
            for engine in self.engines:
                engine.store.committed = begun(engine)
        self.ordered(lane, kind)
        self.settle()
        for engine in self.engines:
            engine.store.committed = None

    def sender(self, key: str) -> Engine:
        """Whoever is sending this; the first one if nobody is."""
        with closing(sqlite3.connect(self.path)) as connection:
            (row,) = connection.execute("SELECT id FROM outbox WHERE key = ?", (key,)).fetchone()
        return next((one for one in self.engines if row in one.courier.busy()), self.engines[0])

    @precondition(lambda self: self.workers > 1)
    @rule(fate=FATE)
    def resumed(self, fate: str) -> None:
        self.fated(fate)
        for engine in self.engines:
            engine.store.resume()
        self.settle()

    @rule(back=st.integers(0, 9), step=st.sampled_from([Step.ARRIVED, Step.AGAIN, Step.DROP, Step.REVIVE, Step.CANCEL]))
    def somebody_decides(self, back: int, step: Step) -> None:
        if not self.orders:
            return
        key = list(self.orders)[-1 - back % len(self.orders)]
        row = self.rows()[key]
        if self.writer.store.awake is not None or (row.state is S.UNCERTAIN and row.look_at is not None):
            return  # nobody is asked while it is looked up
        self.platform.fates.clear()
        self.platform.moved_by_persons.add(key)
        done = self.run(self.writer.write(lambda work: work.outbox.by_person(self.orders[key][0], step)))
        if done and step is Step.AGAIN:
            self.again[key] += 1
        self.settle()

    @rule()
    def paused_or_resumed(self) -> None:
        self.platform.fates.clear()
        self.paused = not self.paused
        for engine in self.engines:
            engine.paused = self.paused
        self.settle()

    # ---- what must hold

    def arrived(self, key: str) -> list[Call]:
        return [call for call in self.platform.done if call.key == key]

    @invariant()
    def what_must_hold(self) -> None:
        if not self.orders:
            return
        assert self.platform.faults == []  # I8
        rows = self.rows()
        assert len(rows) == len(self.orders)  # I5
        on_its_way = {call.key for _, call in self.platform.landing}
        for key, row in rows.items():
            _, kind, text = self.orders[key]
            there = self.arrived(key)
            assert all(call.message == Reply(text) for call in there)  # I9
            assert row.tries <= MAX_TRIES  # I10
            if kind == "reply":
                self.not_too_often(key, len(there), 1 + self.again[key])  # I2, I7
            else:
                assert row.state is not S.UNCERTAIN
            if row.state is S.SENT and row.message_id is not None:
                assert row.message_id in {call.message_id for call in there}  # I3
            sure = self.finds or key not in self.ever_uncertain  # otherwise a person may have been wrong
            if row.state in {S.FAILED, S.DEAD} and kind == "reply" and sure and not self.again[key]:
                assert there == []  # I4
                assert key not in on_its_way

    def not_too_often(self, key: str, times: int, most: int) -> None:
        """How often a reply may be there."""
        assert times <= most, f"{key} arrived {times} times"

    def teardown(self) -> None:
        try:
            if self.engines:
                self.everything_ends()
        finally:
            self.run(self.end())
            self.runner.close()
            self.folder.cleanup()

    def everything_ends(self) -> None:
        """I5: with a platform that works again every row reaches an end; what cannot be looked up waits for people."""
        for engine in self.engines:
            engine.store.resume()
            engine.paused = self.paused = False
        if isinstance(self.platform, Finder):
            self.platform.looks.clear()
        for _ in range(2 * len(self.orders) + 4):
            self.time_passes_plainly(100)
        for key, row in self.rows().items():
            waits = row.state is S.UNCERTAIN and row.look_at is None
            assert row.state in FINAL or waits, (key, row)
        self.what_must_hold()

    def time_passes_plainly(self, seconds: float) -> None:
        self.fated("ok")
        self.run(self.watch())
        self.clock.at += seconds
        self.platform.land(self.clock.at)
        self.run(self.watch())
        self.settle()

    async def end(self) -> None:
        for engine in self.engines:
            engine.store.resume()
            await engine.stop()
            await engine.store.close()


async def _soon(event: asyncio.Event) -> None:
    """Wait for it, but not for long: it may not come."""
    with suppress(TimeoutError):
        async with asyncio.timeout(TIMEOUT / 2):
            await event.wait()


class Asked(Deliveries):
    """The platform can be asked what arrived."""

    finds = True


class Several(Deliveries):
    """Two workers on one store."""

    workers = 2


class SeveralAsked(Deliveries):
    """Two workers, and a platform that can be asked."""

    finds = True
    workers = 2


SEARCH = settings(
    max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False
)
TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = SEARCH
TestAsked = Asked.TestCase
TestAsked.settings = SEARCH
TestSeveral = Several.TestCase
TestSeveral.settings = SEARCH
TestSeveralAsked = SeveralAsked.TestCase
TestSeveralAsked.settings = SEARCH
