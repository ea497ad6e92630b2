"""A platform's side of the limits, in virtual time: requests take their time, and windows are counted exactly."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bot.domain.delivery import Urgency
from bot.engine.limiter import Candidate, Limiter, Pace

EXACT = 1e-6
WHOLE = {"telegram": (30, 1.0), "slack": (300, 60.0), "discord": (50, 1.0)}
"""What is published for the whole bot: requests in a window of seconds."""
CHAT = {"telegram": [(1, 1.0)], "slack": [(3, 3.0), (50, 60.0)], "discord": []}
GROUP = {"telegram": [(1, 1.0), (20, 60.0)], "slack": [(3, 3.0), (50, 60.0)], "discord": []}


class Ticks:
    """A clock that is moved by hand; wall time began long before."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.wall = 1_700_000_000.0

    def monotonic(self) -> float:
        return self.at

    def now(self) -> float:
        return self.wall + self.at


def busiest(times: Iterable[float], seconds: float) -> int:
    """The most of these moments that any window of so many seconds holds (its beginning is not in it)."""
    ordered = sorted(times)
    most = start = 0
    for end, moment in enumerate(ordered):
        while ordered[start] <= moment - seconds + EXACT:
            start += 1
        most = max(most, end - start + 1)
    return most


@dataclass(order=True)
class _Answer:
    at: float
    number: int
    one: Candidate = field(compare=False)


@dataclass
class World:
    """Takes what the limiter lets go, after a while on the way, and answers a while later."""

    limiter: Limiter
    clock: Ticks
    way: Callable[[], float] = lambda: 0.01
    arrived: dict[str, list[float]] = field(default_factory=dict)
    order: list[tuple[float, Candidate]] = field(default_factory=list)
    refuse: Callable[[Candidate, float], float | None] = lambda _one, _at: None
    """The seconds of a 429, or None."""
    _answers: list[_Answer] = field(default_factory=list)
    _numbers: Iterable[int] = field(default_factory=itertools.count)

    @property
    def flying(self) -> int:
        return len(self._answers)

    def send(self, chosen: Iterable[Candidate]) -> None:
        for one in chosen:
            at = self.clock.at + self.way()
            self.arrived.setdefault(one.destination, []).append(at)
            self.order.append((at, one))
            heapq.heappush(self._answers, _Answer(at + self.way(), next(iter(self._numbers)), one))

    def pass_time(self, seconds: float) -> None:
        """Move the clock; whatever is answered meanwhile is answered at its time."""
        end = self.clock.at + seconds
        while self._answers and self._answers[0].at <= end:
            answer = heapq.heappop(self._answers)
            self.clock.at = max(self.clock.at, answer.at)
            wait = self.refuse(answer.one, answer.at)
            if wait is None:
                self.limiter.went(answer.one)
            else:
                self.limiter.told(answer.one, wait)
        self.clock.at = end

    def check(self, platform: str, answers: bool = True) -> None:
        """No window, wherever it begins, holds more than is published."""
        every = [at for at, one in self.order if answers or one.urgency > 0]
        assert busiest(every, WHOLE[platform][1]) <= WHOLE[platform][0], "too many in all"
        for name, times in self.arrived.items():
            for count, seconds in (GROUP if name.startswith("-") else CHAT)[platform]:
                assert busiest(times, seconds) <= count, f"{name}: {count} in {seconds:g} s"


def jitter(seed: int, least: float = 0.0, most: float = 0.4) -> Callable[[], float]:
    """Delays on the way: mostly short, some long."""
    chance = random.Random(seed)
    return lambda: least + (most - least) * chance.random() ** 4


def limiter_of(pace: Pace | None, name: str = "telegram") -> tuple[Limiter, Ticks]:
    clock = Ticks()
    return Limiter(pace, clock.monotonic, clock.now, name), clock


def to(destination: str, urgency: Urgency = Urgency.BROADCAST, row: int = 0) -> Candidate:
    return Candidate(row, destination, urgency)


def goes(limiter: Limiter, one: Candidate) -> bool:
    """Whether it may go; if so it is answered at once."""
    if not limiter.choose([one], 1):
        return False
    limiter.went(one)
    return True
