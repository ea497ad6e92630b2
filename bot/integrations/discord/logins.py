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
MOST_A_DAY = 900
"""Log-ins in 24 hours that we allow ourselves of Discord's 1,000; a person's other programs may use the token too."""
RECENT = 600.0
"""Seconds in which FREE log-ins need not wait."""
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
    """The log-ins of one application in the last 24 hours.

    Only what is kept beyond the process uses the wall clock; ages are counted by the monotonic one, so that a clock
    that is set while we run changes nothing.
    """

    def __init__(self, sink: Sink, application: int, clocks: Clocks) -> None:
        self._sink = sink
        self._name = f"discord:{application}:logins"
        self._now = clocks.now
        self._monotonic = clocks.monotonic
        self._times: list[float] | None = None
        """By `monotonic`, in their order; None until they are recalled."""

    async def wait(self) -> float:
        """The seconds to wait before the next log-in. Raises PlatformDown at the day's limit, and StoreUnavailable."""
        times, here = await self._recalled(), self._monotonic()
        if len(times) >= MOST_A_DAY:
            raise PlatformDown(_too_many(self._now() + times[-MOST_A_DAY] + DAY - here))
        recent = sum(here - at < RECENT for at in times)
        if recent < FREE:
            return 0.0
        apart = min(FIRST_WAIT * 2.0 ** min(recent - FREE, 10), LONGEST_WAIT)
        return max(0.0, times[-1] + apart - here)

    async def note(self) -> None:
        """Count one that is about to be sent, and have it on disk before. Raises StoreUnavailable."""
        times = [*await self._recalled(), self._monotonic()]
        offset = self._now() - times[-1]
        await self._sink.remember(self._name, json.dumps([round(at + offset, 1) for at in times]))
        self._times = times

    async def _recalled(self) -> list[float]:
        here = self._monotonic()
        if self._times is None:
            offset = here - self._now()
            # A time that lies ahead was kept before the clock was set back: it counts as now.
            self._times = sorted(min(at + offset, here) for at in _read(await self._sink.recall(self._name)))
        self._times = [at for at in self._times if here - at < DAY]
        return self._times


def _read(kept: str | None) -> list[float]:
    """The times in a kept fact; one that cannot be read is none, and is said."""
    try:
        return [float(at) for at in json.loads(kept or "[]")]
    except (TypeError, ValueError):
        log.warning("discord: the kept times of log-ins cannot be read; they are counted from zero")
        return []


def _too_many(until: float) -> str:
    when = datetime.fromtimestamp(until, UTC)
    return (
        f"{MOST_A_DAY} log-ins to Discord's gateway within 24 hours, and at 1,000 Discord resets the bot's token: find "
        f"out why the bot starts so often. It may go on after {when:%Y-%m-%d %H:%M} UTC; start it again then."
    )
