"""Delivery under random losses, timeouts, kills and people: the invariants of RELIABILITY section 3, and their mutants.

The courier and the store are the real ones; the platform does what fate says. A kill abandons store and courier in the
middle of whatever they do, and new ones are made over the same file.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import tempfile
import traceback
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyFailure
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection
from storage.backends import fresh

from bot.chat.messages import Reply
from bot.chat.ports import NotSent, Refused, Unclear
from bot.domain.delivery import FINAL, MAX_TRIES, Deadlines, DeliveryState, Step
from bot.engine import outbox as courier_module
from bot.engine.core import Core
from bot.engine.registry import Registry
from bot.storage import outbox as storage_module
from bot.storage.outbox import SKIP_SECONDS, Delivery, Outbox

from .world import Call, Deed, Engine, Ledger, Recorder, failing, hanging, make_engine, message_kinds, until

S = DeliveryState
SURE = {"ok", "busy", "wait", "refused"}
FATES: dict[str, Deed] = {
    "lost reply": failing(Unclear("no answer"), after=True),
    "lost request": failing(Unclear("cut off")),
    "slow, done": hanging(after=True),
    "slow, not done": hanging(),
    "busy": failing(NotSent("refused before it stood")),
    "wait": failing(NotSent("429", 7.0)),
    "refused": failing(Refused("no rights", "403")),
}
TIMEOUT = 0.02
LANES = st.sampled_from(["a", "b"])


class Strict(Recorder):
    """Looks at the file whenever a request comes in: is it in its turn (I8)?"""

    path: Path
    clock: Any
    moved_by_persons: set[str]

    async def _take(self, call: Call) -> str:
        self.check_turn(call.key)
        return await super()._take(call)

    def check_turn(self, key: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            (row, lane) = connection.execute("SELECT id, lane FROM outbox WHERE key = ?", (key,)).fetchone()
            earlier = connection.execute(
                "SELECT key, state, started_at FROM outbox WHERE lane = ? AND id < ?", (lane, row)
            ).fetchall()
        for other, state, started in earlier:
            skipped = state == "uncertain" and started < self.clock.at - SKIP_SECONDS + 1
            if not (S(state) in FINAL or skipped or other in self.moved_by_persons):
                self.faults.append(f"{key} went before {other}, which is {state}")

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.moved_by_persons = set()


class Deliveries(RuleBasedStateMachine):
    """Replies and cards in two conversations, over a platform that loses things and processes that die."""

    once = True

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.path = fresh(Path(self.folder.name) / "herald.db")
        self.orders: dict[str, tuple[int, str, str]] = {}  # key: row, kind, text
        self.again: Counter[str] = Counter()
        self.ever_uncertain: set[str] = set()

    def run(self, awaited: Any) -> Any:
        return self.runner.run(awaited)

    async def engine_over(self, platform: Strict, clock: Any) -> Engine:
        registry: Registry[Ledger] = Registry()
        message_kinds(registry, once=self.once)
        deadlines = Deadlines(timeout=TIMEOUT, lease=30, grace=5)
        return await make_engine(self.path, platform=platform, clock=clock, registry=registry, deadlines=deadlines)

    @initialize()
    def begin(self) -> None:
        async def start() -> Engine:
            platform = Strict()
            engine = await self.engine_over(platform, None)
            platform.path, platform.clock = self.path, engine.clock
            engine.start()
            return engine

        self.engine: Engine = self.run(start())
        self.platform: Strict = self.engine.platform  # type: ignore[assignment]

    def rows(self) -> dict[str, Delivery]:
        async def read() -> list[Delivery]:
            return [await self.engine.row(row) for row, _, __ in self.orders.values()]

        return {row.key: row for row in self.run(read())}

    def settle(self) -> None:
        self.run(until(self.quiet))
        self.ever_uncertain |= {key for key, row in self.rows().items() if row.state is S.UNCERTAIN}

    async def quiet(self) -> bool:
        now, held = self.engine.clock.at, "reply" if self.engine.paused else ""
        paced = bool(self.engine.limiter.paced())

        def unit(connection: Connection) -> bool:
            query = "SELECT lane, state, due_at, kind, started_at FROM outbox ORDER BY id"
            blocked: set[str] = set()
            for lane, state, due, kind, started in connection.exec_driver_sql(query):
                ready = state == "pending" and due <= now and kind != held and lane not in blocked and not paced
                if ready or state in {"claimed", "sending"}:
                    return False
                if state == "pending" or (state == "uncertain" and started >= now - SKIP_SECONDS):
                    blocked.add(lane)
            return True

        return await self.engine.store.read(unit)

    @rule(lane=LANES, kind=st.sampled_from(["reply", "reply", "card"]), fate=st.sampled_from(["ok", *FATES]))
    def approve(self, lane: str, kind: str, fate: str) -> None:
        self.platform.fates.clear()
        if fate != "ok":
            self.platform.fates.append(FATES[fate])
        key = f"k{len(self.orders)}"
        text = f"text of {key} 茶"
        row = self.run(self.engine.order(kind, f"{kind} {lane}", key=key, text=text))
        self.orders[key] = (row, kind, text)
        self.settle()

    @rule(seconds=st.sampled_from([1.0, 9.0, 20.0, SKIP_SECONDS + 1]), fate=st.sampled_from(["ok", "ok", *FATES]))
    def time_passes(self, seconds: float, fate: str) -> None:
        self.platform.fates.clear()
        if fate != "ok":
            self.platform.fates.append(FATES[fate])
        self.engine.clock.at += seconds
        self.settle()

    @rule(lane=LANES, kind=st.sampled_from(["reply", "card"]), after=st.booleans())
    def killed_while_sending(self, lane: str, kind: str, after: bool) -> None:
        """The request is made, perhaps done, and the process dies before it knows."""
        arrived = asyncio.Event()

        async def park(platform: Recorder, call: Call) -> str:
            if after:
                platform.done.append(call)
            arrived.set()
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

        async def die() -> None:
            self.platform.fates.clear()
            self.platform.fates.append(park)
            row = await self.engine.order(kind, f"{kind} {lane}", key=key, text=f"text of {key} 茶")
            self.orders[key] = (row, kind, f"text of {key} 茶")
            with suppress(TimeoutError):
                async with asyncio.timeout(TIMEOUT / 2):
                    await arrived.wait()
            await self.reborn()

        key = f"k{len(self.orders)}"
        self.run(die())
        self.settle()

    @rule()
    def killed(self) -> None:
        self.run(self.reborn())
        self.settle()

    async def reborn(self) -> None:
        clock, paused = self.engine.clock, self.engine.paused
        await self.engine.kill()
        self.platform.fates.clear()
        self.engine = await self.engine_over(self.platform, clock)
        self.engine.paused = paused
        await courier_module.recover(self.engine.core)
        self.engine.start()

    @rule()
    def stopped_and_started(self) -> None:
        async def restart() -> None:
            await self.engine.stop()
            assert not await self.engine.read(lambda work: work.doubts.orphans())
            await self.engine.store.close()
            self.engine = await self.engine_over(self.platform, self.engine.clock)
            await courier_module.recover(self.engine.core)
            self.engine.start()

        self.run(restart())
        self.settle()

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), step=st.sampled_from([Step.ARRIVED, Step.AGAIN, Step.DROP, Step.REVIVE, Step.CANCEL]))
    def somebody_decides(self, data: st.DataObject, step: Step) -> None:
        key = data.draw(st.sampled_from(sorted(self.orders)))
        self.platform.fates.clear()
        self.platform.moved_by_persons.add(key)
        done = self.run(self.engine.write(lambda work: work.outbox.by_person(self.orders[key][0], step)))
        if done and step is Step.AGAIN:
            self.again[key] += 1
        self.settle()

    @rule()
    def paused_or_resumed(self) -> None:
        self.platform.fates.clear()
        self.engine.paused = not self.engine.paused
        self.settle()

    def arrived(self, key: str) -> list[Call]:
        return [call for call in self.platform.done if call.key == key]

    @invariant()
    def what_must_hold(self) -> None:
        if not self.orders:
            return
        assert self.platform.faults == []  # I8
        rows = self.rows()
        assert len(rows) == len(self.orders)  # I5
        for key, row in rows.items():
            _, kind, text = self.orders[key]
            there = self.arrived(key)
            assert all(call.message == Reply(text) for call in there)  # I9
            assert row.tries <= MAX_TRIES  # I10
            if kind == "reply":
                assert len(there) <= 1 + self.again[key], f"{key} arrived {len(there)} times"  # I2, I7
            else:
                assert row.state is not S.UNCERTAIN
            if row.state is S.SENT and row.message_id is not None:
                assert row.message_id in {call.message_id for call in there}  # I3
            if row.state in {S.FAILED, S.DEAD} and kind == "reply" and key not in self.ever_uncertain:
                assert there == []  # I4

    def teardown(self) -> None:
        try:
            if hasattr(self, "engine"):
                self.everything_ends()
        finally:
            self.run(self.end())
            self.runner.close()
            self.folder.cleanup()

    def everything_ends(self) -> None:
        """I5: with a platform that works again every row reaches an end, or waits for a person."""
        self.engine.paused = False
        self.platform.fates.clear()
        for _ in range(2 * len(self.orders) + 2):
            self.engine.clock.at += 100
            self.settle()
        for key, row in self.rows().items():
            assert row.state in FINAL or row.state is S.UNCERTAIN, (key, row)
        self.what_must_hold()

    async def end(self) -> None:
        if hasattr(self, "engine"):
            await self.engine.stop()
            await self.engine.store.close()


class Retrying(Deliveries):
    """Mutant: what may have happened is simply done again (what most bots do)."""

    once = False


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


def caught(machine: type[Deliveries]) -> None:
    search = settings(
        max_examples=150,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    # Threads run as they like: that the same steps do not fail a second time does not undo the first.
    with pytest.raises((AssertionError, FlakyFailure)) as failure:
        run_state_machine_as_test(machine, settings=search)
    assert re.search(r"arrived \d times", "".join(traceback.format_exception(failure.value)))


def test_trying_again_after_a_timeout_is_caught() -> None:
    caught(Retrying)


def test_taking_what_was_being_sent_for_unsent_after_a_restart_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: what an expired lease means to most queues."""

    async def recover(core: Core[Ledger]) -> None:
        def unit(connection: Connection) -> None:
            connection.exec_driver_sql("UPDATE outbox SET state = 'pending' WHERE state IN ('claimed', 'sending')")

        await core.store.write(unit)

    monkeypatch.setattr(courier_module, "recover", recover)
    caught(Deliveries)


