"""Limits of one kind each: so many requests in so many seconds (RELIABILITY section 4). Times are monotonic seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bot.chat.ports import LimitSeen


@dataclass(frozen=True, slots=True)
class Rate:
    """So many messages per so many seconds, of which `burst` may come at once."""

    count: float
    seconds: float
    burst: float


@dataclass(frozen=True, slots=True)
class Pace:
    """A platform's published limits."""

    overall: Rate
    """For the whole bot."""
    destination: tuple[Rate, ...]
    """For each destination; empty where the platform tells them with its answers."""
    further: Mapping[str, tuple[Rate, ...]] = field(default_factory=dict)
    """More of them for destinations whose id begins so."""
    learns: bool = False
    """Limits of a destination are learned from answers: until one is known, one request at a time."""
    answers_count: bool = False
    """Answers to what a person just did use up what others then have to wait for."""
    answers_exempt: bool = False
    """They go even when the whole bot was told to wait."""
    invalid: Rate | None = None
    """So many refused requests in so many seconds are not to be reached."""

    def of(self, destination: str) -> tuple[Rate, ...]:
        """All published limits of a destination."""
        more = (rates for begin, rates in self.further.items() if destination.startswith(begin))
        return (*self.destination, *(rate for rates in more for rate in rates))


SHARE = 0.8
"""We start at this part of the published figures."""
FIRST_CLIMB = 0.4 / 60
"""Part of the figure by which the rate grows each second until the platform first says that it is too much."""
CLIMB = 0.05 / 60
"""The same after it said so: five percent of the figure a minute."""
LEAST = 0.05
"""The part of the figure below which no refusal takes us."""
MARGIN = 0.005
"""Seconds that a window is longer for us than for the platform."""
UNANSWERED = 0.05
"""Seconds until it is worth another look whether an answer that will tell a limit is there."""
FORGOTTEN = 60.0
"""A request of which nothing was heard for so many seconds is over."""

PUBLISHED = {
    # Telegram FAQ: 30 messages a second overall, 1 a second in one chat, 20 a minute in one group (its id is negative).
    # Edits count like messages. Answers to buttons do not, and what else answers a person goes to that person alone:
    # were they counted, the cards of a poll would stand still for as long as many people vote.
    "telegram": Pace(Rate(30, 1, 5), (Rate(1, 1, 1),), {"-": (Rate(20, 60, 4),)}),
    # Slack rate limits page: chat.postMessage about one a second in a channel, short bursts tolerated, and "several
    # hundred messages a minute" for a workspace. Edits are of tier 3, fifty a minute: no channel gets more of both.
    # What only one person sees is a method with a limit of its own.
    "slack": Pace(Rate(300, 60, 20), (Rate(3, 3, 3), Rate(50, 60, 8))),
    # Discord: 50 requests a second, from which answers to interactions are exempt; everything else is told by headers.
    # 10,000 invalid requests in ten minutes are a ban: a tenth of that stops us.
    "discord": Pace(Rate(50, 1, 10), (), learns=True, answers_exempt=True, invalid=Rate(1000, 600, 1000)),
}


def scaled(rate: Rate, part: float) -> Rate:
    """A part of a limit; where that is less than one request, one in a longer time."""
    count = rate.count * part
    if count < 1:
        return Rate(1, rate.seconds / count, 1)
    return Rate(count, rate.seconds, max(1.0, rate.burst * part))


class Level:
    """Which part of a published figure is used: halved when the platform says that it is too much, and slowly back."""

    def __init__(self, now: float, start: float = SHARE) -> None:
        self._start = start
        self._value = start
        self._since = now
        self._climb = FIRST_CLIMB

    def at(self, now: float) -> float:
        """The part at this moment, at most 1."""
        return min(1.0, self._value + max(0.0, now - self._since) * self._climb)

    def halve(self, now: float, until: float) -> None:
        """It was too much. What is refused while we wait already for `until` is the same refusal."""
        if now >= self._since:
            self._value = max(LEAST, self.at(now) / 2)
        self._climb = CLIMB
        self._since = max(self._since, until)

    def usual(self, now: float) -> bool:
        """Whether it is not lower than a new one would be."""
        return self.at(now) >= self._start


class Limit(Protocol):
    """What may have to wait. Each request is taken, and then either over or was never made."""

    def wait(self, now: float, level: float) -> float:
        """Seconds until another request may be made at this part of the limit."""

    def take(self, now: float) -> None:
        """A request is about to be made."""

    def over(self, now: float) -> None:
        """One of them has had its answer, or will have none."""

    def unused(self) -> None:
        """One of them was not made after all."""

    def idle(self, now: float) -> bool:
        """Whether nothing is known that a new one would not know."""


