"""Two limiters over a real Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from servers import Redis

from bot.domain.delivery import Urgency
from bot.engine.buckets import Pace, Rate
from bot.engine.limiter import Candidate, Limiter
from bot.engine.sharing import Sharing, cautious
from bot.integrations.redis.pace import RedisPace

PACE = Pace(Rate(60, 1, 5), (Rate(600, 1, 50),))
SHARED = cautious(PACE.overall)


@dataclass
class Together:
    """The leases of two workers that both live."""

    me: str
    names: set[str] = field(default_factory=lambda: {"worker:a", "worker:b"})

    def held(self, prefix: str) -> frozenset[str]:
        return frozenset(name.removeprefix(prefix) for name in self.names if name.startswith(prefix))

    def want(self, name: str) -> None:
        self.names.add(name)

    def renounce(self, name: str) -> None:
        self.names.discard(name)


async def greedy(limiter: Limiter, until: float, sent: list[float]) -> None:
    everybody = [Candidate(number, str(number), Urgency.REPLY) for number in range(200)]
    while time.monotonic() < until:
        await limiter.share()
        chosen = limiter.choose(everybody, 64)
        for one in chosen:
            if await limiter.admit(one):
                sent.append(time.monotonic())
                limiter.went(one)
            else:
                limiter.unused(one)
        await asyncio.sleep(0.005)


def most(seconds: float) -> float:
    """What one bucket gives in so long."""
    return SHARED.burst + SHARED.count / SHARED.seconds * seconds + 1


async def used(limiters: Sequence[Limiter], seconds: float) -> tuple[list[list[float]], float]:
    began = time.monotonic()
    sent: list[list[float]] = [[] for _ in limiters]
    tasks = zip(limiters, sent, strict=True)
    await asyncio.gather(*(greedy(one, began + seconds, its) for one, its in tasks))
    return sent, time.monotonic() - began


async def test_two_workers_use_one_bucket_and_nothing_once_it_is_gone(redis: Redis) -> None:
    names = {"worker:a", "worker:b"}
    paces = [RedisPace(redis.url, "telegram", "1:x") for _ in range(2)]
    crews = [Together(name, names) for name in "ab"]
    pairs = zip(paces, crews, strict=True)
    limiters = [
        Limiter(PACE, time.monotonic, time.time, "telegram", Sharing(pace, crew, "telegram", time.monotonic))
        for pace, crew in pairs
    ]
    try:
        sent, seconds = await used(limiters, 2.0)
        both = sum(map(len, sent))
        assert 0 < both <= most(seconds)
        redis.flush()
        sent, seconds = await used(limiters, 1.0)
        assert 0 < sum(map(len, sent)) <= most(seconds)
        redis.stop()
        sent, seconds = await used(limiters, 1.0)
        assert sum(map(len, sent)) <= 2 * SHARED.burst  # whose tokens were taken already
        assert {"alone:telegram:a", "alone:telegram:b"} <= names
        assert "" in limiters[0].waits()
    finally:
        for pace in paces:
            await pace.close()
