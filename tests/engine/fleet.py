"""Several workers of one bot in virtual time, with leases and shared buckets that can be lost."""

from __future__ import annotations

import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bot.chat.processes import PaceUnavailable
from bot.domain.delivery import Urgency
from bot.engine.buckets import PUBLISHED
from bot.engine.limiter import Candidate, Limiter
from bot.engine.sharing import Sharing

from .limits import Ticks, World, jitter

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Nothing of this really waits: time is virtual."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    raise AssertionError("it waits in real time")


class Buckets:
    """What Redis does with the script, in virtual time (tests/integrations/redis runs the real one)."""

    def __init__(self, clock: Ticks) -> None:
        self.clock = clock
        self.forget()
        self.down = False
        self.takes = 0

    def forget(self) -> None:
        self.born = self.clock.at
        self.known: dict[str, tuple[float, float]] = {}

    def take(self, bucket: str, rate: float, burst: float, count: int) -> float:
        self.takes += 1
        tokens, at = self.known.get(bucket, (0.0, self.born))
        tokens = min(burst, tokens + (self.clock.at - at) * rate)
        if tokens + 1e-9 < count:
            return (count - tokens) / rate
        self.known[bucket] = (tokens - count, self.clock.at)
        return 0.0


@dataclass
class Link:
    """One worker's way to the shared buckets."""

    server: Buckets
    cut: bool = False

    async def take(self, bucket: str, rate: float, burst: float, count: int) -> float:
        self._reach()
        return self.server.take(bucket, rate, burst, count)

    async def empty(self) -> None:
        self._reach()
        self.server.forget()

    def _reach(self) -> None:
        if self.cut or self.server.down:
            raise PaceUnavailable("gone")


@dataclass
class Leases:
    """The database's leases. Each worker reads them now and then, and trusts what it read for seven seconds."""

    clock: Ticks
    rows: dict[str, str] = field(default_factory=dict)


@dataclass
class Worker:
    """A worker's view of the leases."""

    me: str
    leases: Leases
    seen: frozenset[str] = frozenset()
    read_at: float = -100.0
    slow: float = 1.0

    def held(self, prefix: str) -> frozenset[str]:
        if self.leases.clock.at - self.read_at > 7:
            return frozenset()
        return frozenset(name.removeprefix(prefix) for name in self.seen if name.startswith(prefix))

    def want(self, name: str) -> None:
        self.leases.rows[name] = self.me

    def renounce(self, name: str) -> None:
        self.leases.rows.pop(name, None)

    def read(self) -> None:
        if self.leases.clock.at - self.read_at >= self.slow:
            self.read_at = self.leases.clock.at
            self.seen = frozenset(self.leases.rows)


class Fleet:
    """Workers of one bot that all want to send as much as they can to the same destinations."""

    def __init__(self, count: int, platform: str = "telegram", seed: int = 0, way: float = 0.04) -> None:
        self.clock = Ticks()
        self.platform = platform
        self.server = Buckets(self.clock)
        self.leases = Leases(self.clock)
        self.chance = random.Random(seed)
        self.way = way
        self.crew: list[Worker] = []
        self.links: list[Link] = []
        self.worlds: list[World] = []
        for _ in range(count):
            self.join()

    def join(self) -> None:
        number = len(self.crew)
        worker, link = Worker(f"w{number}", self.leases, slow=1 + number % 3), Link(self.server)
        self.leases.rows[f"worker:w{number}"] = worker.me
        sharing = Sharing(link, worker, self.platform, self.clock.monotonic)
        limiter = Limiter(PUBLISHED[self.platform], self.clock.monotonic, self.clock.now, self.platform, sharing)
        self.crew.append(worker)
        self.links.append(link)
        self.worlds.append(World(limiter, self.clock, way=jitter(self.chance.randrange(999), most=self.way)))

    def die(self, number: int) -> None:
        """Killed: what it held lasts ten seconds more, as far as the others can see."""
        name = self.crew[number].me
        self.crew[number].slow = 1e9
        self.dying.append((self.clock.at + 10, name))

    dying: list[tuple[float, str]]

    def turn(self, number: int, wanted: list[Candidate]) -> None:
        world, limiter = self.worlds[number], self.worlds[number].limiter
        self.crew[number].read()
        run(limiter.share())
        for one in limiter.choose(wanted, 64 - world.flying):
            if run(limiter.admit(one)):
                world.send([one])
            else:
                limiter.unused(one)

    def live(self, seconds: float, wanted: list[Candidate], idle: tuple[int, ...] = ()) -> None:
        until = self.clock.at + seconds
        numbers = [number for number in range(len(self.crew)) if number not in idle and self.crew[number].slow < 100]
        while self.clock.at < until:
            self.chance.shuffle(numbers)
            for number in numbers:
                self.turn(number, wanted)
            start = self.clock.at
            for world in self.worlds:
                self.clock.at = start
                world.pass_time(0.04)
            for at, name in [entry for entry in self.dying if entry[0] <= self.clock.at]:
                self.dying.remove((at, name))
                self.leases.rows = {lease: who for lease, who in self.leases.rows.items() if who != name}

    def check(self) -> None:
        together = World(self.worlds[0].limiter, self.clock)
        for world in self.worlds:
            together.order += world.order
            for name, times in world.arrived.items():
                together.arrived.setdefault(name, []).extend(times)
        together.check(self.platform)

    def sent(self) -> int:
        return sum(len(world.order) for world in self.worlds)


EVERYWHERE = [Candidate(number, name, Urgency.REPLY) for number, name in enumerate(("-1", "-2", *map(str, range(40))))]
FEW = EVERYWHERE[:6]
