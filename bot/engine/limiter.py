"""Pacing of what goes out: token buckets, one for the whole bot and one per destination (RELIABILITY section 4)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """So many messages per so many seconds, of which `burst` may come at once."""

    count: float
    seconds: float
    burst: float


@dataclass(frozen=True, slots=True)
class Pace:
    """A platform's published limits: for the whole bot and for one destination."""

    overall: Rate
    destination: tuple[Rate, ...]


SHARE = 0.8
"""We start at this part of the published figures."""

PUBLISHED = {
    # Telegram FAQ: 30 messages a second overall, 1 a second in one chat, 20 a minute in one group.
    "telegram": Pace(Rate(30, 1, 5), (Rate(1, 1, 2), Rate(20, 60, 4))),
    # Slack rate limits page: chat.postMessage about one a second in a channel, short bursts tolerated.
    "slack": Pace(Rate(20, 1, 5), (Rate(1, 1, 3),)),
    # Discord: 50 requests a second; channel buckets are observed to be 5 in 5 seconds, with no more at once.
    "discord": Pace(Rate(50, 1, 10), (Rate(5, 5, 1),)),
}


class Bucket:
    """A token bucket; times are monotonic seconds."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._fill = rate.count * SHARE / rate.seconds
        self._size = rate.burst
        self._level = rate.burst
        self._at = now

    def wait(self, now: float) -> float:
        """Seconds until a token is there."""
        self._level = min(self._size, self._level + (now - self._at) * self._fill)
        self._at = now
        return max(0.0, (1.0 - self._level) / self._fill)

    def full(self, now: float) -> bool:
        """Whether nothing has been used lately."""
        return self.wait(now) == 0.0 and self._level >= self._size

    def take(self) -> None:
        """Use one token."""
        self._level -= 1.0


class Limiter:
    """Paces one bot token. Without a pace it only obeys what the platform says."""

    def __init__(self, pace: Pace | None, monotonic: Callable[[], float]) -> None:
        self._pace = pace
        self._monotonic = monotonic
        self._overall = Bucket(pace.overall, monotonic()) if pace else None
        self._places: dict[str, list[Bucket]] = {}
        self._blocked: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, destination: str) -> bool:
        """Use a turn for this destination; False if it has to wait. Any thread may ask."""
        with self._lock:
            if self._wait(destination) > 0:
                return False
            for bucket in self._buckets(destination):
                bucket.take()
            return True

    def paced(self) -> dict[str, float]:
        """Destinations that have to wait, with their seconds."""
        with self._lock:
            known = {*self._places, *self._blocked}
            return {name: wait for name in known if (wait := self._wait(name)) > 0}

    def block(self, destination: str, seconds: float) -> None:
        """The platform told us to wait this long."""
        with self._lock:
            self._blocked[destination] = max(self._blocked.get(destination, 0.0), self._monotonic() + seconds)

    def _wait(self, destination: str) -> float:
        now = self._monotonic()
        waits = [bucket.wait(now) for bucket in self._buckets(destination)]
        until = self._blocked.get(destination)
        if until is not None and until <= now:
            del self._blocked[destination]
        return max([*waits, (until or now) - now])

    def _buckets(self, destination: str) -> list[Bucket]:
        if self._pace is None or self._overall is None:
            return []
        place = self._places.get(destination)
        if place is None:
            self._forget_idle()
            place = [Bucket(rate, self._monotonic()) for rate in self._pace.destination]
            self._places[destination] = place
        return [self._overall, *place]

    def _forget_idle(self) -> None:
        """Full buckets say nothing; keep their number small."""
        if len(self._places) < 1000:
            return
        now = self._monotonic()
        self._places = {name: own for name, own in self._places.items() if not all(b.full(now) for b in own)}