def test_not_writing_down_that_a_request_is_about_to_be_made_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: the row stays claimed until the outcome is known."""
    changed = Outbox._changed

    def begin(_: Outbox, rows: list[Delivery]) -> int:
        return len(rows)

    def late(self: Outbox, statement: Any, row: Delivery, **values: object) -> bool:
        if statement is not storage_module._RELEASE:
            mark = (
                "UPDATE outbox SET state = 'sending', started_at = ? WHERE id = ? AND token = ? AND state = 'claimed'"
            )
            self._connection.exec_driver_sql(f"{mark} AND state = 'claimed'", (self._now, row.id, row.token))
        return changed(self, statement, row, **values)

    monkeypatch.setattr(Outbox, "begin", begin)
    monkeypatch.setattr(Outbox, "_changed", late)
    caught(Deliveries)


async def test_a_missing_token_is_caught_by_the_directed_scenario(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: a write by a worker looks at the state only. Random search does not find this one."""
    from .test_courier import test_a_stopped_workers_late_answer_changes_nothing as scenario

    changed = Outbox._changed

    def unfenced(self: Outbox, statement: Any, row: Delivery, **values: object) -> bool:
        token = self._connection.exec_driver_sql("SELECT token FROM outbox WHERE id = ?", (row.id,)).scalar_one()
        current = Delivery(**{name: getattr(row, name) for name in row.__slots__} | {"token": token})
        return changed(self, statement, current, **values)

    await scenario(path)
    monkeypatch.setattr(Outbox, "_changed", unfenced)
    with pytest.raises(AssertionError):
        await scenario(fresh(path.with_name("mutant.db")))
