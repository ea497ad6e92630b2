"""The limits of all destinations of one platform, and what the platform told us to wait for."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable

from bot.engine.buckets import Pace, scaled
from bot.engine.place import Place
from bot.engine.sharing import WHOLE, Need, cautious
from bot.storage.blocks import Block

ALARM_SECONDS = 900.0
"""A platform that tells us to wait longer than this wants somebody's attention."""
NO_TIME = 60.0
"""Seconds to wait when the time that a platform told is no time."""
MANY = 1000
"""Destinations that are remembered before those that were quiet are looked for."""
WHOLE_BOT = ""
"""Stands for the whole bot where destinations are named."""

LEAST_PART = 0.001
"""Nobody's part is divided by more."""

log = logging.getLogger("herald.limiter")


class Places:
    """Destinations by name. Not safe for threads: the limiter's lock is held."""

    def __init__(
        self,
        pace: Pace | None,
        monotonic: Callable[[], float],
        now: Callable[[], float],
        platform: str,
        *,
        empty: bool = False,
    ) -> None:
        self._pace = pace
        self._monotonic = monotonic
        self._now = now
        self._platform = platform
        self._places: dict[str, Place] = {}
        self._busy: set[str] = set()
        self._reasons: dict[str, str] = {}
        self._many = MANY
        self._empty_since = monotonic() if empty else None
        self._part: float | None = None
        self.bot = Place.of_bot(pace, monotonic())
        """The whole bot."""
        if empty:
            self.bot.resize(monotonic(), 1.0)

    def __len__(self) -> int:
        return len(self._places)

    def of(self, destination: str) -> Place:
        """A destination; an empty name stands for the whole bot."""
        if destination == WHOLE_BOT:
            return self.bot
        place = self._places.get(destination)
        if place is None:
            self._forget_idle()
            place = Place.of_destination(self._pace, destination, self._monotonic(), self._empty_since)
            self._places[destination] = place
        return place

    def _forget_idle(self) -> None:
        """Quiet destinations say nothing; keep their number small."""
        if len(self._places) < self._many:
            return
        now = self._monotonic()
        self._places = {name: place for name, place in self._places.items() if not place.idle(now)}
        self._many = max(MANY, 2 * len(self._places))

    def busy(self, destination: str) -> None:
        """It may have to wait from now on."""
        self._busy.add(destination)

    def waits(self, now: float, other: Callable[[str], float]) -> dict[str, float]:
        """Destinations where nothing but answers may go, with their seconds; `other` is one more reason for each."""
        waits = {name: max(self._places[name].wait(now), other(name)) for name in self._busy if name in self._places}
        found = {name: wait for name, wait in waits.items() if wait > 0}
        self._busy = set(found)
        return found

    def block(self, destination: str, seconds: float, reason: str) -> Block:
        """We were told to wait so long."""
        wait = max(0.0, seconds) if math.isfinite(seconds) else NO_TIME
        now = self._monotonic()
        place = self.of(destination)
        place.block(now, now + wait)
        self._busy.add(destination)
        self._reasons[destination] = reason
        if wait > ALARM_SECONDS:
            whom = f"channel {destination}" if destination else "the whole bot"
            log.error("%s wants us to wait for %.0f s before the next message: %s", self._platform, wait, whom)
        return Block(destination, self._now() + place.blocked(now), reason)

    def blocked(self) -> list[Block]:
        """What we were told to wait for and still do, the longest first."""
        mono, wall = self._monotonic(), self._now()
        names = {WHOLE_BOT, *self._reasons}
        waits = {name: self.of(name).blocked(mono) for name in names}
        found = [Block(name, wall + wait, self._reasons.get(name, "")) for name, wait in waits.items() if wait > 0]
        self._reasons = {block.destination: block.reason for block in found}
        return sorted(found, key=lambda block: (-block.until, block.destination))

    def load(self, blocks: Iterable[Block]) -> None:
        """Obey these, too."""
        mono, wall = self._monotonic(), self._now()
        for block in blocks:
            wait = block.until - wall
            if wait > self.of(block.destination).blocked(mono) + 1:
                self.block(block.destination, wait, block.reason)

    def confine(self, now: float, part: float | None) -> None:
        """From now on this process has only a part of the whole bot's limit, and begins without tokens; None: all."""
        if part == self._part:
            return
        self._part = part
        self._empty_since = None if part is None else now
        self.bot.resize(now, 1.0 if part is None else max(part, LEAST_PART))
        if part is not None:
            for place in self._places.values():
                place.emptied(now)

    def needs(self, destination: str, now: float, part: float, *, live: bool = False) -> list[Need]:
        """The tokens that a request takes of the shared buckets, where `part` of the whole bot's limit is shared."""
        rates = self.bot.rates(now, live=False)
        found = [
            Need(WHOLE, cautious(scaled(rate, max(part, LEAST_PART)))) for name, rate in rates.items() if name == "0"
        ]
        if destination != WHOLE_BOT:
            own = self.of(destination).rates(now, live=live)
            found += [Need(f"{destination}:{name}", cautious(rate)) for name, rate in own.items()]
        return found
