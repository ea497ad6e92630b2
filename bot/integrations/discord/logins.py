"""How often the bot may log in to the gateway (IDENTIFY).

Discord counts the log-ins of 24 hours and takes the token away from a bot that goes beyond 1,000 (reference, "Gateway:
Identifying"): a bot that crashes once a minute gets there. So the times are kept where they outlive the process, and
log-ins are spread out long before. A resumed session is none.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.chat.ports import PlatformDown, Sink

log = logging.getLogger("herald.discord")

DAY = 86_400.0
DAY_LIMIT = 1_000
"""Log-ins in 24 hours that Discord allows, unless it says otherwise."""
SPARED = 0.9
"""The part of them that we allow ourselves; a person's other programs may use the token too."""
MOST_A_DAY = int(DAY_LIMIT * SPARED)
RECENT = 600.0
"""Seconds in which FREE log-ins need not wait."""
IDENTIFY_APART = 5.0
"""Seconds between two log-ins to the gateway, at least (Discord reference, "Rate Limiting")."""
FREE = 3
FIRST_WAIT = 120.0
"""Seconds from the last log-in to the next one when FREE are used up; each further one waits twice as long."""
LONGEST_WAIT = 900.0


@dataclass(frozen=True, slots=True)
class Clocks:
    """UTC seconds, seconds that never jump back, and how to wait for some."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class LogIns:
    """The log-ins of one application in the last 24 hours, by shard: each shard logs in by itself.

    How soon a shard may do so again is counted for it alone, the day's limit for all of them. The shards that other
    processes hold are read anew each time. Only what is kept beyond the process uses the wall clock; ages are counted
    by the monotonic one, so that a clock that is set while we run changes nothing. `most` is the day's limit.
    """

    def __init__(self, sink: Sink, application: int, clocks: Clocks, shards: int = 1, most: int = MOST_A_DAY) -> None:
        self._sink = sink
        self._application = application
        self._now = clocks.now
        self._monotonic = clocks.monotonic
        self._shards = shards
        self._most = most
        self._own: dict[int, list[float]] = {}
        """By `monotonic`, in their order, for each shard that this process has asked about."""

    async def wait(self, shard: int = 0) -> float:
        """The seconds to wait before a shard's next log-in.

        Raises PlatformDown at the day's limit, and StoreUnavailable.
        """
        times, here = await self._recalled(shard), self._monotonic()
        await self._check()
        recent = sum(here - at < RECENT for at in times)
        if recent < FREE:
            return 0.0
        apart = min(FIRST_WAIT * 2.0 ** min(recent - FREE, 10), LONGEST_WAIT)
        return max(0.0, times[-1] + apart - here)

    async def note(self, shard: int = 0) -> None:
        """Count one that is about to be sent, and have it on disk before. Raises StoreUnavailable."""
        times = [*await self._recalled(shard), self._monotonic()]
        offset = self._now() - times[-1]
        await self._sink.remember(self._name(shard), json.dumps([round(at + offset, 1) for at in times]))
        self._own[shard] = times

    async def _check(self) -> None:
        """Raise PlatformDown when there may be no further log-in today, whichever shard it is for."""
        here, times = self._monotonic(), []
        for shard in range(self._shards):
            times += await self._recalled(shard) if shard in self._own else await self._kept(self._name(shard))
        if self._shards > 1:  # what was counted before the bot was sharded
            times += await self._kept(f"discord:{self._application}:logins")
        if len(times) >= self._most:
            until = self._now() + sorted(times)[-self._most] + DAY - here
            raise PlatformDown(_too_many(self._most, until))

    async def _recalled(self, shard: int) -> list[float]:
        here = self._monotonic()
        if shard not in self._own:
            self._own[shard] = await self._kept(self._name(shard))
        self._own[shard] = [at for at in self._own[shard] if here - at < DAY]
        return self._own[shard]

    async def _kept(self, name: str) -> list[float]:
        """The times under this name in the last 24 hours, by `monotonic`."""
        here = self._monotonic()
        offset = here - self._now()
        # A time that lies ahead was kept before the clock was set back: it counts as now.
        times = sorted(min(at + offset, here) for at in _read(await self._sink.recall(name)))
        return [at for at in times if here - at < DAY]

    def _name(self, shard: int) -> str:
        every = f"discord:{self._application}:logins"
        return every if self._shards == 1 else f"{every}:{shard}"


class Turns:
    """Who may log in now: one shard at a time of those that Discord puts together, and not soon after another.

    `at_once` is Discord's `max_concurrency`: shards with the same remainder share one log-in in IDENTIFY_APART seconds.
    """

    def __init__(self, clocks: Clocks, at_once: int = 1) -> None:
        self._clocks = clocks
        self._at_once = max(1, at_once)
        self._holders: dict[int, int] = {}
        self._locks: dict[int, asyncio.Lock] = {}
        self._last: dict[int, float] = {}

    async def enter(self, shard: int) -> None:
        """Wait for the shard's turn; it ends with `leave`, whether it has logged in or not."""
        key = shard % self._at_once
        await self._locks.setdefault(key, asyncio.Lock()).acquire()
        self._holders[key] = shard
        try:
            if key in self._last:
                wait = self._last[key] + IDENTIFY_APART - self._clocks.monotonic()
                if wait > 0:
                    await self._clocks.sleep(wait)
        except BaseException:
            self.leave(shard)
            raise

    def logged_in(self, shard: int) -> None:
        """The log-in is being sent: the next shard may follow in a while."""
        self._last[shard % self._at_once] = self._clocks.monotonic()
        self.leave(shard)

    def leave(self, shard: int) -> None:
        """The turn is over, if it was this shard's."""
        key = shard % self._at_once
        if self._holders.get(key) == shard:
            del self._holders[key]
            self._locks[key].release()


def _read(kept: str | None) -> list[float]:
    """The times in a kept fact; one that cannot be read is none, and is said."""
    try:
        return [float(at) for at in json.loads(kept or "[]")]
    except (TypeError, ValueError):
        log.warning("discord: the kept times of log-ins cannot be read; they are counted from zero")
        return []


def _too_many(most: int, until: float) -> str:
    when = datetime.fromtimestamp(until, UTC)
    return (
        f"{most} log-ins to Discord's gateway within 24 hours, and at {most * 10 // 9:,} Discord resets the bot's "
        f"token: find out why the bot starts so often. It may go on after {when:%Y-%m-%d %H:%M} UTC; start it again "
        "then."
    )
