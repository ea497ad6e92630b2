"""Delivery under random losses, timeouts, kills, suspensions and people: the invariants of RELIABILITY section 3.

Courier, reconciler, reaper and store are the real ones; the platform does what fate says. A kill abandons store and
courier in the middle of whatever they do; a suspended worker (SIGSTOP) stands still between two steps while the others
go on. `test_delivery_mutants.py` shows that the model catches what must not be left out.
"""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from bot.chat.messages import Reply
from bot.chat.ports import NotSent, Refused, Unclear
from bot.domain.delivery import FINAL, MAX_TRIES, Step
from bot.engine.claiming import Begun

from .delivery_scene import FATE, LANES, STEP_SECONDS, S, Scene, Slow, SlowFinder, soon
from .world import (
    Call,
    Engine,
    Finder,
    HandClock,
    Recorder,
    do_it,
    unknown,
)


class Deliveries(Scene):
    """Replies and cards in two conversations. Nobody can ask the platform what arrived. One process works."""

    @initialize()
    def begin(self) -> None:
        async def start() -> list[Engine]:
            self.platform: Slow = SlowFinder() if self.finds else Slow()
            self.clock = HandClock()
            self.platform.path, self.platform.clock = self.path, self.clock
            return [await self.new_engine() for _ in range(self.workers)]

        self.engines = self.run(start())

    @rule(lane=LANES, kind=st.sampled_from(["reply", "reply", "card"]), fate=FATE)
    def approve(self, lane: str, kind: str, fate: str) -> None:
        if self.writer.store.awake is None:
            self.fated(fate)
            self.ordered(lane, kind)
            self.settle()

    @rule(seconds=st.sampled_from(STEP_SECONDS), fate=FATE)
    def time_passes(self, seconds: float, fate: str) -> None:
        self.fated(fate)
        self.pass_time(seconds)

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
            await soon(arrived)
            await self.reborn(self.engines.index(self.sender(key)))

        self.run(die())
        self.settle()

    @rule(number=st.integers(0, 1))
    def killed(self, number: int) -> None:
        self.platform.fates.clear()
        self.run(self.reborn(number % self.workers))
        self.settle()

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
            self.fated("ok")
            self.pass_time(100)
        for key, row in self.rows().items():
            waits = row.state is S.UNCERTAIN and row.look_at is None
            assert row.state in FINAL or waits, (key, row)
        self.what_must_hold()


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
