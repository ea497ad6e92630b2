"""Pacing of what goes out on one platform (RELIABILITY section 4): who may go now, and what platforms say about it."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from bot.chat.ports import LimitSeen
from bot.domain.delivery import Urgency
from bot.engine.breaker import Breaker
from bot.engine.buckets import PUBLISHED, Pace, Rate
from bot.engine.place import Place
from bot.engine.schedule import Candidate, Schedule, urgency_of
from bot.storage.blocks import Block

ALARM_SECONDS = 900.0
"""A platform that tells us to wait longer than this wants somebody's attention."""
NO_TIME = 60.0
"""Seconds to wait when the time that a platform told is no time."""
MANY = 1000
"""Destinations that are remembered before those that were quiet are looked for."""
WHOLE_BOT = ""
"""Stands for the whole bot where destinations are named."""

__all__ = ["PUBLISHED", "Block", "Candidate", "Limiter", "Pace", "Rate"]

Scope = Literal["destination", "bot"]

log = logging.getLogger("herald.limiter")


class Limiter:
    """Paces one bot token. Without a pace it only obeys what the platform says. Any thread may call.

    What `choose` returned counts as under way until exactly one of `went`, `told`, `refused`, `failed_transport` or
    `unused` is called with it: a limit's window is over for a request only so long after its answer. Forgotten ones
    are taken for over after a minute.
    """

    def __init__(
        self, pace: Pace | None, monotonic: Callable[[], float], now: Callable[[], float] = time.time, name: str = ""
    ) -> None:
        self._pace = pace
        self._monotonic = monotonic
        self._now = now
        self._name = name
        self._schedule = Schedule()
        self._breaker = Breaker()
        self._bot = Place.of_bot(pace, monotonic())
        self._places: dict[str, Place] = {}
        self._waiting: set[str] = set()
        self._reasons: dict[str, str] = {}
        self._many = MANY
        self._rest = math.inf
        self._lock = threading.Lock()

    def choose(self, candidates: Sequence[Candidate], free: int, kept: int = 0) -> list[Candidate]:
        """Which of these rows go now, at most `free`, the most urgent first; they have their tokens.

        Class goes before class; inside a class the destinations take turns, and each one's rows go in the order in
        which they are given. So give some rows of each class, leave out the destinations in `waits()` (but not their
        answers), and do not let one destination fill the list. `kept` of the free senders are left to the three upper
        classes. Answers are never paced, but use up what others then have to wait for.

        It is no part of a unit of work, which may run twice: choose, then claim, and hand back by `unused` what could
        not be claimed.
        """
        with self._lock:
            now = self._monotonic()
            self._rest = math.inf
            if (down := self._breaker.wait(now)) > 0:
                self._rest = down
                return []
            if self._breaker.broken_at is not None:
                return self._probe(candidates, free, now)
            return self._schedule.serve(candidates, free, kept, lambda one: self._go(one, now))

    def _probe(self, candidates: Sequence[Candidate], free: int, now: float) -> list[Candidate]:
        """One, and rather one that may be repeated: a probe that is lost must not leave a reply in doubt."""
        harmless = (Urgency.ANSWER, Urgency.ALERT, Urgency.LIVE, Urgency.REPLY, Urgency.BROADCAST)
        for one in sorted(candidates, key=lambda one: harmless.index(urgency_of(one))):
            if free > 0 and self._go(one, now):
                self._breaker.probe(now)
                return [one]
        return []

    def _go(self, one: Candidate, now: float) -> bool | None:
        urgency = urgency_of(one)
        answer = urgency is Urgency.ANSWER
        if (whole := self._bot.blocked(now) if answer else self._bot.wait(now)) > 0 and self._counts(urgency):
            self._rest = min(self._rest, whole)
            return None
        if not answer and not self._take(one, urgency is Urgency.LIVE, now):
            return False
        if self._counts(urgency):
            self._bot.take(now)
        return True

    def _take(self, one: Candidate, live: bool, now: float) -> bool:
        place = self._place(one.destination)
        wait = place.wait(now, live=live)
        self._waiting.add(one.destination)
        if wait > 0:
            self._rest = min(self._rest, wait)
            return False
        place.take(now, live=live)
        return True

    def _counts(self, urgency: Urgency) -> bool:
        """Whether it counts for the whole bot."""
        return not (urgency is Urgency.ANSWER and self._pace is not None and self._pace.answers_exempt)

    def waits(self) -> dict[str, float]:
        """Destinations where nothing but answers may go now, with their seconds; "" stands for the whole bot."""
        with self._lock:
            now = self._monotonic()
            waits = {name: self._places[name].wait(now) for name in self._waiting if name in self._places}
            self._waiting = {name for name, wait in waits.items() if wait > 0}
            found = {name: waits[name] for name in self._waiting}
            whole = max(self._bot.wait(now), self._breaker.wait(now))
            return found | ({WHOLE_BOT: whole} if whole > 0 else {})

    def rest(self) -> float | None:
        """Seconds until one of those that the last `choose` passed over may go; None if it passed over none."""
        with self._lock:
            return self._rest if self._rest < math.inf else None

    def went(self, one: Candidate) -> None:
        """The platform did it."""
        self._over(one)

    def refused(self, one: Candidate) -> None:
        """The platform will not do it: a definite 4xx. Some platforms ban whoever makes too many of them."""
        self._over(one)
        with self._lock:
            self._bot.invalid(self._monotonic())

    def _over(self, one: Candidate) -> None:
        with self._lock:
            self._breaker.worked()
            self._end(one)

    def _end(self, one: Candidate) -> None:
        now = self._monotonic()
        urgency = urgency_of(one)
        if urgency is not Urgency.ANSWER:
            self._place(one.destination).over(now, live=urgency is Urgency.LIVE)
        if self._counts(urgency):
            self._bot.over(now)

    def failed_transport(self, one: Candidate) -> None:
        """It could not be reached, did not answer in time, or answered with a fault of its own (5xx)."""
        with self._lock:
            was = self._breaker.broken_at
            self._breaker.failed(self._monotonic())
            self._end(one)
            if was is None and self._breaker.broken_at is not None:
                log.warning("%s cannot be reached: nothing is sent but a probe now and then", self._name)

    def unused(self, one: Candidate) -> None:
        """It was chosen, and nothing was sent after all: its tokens are there again."""
        with self._lock:
            self._breaker.unused()
            urgency = urgency_of(one)
            if urgency is not Urgency.ANSWER:
                self._place(one.destination).unused(live=urgency is Urgency.LIVE)
            if self._counts(urgency):
                self._bot.unused()

    def told(self, one: Candidate, seconds: float, scope: Scope = "destination", reason: str = "") -> Block:
        """A 429: wait this long, in full, before anything else goes to its destination or from the whole bot.

        The block is to be kept in the unit that settles the row (`Work.blocks`), and given to `load` at the next start.
        """
        with self._lock:
            self._breaker.worked()
            self._end(one)
            self._bot.invalid(self._monotonic())
            return self._block(WHOLE_BOT if scope == "bot" else one.destination, seconds, reason)

    def _block(self, destination: str, seconds: float, reason: str) -> Block:
        wait = max(0.0, seconds) if math.isfinite(seconds) else NO_TIME
        now = self._monotonic()
        place = self._place(destination)
        place.block(now, now + wait)
        self._waiting.add(destination)
        self._reasons[destination] = reason
        if wait > ALARM_SECONDS:
            whom = f"channel {destination}" if destination else "the whole bot"
            log.error("%s wants us to wait for %.0f s before the next message: %s", self._name, wait, whom)
        return Block(destination, self._now() + place.blocked(now), reason)

    def seen(self, seen: LimitSeen) -> None:
        """What an answer said about a limit; before `went` for the same request."""
        if not (math.isfinite(seen.reset_after) and seen.reset_after >= 0):
            return
        with self._lock:
            self._place(seen.destination).learn(seen, self._monotonic())

    def blocked(self) -> list[Block]:
        """What we were told to wait for and still do, the longest first."""
        with self._lock:
            mono, wall = self._monotonic(), self._now()
            places = {WHOLE_BOT: self._bot, **{name: self._places[name] for name in self._reasons if name}}
            found = [
                Block(name, wall + wait, self._reasons.get(name, ""))
                for name, place in places.items()
                if (wait := place.blocked(mono)) > 0
            ]
            self._reasons = {block.destination: block.reason for block in found}
            return sorted(found, key=lambda block: -block.until)

    def load(self, blocks: Iterable[Block]) -> None:
        """Obey these, too: blocks from before a restart, or that another process was told. May be called again."""
        with self._lock:
            mono, wall = self._monotonic(), self._now()
            for block in blocks:
                wait = block.until - wall
                if wait > self._place(block.destination).blocked(mono) + 1:
                    self._block(block.destination, wait, block.reason)

    def broken_since(self) -> float | None:
        """Since when (UTC seconds) the platform cannot be reached, or None."""
        with self._lock:
            at = self._breaker.broken_at
            return None if at is None else self._now() - (self._monotonic() - at)

    def take(self, destination: str) -> bool:
        """As before `choose`: use a turn for this destination; False if it has to wait."""
        one = Candidate(0, destination, Urgency.BROADCAST)
        with self._lock:
            if not self._go(one, self._monotonic()):
                return False
            self._end(one)
            return True

    def paced(self) -> dict[str, float]:
        """As before `waits`."""
        return self.waits()

    def block(self, destination: str, seconds: float) -> None:
        """As before `told`."""
        with self._lock:
            self._block(destination, seconds, "")

    def _place(self, destination: str) -> Place:
        if destination == WHOLE_BOT:
            return self._bot
        place = self._places.get(destination)
        if place is None:
            self._forget_idle()
            place = self._places[destination] = Place.of_destination(self._pace, destination, self._monotonic())
        return place

    def _forget_idle(self) -> None:
        """Quiet destinations say nothing; keep their number small."""
        if len(self._places) < self._many:
            return
        now = self._monotonic()
        self._places = {name: place for name, place in self._places.items() if not place.idle(now)}
        self._many = max(MANY, 2 * len(self._places))
