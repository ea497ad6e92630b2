"""The limiter under random demand, delays, refusals and restarts: what must always hold, and the mutants that break it.

It must not exceed any published window, must obey what it is told in full, put classes before each other, have the
destinations of a class take turns, and let everything go in the end.
"""

from __future__ import annotations

import heapq
import itertools
import re
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyFailure
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from bot.domain.delivery import Urgency
from bot.engine import buckets, place, schedule
from bot.engine.limiter import PUBLISHED, Candidate, Limiter, Pace, Rate
from bot.engine.places import Places
from bot.engine.schedule import Turns, urgency_of
from bot.storage.blocks import Block

from .limits import Ticks, World, busiest

WHOLE = (10, 5.0)
PLACE = (8, 4.0)
LONG = (60, 60.0)
PACE = Pace(Rate(*WHOLE, 2), (Rate(*PLACE, 6), Rate(*LONG, 6)))
NAMES = ("a", "b", "c", "d")
CLASSES = [urgency for urgency in Urgency if urgency is not Urgency.ANSWER]
STEP = 0.05


class Limits(RuleBasedStateMachine):
    """A platform that counts, and people who want to send."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Ticks()
        self.ids = itertools.count(1)
        self.waiting: list[Candidate] = []
        self.arrived: list[tuple[float, Candidate]] = []
        self.chosen: list[tuple[float, Candidate]] = []
        self.answers: list[tuple[float, int, Candidate, float | None]] = []
        self.until: dict[str, float] = {}
        self.halved: dict[str, float] = {}
        self.passed: Counter[tuple[str, str]] = Counter()
        self.way = 0.01
        self.next_wait: float | None = None
        self.blocks: dict[str, Block] = {}
        self.faults: list[str] = []
        self.born()

    def born(self) -> None:
        self.limiter = Limiter(PACE, self.clock.monotonic, self.clock.now, "model")

    # ---- what happens

    @rule(
        name=st.sampled_from(NAMES),
        urgency=st.sampled_from(CLASSES),
        count=st.sampled_from([1, 1, 2, 12, 40]),
    )
    def somebody_wants(self, name: str, urgency: Urgency, count: int) -> None:
        self.waiting += [Candidate(next(self.ids), name, urgency) for _ in range(count)]
        self.choose()

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0, 40.0]), way=st.sampled_from([0.0, 0.01, 0.3, 1.9]))
    def time_passes(self, seconds: float, way: float) -> None:
        """On a network that is as slow as this."""
        self.way = way
        for _ in range(int(seconds / STEP)):
            self.step()
            self.choose()

    @rule(seconds=st.sampled_from([60.0, 600.0]))
    def nothing_for_long(self, seconds: float) -> None:
        self.waiting.clear()
        self.passed.clear()
        self.step(seconds)

    @rule(wait=st.sampled_from([0.2, 5.0, 100.0]))
    def the_platform_refuses_the_next(self, wait: float) -> None:
        self.next_wait = wait

    @rule()
    def restarted(self) -> None:
        """Long enough after the last request for the platform's windows to be empty: only blocks matter."""
        self.finish_flying()
        self.step(LONG[1])
        self.born()
        self.limiter.load(self.blocks.values())
        self.passed.clear()
        self.halved.clear()

    # ---- the world

    def step(self, seconds: float = STEP) -> None:
        end = self.clock.at + seconds
        while self.answers and self.answers[0][0] <= end:
            at, _, one, wait = heapq.heappop(self.answers)
            self.clock.at = max(self.clock.at, at)
            if wait is None:
                self.limiter.went(one)
                continue
            block = self.limiter.told(one, wait)
            self.blocks[block.destination] = block
            self.until[one.destination] = max(self.until.get(one.destination, 0), self.clock.at + wait)
            self.halved[one.destination] = self.until[one.destination]
        self.clock.at = end

    def finish_flying(self) -> None:
        while self.answers:
            self.step(max(STEP, self.answers[0][0] - self.clock.at))

    def choose(self, free: int = 20) -> list[Candidate]:
        chosen = self.limiter.choose(self.waiting, free)
        self.judge(chosen, free)
        for one in chosen:
            self.waiting.remove(one)
            self.chosen.append((self.clock.at, one))
            # every second request is slow on the way there, every third on the way back
            at = self.clock.at + (self.way if one.id % 2 else 0.0)
            self.arrived.append((at, one))
            wait, self.next_wait = self.next_wait, None
            heapq.heappush(self.answers, (at + (self.way if one.id % 3 else 0.001), one.id, one, wait))
        return chosen

    # ---- what must hold

    def judge(self, chosen: list[Candidate], free: int) -> None:
        waits = self.limiter.waits()
        if [urgency_of(one) for one in chosen] != sorted(urgency_of(one) for one in chosen):
            self.faults.append("a lower class went first")
        lowest = max((one.urgency for one in chosen), default=Urgency.ANSWER)
        for one in self.waiting:
            passed_over = one not in chosen and one.urgency < lowest and one.urgency != Urgency.LIVE
            if passed_over and len(chosen) < free and waits.get(one.destination, 0) <= 0:
                self.faults.append(f"{one} was passed over by a lower class")
        for one in chosen:
            if self.clock.at < self.until.get(one.destination, 0) - 1e-6:
                self.faults.append(f"{one} did not wait as long as it was told")
        self.count_turns(chosen, waits)

    def count_turns(self, chosen: Iterable[Candidate], waits: dict[str, float]) -> None:
        """Among destinations of the lowest class that could go all the time, none is served twice before another."""
        chosen = [one for one in chosen if one.urgency == Urgency.BROADCAST]
        served = [one.destination for one in chosen]
        ready = {one.destination for one in self.waiting if one.urgency == Urgency.BROADCAST}
        for name in NAMES:
            if name not in ready or name in served or waits.get(name, 0) > 0:
                for other in NAMES:
                    self.passed[name, other] = 0
            else:
                for other in served:
                    self.passed[name, other] += 1
        for (name, other), count in self.passed.items():
            if count > 2:
                self.faults.append(f"{other} went {count} times before it was the turn of {name}")

    @invariant()
    def nobody_is_treated_wrongly(self) -> None:
        assert self.faults == []

    @invariant()
    def no_window_is_exceeded(self) -> None:
        recent = [(at, one) for at, one in self.arrived if at > self.clock.at - 700]
        assert busiest((at for at, _ in recent), WHOLE[1]) <= WHOLE[0], "too many in all"
        for name in NAMES:
            times = [at for at, one in recent if one.destination == name]
            for count, seconds in (PLACE, LONG):
                assert busiest(times, seconds) <= count, f"too many to {name} in {seconds} s"
            live = [at for at, one in self.chosen if one.destination == name and one.urgency == Urgency.LIVE]
            assert busiest(live, 60) <= LONG[0] // 2, f"too many live messages to {name}"

    @invariant()
    def less_after_a_refusal(self) -> None:
        """Half of four fifths to half of all of it, and five percent more after a minute."""
        for name, since in self.halved.items():
            went = [at for at, one in self.chosen if one.destination == name and since < at <= since + 30]
            figure = LONG[0] / LONG[1]
            assert len(went) <= 6 + figure * 0.55 * 30 + 1, f"{name} was not slowed down"

    def teardown(self) -> None:
        """Nobody waits for ever."""
        self.next_wait = None
        for _ in range(3000):
            if not self.waiting:
                break
            self.step(1.0)
            self.choose()
        assert self.waiting == [], "somebody waits for ever"
        self.finish_flying()
        self.nobody_is_treated_wrongly()
        self.no_window_is_exceeded()


