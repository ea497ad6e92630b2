"""Pacing of what goes out on one platform (RELIABILITY section 4): who may go now, and what platforms say about it."""

from __future__ import annotations

import asyncio
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
from bot.engine.places import WHOLE_BOT, Places
from bot.engine.schedule import Candidate, Schedule, urgency_of
from bot.engine.sharing import FRESH, SOLE, Sharing
from bot.storage.blocks import Block

ADMIT = 3.0
"""Seconds that a request may wait for new shared tokens after its own have become old."""

__all__ = ["PUBLISHED", "WHOLE_BOT", "Block", "Candidate", "Limiter", "Pace", "Rate"]

Scope = Literal["destination", "bot"]

log = logging.getLogger("herald.limiter")


class Limiter:
    """Paces one bot token. Without a pace it only obeys what the platform says. Any thread may call.

    What `choose` returned counts as under way until exactly one of `went`, `told`, `refused`, `failed_transport` or
    `unused` is called with it: a limit's window is over for a request only so long after its answer. Forgotten ones
    are taken for over after a minute.

    Several workers give it a `sharing`. Then `share` is awaited before each `choose`, and `admit` right before each
    request.
    """

    def __init__(
        self,
        pace: Pace | None,
        monotonic: Callable[[], float],
        now: Callable[[], float] = time.time,
        name: str = "",
        sharing: Sharing | None = None,
        *,
        empty: bool = False,
    ) -> None:
        """`empty`: begin without tokens, since nobody knows what a process before this one has just sent."""
        self._pace = pace
        self._monotonic = monotonic
        self._name = name
        self._sharing = sharing if sharing is not None and pace is not None else SOLE
        self._schedule = Schedule()
        self._breaker = Breaker()
        self._places = Places(pace, monotonic, now, name, empty=empty)
        self._now = now
        self._chosen: dict[int, float] = {}
        self._rest = math.inf
        self._lock = threading.Lock()

    # ---- choosing

    def choose(self, candidates: Sequence[Candidate], free: int, kept: int = 0) -> list[Candidate]:
        """Which of these rows go now, at most `free`, the most urgent first; they have their tokens.

        Class goes before class; inside a class the destinations take turns, and each one's rows go in the order in
        which they are given. So give some rows of each class, leave out the destinations in `waits()` (but not their
        answers), and do not let one destination fill the list. `kept` of the free senders are left to the three upper
        classes. Answers are never paced; whether others then have to wait for them is up to the platform.

        What could not be claimed after all is handed back by `unused`, also where a unit of work runs twice.
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

    def answer(self, one: Candidate) -> float:
        """Like `choose` for a single answer that is in no table: 0 where it goes now, else seconds until one may."""
        with self._lock:
            now = self._monotonic()
            if (down := self._breaker.wait(now)) > 0:
                return down
            rest, self._rest = self._rest, math.inf
            goes = self._go(one, now)
            wait, self._rest = self._rest, rest
            if goes and self._breaker.broken_at is not None:
                self._breaker.probe(now)
            return 0.0 if goes else wait

    def _probe(self, candidates: Sequence[Candidate], free: int, now: float) -> list[Candidate]:
        """One, and rather one that may be repeated: a probe that is lost must not leave a reply in doubt."""
        harmless = (Urgency.ANSWER, Urgency.ALERT, Urgency.LIVE, Urgency.REPLY, Urgency.BROADCAST)
        for one in sorted(candidates, key=lambda one: harmless.index(urgency_of(one))):
            if free > 0 and self._go(one, now):
                self._breaker.probe(now)
                return [one]
        return []

    def _go(self, one: Candidate, now: float) -> bool | None:
        bot, answer = self._places.bot, urgency_of(one) is Urgency.ANSWER
        whole = bot.blocked(now) if answer else max(bot.wait(now), self._sharing.pause(now), self._sharing.whole(now))
        if whole > 0 and not (answer and self._pace is not None and self._pace.answers_exempt):
            self._rest = min(self._rest, whole)
            return None
        if not answer and not self._take(one, now):
            return False
        if _counts(one, self._pace):
            bot.take(now)
            if answer:
                self._sharing.owe(self._places.needs(WHOLE_BOT, now, self._sharing.part(now)))
        self._chosen[one.id] = now
        return True

    def _take(self, one: Candidate, now: float) -> bool:
        place, live = self._places.of(one.destination), _live(one)
        self._places.busy(one.destination)
        wait = place.wait(now, live=live) or self._sharing.leave(one.destination, now)
        if not wait and self._sharing.takes:
            part = self._sharing.part(now)
            wait = self._sharing.use(self._places.needs(one.destination, now, part, live=live), now)
        if wait > 0:
            self._rest = min(self._rest, wait)
            return False
        place.take(now, live=live)
        return True

    def waits(self) -> dict[str, float]:
        """Destinations where nothing but answers may go now, with their seconds; "" stands for the whole bot."""
        with self._lock:
            now = self._monotonic()
            found = self._places.waits(now, lambda name: self._sharing.leave(name, now))
            whole = max(self._places.bot.wait(now), self._breaker.wait(now), self._sharing.pause(now))
            return found | ({WHOLE_BOT: whole} if whole > 0 else {})

    def rest(self) -> float | None:
        """Seconds until one of those that the last `choose` passed over may go; None if it passed over none."""
        with self._lock:
            rest = min(self._rest, self._sharing.look_again)
            return rest if rest < math.inf else None

    # ---- what became of them

    def went(self, one: Candidate) -> None:
        """The platform did it."""
        with self._lock:
            self._breaker.worked()
            self._end(one)

    def refused(self, one: Candidate) -> None:
        """The platform will not do it: a definite 4xx. Some platforms ban whoever makes too many of them."""
        with self._lock:
            self._breaker.worked()
            self._end(one)
            self._places.bot.invalid(self._monotonic())

    def told(self, one: Candidate, seconds: float, scope: Scope = "destination", reason: str = "") -> Block:
        """A 429: wait this long, in full, before anything else goes to its destination or from the whole bot.

        The block is to be kept in the unit that settles the row (`Work.blocks`), and given to `load` at the next start.
        """
        with self._lock:
            self._breaker.worked()
            self._end(one)
            self._places.bot.invalid(self._monotonic())
            return self._places.block(WHOLE_BOT if scope == "bot" else one.destination, seconds, reason)

    def failed_transport(self, one: Candidate) -> None:
        """It could not be reached, did not answer in time, or answered with a fault of its own (5xx)."""
        with self._lock:
            was = self._breaker.broken_at
            self._breaker.failed(self._monotonic())
            self._end(one)
            if was is None and self._breaker.broken_at is not None:
                log.warning("%s cannot be reached: nothing is sent but a probe now and then", self._name)

    def _end(self, one: Candidate) -> None:
        now = self._monotonic()
        self._chosen.pop(one.id, None)
        if urgency_of(one) is not Urgency.ANSWER:
            self._places.of(one.destination).over(now, live=_live(one))
        if _counts(one, self._pace):
            self._places.bot.over(now)

    def unused(self, one: Candidate) -> None:
        """It was chosen, and nothing was sent after all: its tokens are there again."""
        with self._lock:
            self._breaker.unused()
            self._chosen.pop(one.id, None)
            if urgency_of(one) is not Urgency.ANSWER:
                self._places.of(one.destination).unused(live=_live(one))
            if _counts(one, self._pace):
                self._places.bot.unused()

    def seen(self, seen: LimitSeen) -> None:
        """What the answer to one of our messages said about a limit; before `went` for it."""
        if math.isfinite(seen.reset_after) and seen.reset_after >= 0:
            with self._lock:
                self._places.of(seen.destination).learn(seen, self._monotonic())

    # ---- what people and other processes know

    def blocked(self) -> list[Block]:
        """What we were told to wait for and still do, the longest first."""
        with self._lock:
            return self._places.blocked()

    def load(self, blocks: Iterable[Block]) -> None:
        """Obey these, too: blocks from before a restart, or that another process was told. May be called again."""
        with self._lock:
            self._places.load(blocks)

    def broken_since(self) -> float | None:
        """Since when (UTC seconds) the platform cannot be reached, or None."""
        with self._lock:
            at = self._breaker.broken_at
            return None if at is None else self._now() - (self._monotonic() - at)

    # ---- several workers

    async def share(self) -> None:
        """Before `choose`: take the shared tokens that the last one lacked. Nothing to do for a single process."""
        await self._sharing.fetch()
        with self._lock:
            now = self._monotonic()
            self._places.confine(now, self._sharing.part(now) if self._sharing.alone else None)

    async def admit(self, one: Candidate) -> bool:
        """Right before its request: whether it may still be made. If not, it is `unused`.

        Shared tokens are good for a moment only; where writing down that a request begins took longer, this waits for
        others.
        """
        sharing, destination, live = self._sharing, one.destination, _live(one)
        until = self._monotonic() + ADMIT
        while urgency_of(one) is not Urgency.ANSWER:
            with self._lock:
                now = self._monotonic()
                if sharing.pause(now) or sharing.leave(destination, now):
                    return False
                if not sharing.takes or now - self._chosen.get(one.id, -math.inf) <= FRESH:
                    return True
                needs = self._places.needs(destination, now, sharing.part(now), live=live)
            wait = await sharing.admit(needs)
            if wait == 0 or self._monotonic() + wait > until:
                return wait == 0
            await asyncio.sleep(wait)
        return True


def _counts(one: Candidate, pace: Pace | None) -> bool:
    """Whether it counts for the whole bot."""
    return urgency_of(one) is not Urgency.ANSWER or (pace is not None and pace.answers_count)


def _live(one: Candidate) -> bool:
    return urgency_of(one) is Urgency.LIVE