class Window:
    """No more than `count` requests in any window of `seconds`, wherever the platform begins to count.

    The platform counts a request at some moment between our taking it and its answer. So it holds its place from the
    first to `seconds` after the second, and no delay on the way can bring two windows' requests together.
    """

    def __init__(self, count: int, seconds: float) -> None:
        self.count = count
        self.seconds = seconds
        self._flying: deque[float] = deque()
        self._over: deque[float] = deque()

    @property
    def flying(self) -> int:
        """Requests that have no answer yet."""
        return len(self._flying)

    def wait(self, now: float, count: int) -> float:
        """Seconds until fewer than `count` are in the window."""
        while self._flying and self._flying[0] <= now - FORGOTTEN:
            self._flying.popleft()
            self._over.append(now)
        while self._over and self._over[0] + self.seconds + MARGIN <= now:
            self._over.popleft()
        excess = len(self._over) + len(self._flying) - count
        if excess < 0:
            return 0.0
        if excess < len(self._over):
            return self._over[excess] + self.seconds + MARGIN - now
        return self.seconds + MARGIN

    def take(self, now: float) -> None:
        """One more."""
        self._flying.append(now)

    def over(self, now: float) -> None:
        """Which of them does not matter: only their number counts."""
        if self._flying:
            self._flying.popleft()
            self._over.append(now)

    def unused(self) -> None:
        """The last one was not made."""
        if self._flying:
            self._flying.pop()

    def idle(self, now: float) -> bool:
        """Whether nothing is in it."""
        return self.wait(now, 1) == 0.0


class Bucket:
    """A published limit: tokens that come at a part of its rate, inside the window that is never exceeded."""

    def __init__(self, rate: Rate, now: float, empty_since: float | None = None) -> None:
        """Full, or filling only since then."""
        self.rate = rate
        self._tokens = rate.burst if empty_since is None else 0.0
        self._at = now if empty_since is None else empty_since
        self._window = Window(int(rate.count), rate.seconds)

    def wait(self, now: float, level: float) -> float:
        """Seconds until a token is there and the window has room."""
        fill = self.rate.count / self.rate.seconds * level
        self._tokens = min(self.rate.burst, self._tokens + max(0.0, now - self._at) * fill)
        self._at = max(self._at, now)
        missing = 1.0 - self._tokens
        return max(missing / fill if missing > 1e-9 else 0.0, self._window.wait(now, self._window.count))

    def take(self, now: float) -> None:
        """Use a token; there need not be one, and then others wait longer."""
        self._tokens -= 1.0
        self._window.take(now)

    def over(self, now: float) -> None:
        """A request has had its answer."""
        self._window.over(now)

    def unused(self) -> None:
        """A request was not made: its token is there again."""
        self._tokens = min(self.rate.burst, self._tokens + 1.0)
        self._window.unused()

    def idle(self, now: float) -> bool:
        """Whether it is full and its window empty."""
        return self.wait(now, SHARE) == 0.0 and self._tokens >= self.rate.burst and self._window.idle(now)

    def resize(self, rate: Rate, now: float) -> None:
        """From now on so much, and no tokens to begin with; what is in the window stays there."""
        self.rate = rate
        self._window.count = int(rate.count)
        self._window.seconds = rate.seconds
        self._tokens = min(self._tokens, 0.0)
        self._at = max(self._at, now)


class Learned:
    """A limit that the platform's answers tell. Its window is the longest that they ever named."""

    def __init__(self, seen: LimitSeen, now: float, flying: int) -> None:
        self._window = Window(max(1, seen.limit), seen.reset_after)
        for _ in range(flying):
            self._window.take(now)
        self._left = seen.limit
        self._until = now
        self.seen(seen, now)

    @property
    def rate(self) -> Rate:
        """It, as far as it is known."""
        return Rate(self._window.count, max(self._window.seconds, 0.001), self._window.count)

    def seen(self, seen: LimitSeen, now: float) -> None:
        """An answer tells how it stands. Answers may come in another order than the requests went: fewer is right."""
        self._left = min(self._left, seen.remaining) if now < self._until else seen.remaining
        self._until = max(self._until, now + seen.reset_after)
        self._window.count = max(1, seen.limit)
        self._window.seconds = max(self._window.seconds, seen.reset_after)

    def wait(self, now: float, level: float) -> float:
        """Seconds until the platform lets another one pass."""
        most = max(1, int(self._window.count * level + 1e-9))
        return max(self._told(now), self._window.wait(now, most))

    def _told(self, now: float) -> float:
        """What its last word means: so many are left until then; afterwards one asks for all."""
        if now < self._until:
            return self._until - now if self._left <= self._window.flying else 0.0
        return UNANSWERED if self._window.flying else 0.0

    def take(self, now: float) -> None:
        """A request is about to be made."""
        self._window.take(now)

    def over(self, now: float) -> None:
        """A request has had its answer; without a word about this limit it may have counted all the same."""
        self._window.over(now)

    def unused(self) -> None:
        """A request was not made."""
        self._window.unused()

    def idle(self, now: float) -> bool:
        """Whether nothing was asked of it lately."""
        return now >= self._until + FORGOTTEN and self._window.idle(now)