TestLimits = Limits.TestCase
TestLimits.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


# Mutants


def not_halved(self: buckets.Level, now: float, until: float) -> None:
    self._since = max(self._since, until)


def first_come(self: Turns, candidates: Iterable[Candidate], room: int, go: schedule.Go) -> list[Candidate]:
    went: list[Candidate] = []
    for one in sorted(candidates, key=lambda one: one.id):
        if len(went) < room and go(one):
            went.append(one)
    return went


def one_class(self: schedule.Schedule, candidates: Iterable[Candidate], room: int, _kept: int, go: Any) -> Any:
    return self._classes[Urgency.REPLY].serve(candidates, room, go)


_block = Places.block


def at_most_thirty(self: Places, destination: str, seconds: float, reason: str) -> Block:
    return _block(self, destination, min(seconds, 30.0), reason)


def only_tokens(_self: buckets.Window, _now: float, _count: int) -> float:
    return 0.0


def from_the_choice(self: buckets.Window, now: float) -> None:
    """The window of a request ends so long after it was chosen, however long it was on the way."""
    self._over.append(now)


def half_the_window(self: buckets.Window, now: float, count: int) -> float:
    while self._over and self._over[0] + self.seconds / 2 <= now:
        self._over.popleft()
    excess = len(self._over) + len(self._flying) - count
    return 0.0 if excess < 0 else 0.1


