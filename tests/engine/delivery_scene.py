"""Workers, a store that outlives them and a platform that loses things: what the model of delivery is made of."""

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

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from sqlalchemy import Connection
from storage.backends import fresh

from bot.chat.ports import NotSent, Refused, Unclear
from bot.domain.delivery import FINAL, Deadlines, DeliveryState
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
    failing,
    hanging,
    make_engine,
    message_kinds,
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


class Scene(RuleBasedStateMachine):
    """Workers on one store and one platform; by default one, on a platform that cannot be asked what arrived."""

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

    async def watch(self) -> None:
        if self.workers > 1:
            for engine in self.engines:
                if engine.store.awake is None:
                    await engine.reaper.look()

    async def reborn(self, number: int) -> None:
        await self.engines[number].kill()
        self.platform.fates.clear()
        self.engines[number] = await self.new_engine()

    def sender(self, key: str) -> Engine:
        """Whoever is sending this; the first one if nobody is."""
        with closing(sqlite3.connect(self.path)) as connection:
            (row,) = connection.execute("SELECT id FROM outbox WHERE key = ?", (key,)).fetchone()
        return next((one for one in self.engines if row in one.courier.busy()), self.engines[0])

    def parked(self, arrived: asyncio.Event, *, after: bool) -> Deed:
        async def park(platform: Recorder, call: Call) -> str:
            if after:
                platform.done.append(call)
            arrived.set()
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

        return park

    def arrived(self, key: str) -> list[Call]:
        return [call for call in self.platform.done if call.key == key]

    async def end(self) -> None:
        for engine in self.engines:
            engine.store.resume()
            await engine.stop()
            await engine.store.close()

    def pass_time(self, seconds: float) -> None:
        """What is due meanwhile happens, and what was on its way arrives first."""
        self.run(self.watch())
        self.clock.at += seconds
        self.platform.land(self.clock.at)
        self.run(self.watch())
        self.settle()


async def soon(event: asyncio.Event) -> None:
    """Wait for it, but not for long: it may not come."""
    with suppress(TimeoutError):
        async with asyncio.timeout(TIMEOUT / 2):
            await event.wait()
