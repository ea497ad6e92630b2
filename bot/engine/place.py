"""What is known about the limits of one destination, or of the whole bot. Times are monotonic seconds."""

from __future__ import annotations

from collections import deque

from bot.chat.ports import LimitSeen
from bot.engine.buckets import SHARE, UNANSWERED, Bucket, Learned, Level, Limit, Pace, Rate, Window, scaled

LIVE_PART = 0.5
"""The part of a destination's minute budget that live messages may use."""
NEVER = 10**9
"""More requests than there can be."""
FIRST = Rate(1, 1, 1)
"""How often several processes together ask a destination whose limits are not known yet."""


class Place:
    """The limits that a request has to pass together, and until when the platform wants none at all."""

    def __init__(
        self, rates: tuple[Rate, ...], now: float, *, learns: bool = False, empty_since: float | None = None
    ) -> None:
        self._rates = rates
        self._limits = [Bucket(rate, now, empty_since) for rate in rates]
        self._live = _live_of(rates, now)
        self._learned: dict[str, Learned] = {}
        self._learns = learns
        self._requests = Window(NEVER, 0.0)
        self._level = Level(now, 1.0 if learns else SHARE)
        self._blocked = now
        self._invalid: deque[float] = deque()
        self._most_invalid: Rate | None = None

    @staticmethod
    def of_bot(pace: Pace | None, now: float) -> Place:
        """The whole bot."""
        place = Place((pace.overall,) if pace else (), now)
        place._most_invalid = pace.invalid if pace else None
        return place

    @staticmethod
    def of_destination(pace: Pace | None, destination: str, now: float, empty_since: float | None) -> Place:
        """One destination. Its buckets are full, or have been filling only since then."""
        rates = pace.of(destination) if pace else ()
        return Place(rates, now, learns=bool(pace and pace.learns), empty_since=empty_since)

    def wait(self, now: float, *, live: bool = False) -> float:
        """Seconds until another request may be made, a live one if so said."""
        level = self._level.at(now)
        waits = [limit.wait(now, level) for limit in self._all(live)]
        waits += [self.blocked(now), self._wait_for_first(now)]
        return max(waits)

    def blocked(self, now: float) -> float:
        """Seconds that the platform told us to wait, or that refused requests make us wait."""
        return max(0.0, self._blocked - now, self._wait_for_invalid(now))

    def take(self, now: float, *, live: bool = False) -> None:
        """A request is about to be made."""
        self._requests.take(now)
        for limit in self._all(live):
            limit.take(now)

    def over(self, now: float, *, live: bool = False) -> None:
        """It has had its answer, or will have none."""
        self._requests.over(now)
        for limit in self._all(live):
            limit.over(now)

    def unused(self, *, live: bool = False) -> None:
        """It was not made after all."""
        self._requests.unused()
        for limit in self._all(live):
            limit.unused()

    def block(self, now: float, until: float) -> None:
        """The platform wants nothing before `until`, and less from then on."""
        self._level.halve(now, until)
        self._blocked = max(self._blocked, until)

    def learn(self, seen: LimitSeen, now: float) -> None:
        """An answer told one of the limits."""
        known = self._learned.get(seen.bucket)
        if known is not None:
            known.seen(seen, now)
            return
        self._requests.wait(now, NEVER)
        self._learned[seen.bucket] = Learned(seen, now, self._requests.flying)
        self._learned = {name: one for name, one in self._learned.items() if name == seen.bucket or not one.idle(now)}
        if self._learns and seen.destination:
            live = _live_of(tuple(one.rate for one in self._learned.values()), now)
            if live and (self._live is None or live.rate != self._live.rate):
                self._live = live

    def invalid(self, now: float) -> None:
        """A request was refused."""
        if self._most_invalid is not None:
            self._invalid.append(now)

    def emptied(self, now: float) -> None:
        """Begin without tokens."""
        for bucket in [*self._limits, *([self._live] if self._live else [])]:
            bucket.resize(bucket.rate, now)

    def resize(self, now: float, part: float) -> None:
        """From now on only a part of each limit is ours, and it begins without tokens."""
        for bucket, rate in zip(self._limits, self._rates, strict=True):
            bucket.resize(scaled(rate, part), now)

    def rates(self, now: float, *, live: bool) -> dict[str, Rate]:
        """The limits that a request has to pass, as they are used at present, by names that are ours."""
        used = min(1.0, self._level.at(now) / SHARE)
        found = {str(number): scaled(rate, used) for number, rate in enumerate(self._rates)}
        found |= {f"learned:{name}": scaled(one.rate, used) for name, one in self._learned.items()}
        if self._learns and not self._learned:
            found["first"] = FIRST
        return found | ({"live": self._live.rate} if live and self._live else {})

    def idle(self, now: float) -> bool:
        """Whether nothing is known that a new one would not know."""
        limits = self._all(live=True)
        quiet = self._requests.idle(now) and now >= self._blocked and self._level.usual(now)
        return quiet and all(limit.idle(now) for limit in limits)

    def _all(self, live: bool) -> list[Limit]:
        limits: list[Limit] = [*self._limits, *self._learned.values()]
        return [*limits, self._live] if live and self._live else limits

    def _wait_for_first(self, now: float) -> float:
        """While no answer has told a limit, one request at a time finds out."""
        if not self._learns or self._learned or self._requests.wait(now, 1) == 0.0:
            return 0.0
        return UNANSWERED

    def _wait_for_invalid(self, now: float) -> float:
        most = self._most_invalid
        if most is None:
            return 0.0
        while self._invalid and self._invalid[0] <= now - most.seconds:
            self._invalid.popleft()
        excess = len(self._invalid) - int(most.count)
        return self._invalid[excess] + most.seconds - now if excess >= 0 else 0.0


def _live_of(rates: tuple[Rate, ...], now: float) -> Bucket | None:
    """Half of the minute's budget that the tightest of the limits leaves."""
    if not rates:
        return None
    budget = max(1, int(min(rate.count / rate.seconds for rate in rates) * 60 * LIVE_PART))
    return Bucket(Rate(budget, 60.0, min(2.0, budget)), now)