def always_full(self: buckets.Bucket, now: float, level: float) -> float:
    self._tokens = self.rate.burst
    return self._window.wait(now, self._window.count)


def live_like_others(_rates: Any, _now: float) -> None:
    return None


def forgotten(_self: Places, _blocks: Any) -> None:
    """What was told before the restart is lost."""


MUTANTS: dict[str, tuple[Any, str, Callable[..., Any], str]] = {
    "no halving": (buckets.Level, "halve", not_halved, "not slowed down"),
    "first come, first served": (Turns, "serve", first_come, "before it was the turn"),
    "no classes": (schedule.Schedule, "serve", one_class, "lower class"),
    "Retry-After capped": (Places, "block", at_most_thirty, "did not wait"),
    "tokens without a window": (buckets.Window, "wait", only_tokens, "too many"),
    "half a window": (buckets.Window, "wait", half_the_window, "too many"),
    "live messages like others": (place, "_live_of", live_like_others, "live messages"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, method, mutant, words = MUTANTS[name]
    monkeypatch.setattr(owner, method, mutant)
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
    with pytest.raises((AssertionError, FlakyFailure)) as failure:
        run_state_machine_as_test(Limits, settings=search)
    assert re.search(words, "".join(traceback.format_exception(failure.value)))


def test_forgotten_blocks_are_caught_by_the_directed_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random search does not always find it: a long wait, a restart in the middle of it, and the same destination."""

    def scenario() -> None:
        world = Limits()
        world.the_platform_refuses_the_next(100.0)
        world.somebody_wants("a", Urgency.REPLY, 1)
        world.restarted()
        world.somebody_wants("a", Urgency.REPLY, 1)
        world.nobody_is_treated_wrongly()

    scenario()
    monkeypatch.setattr(Places, "load", forgotten)
    with pytest.raises(AssertionError, match="did not wait"):
        scenario()


def test_a_window_from_the_choice_is_caught_by_the_directed_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random search does not find it: it takes a full load, the whole figure, and a network that suddenly gets fast."""

    def scenario() -> None:
        clock = Ticks()
        world = World(Limiter(PUBLISHED["telegram"], clock.monotonic, clock.now), clock)
        everybody = [Candidate(number, str(number), Urgency.BROADCAST) for number in range(100)]
        for turn in range(4000):
            world.way = (lambda: 0.7) if turn % 100 < 50 else (lambda: 0.0)
            world.send(world.limiter.choose(everybody, 64 - world.flying))
            world.pass_time(0.05)
        world.check("telegram")

    scenario()
    monkeypatch.setattr(buckets.Window, "take", from_the_choice)
    with pytest.raises(AssertionError):
        scenario()
