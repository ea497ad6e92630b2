"""The one clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ALONE_SECONDS = 30.0
"""A loop's longest sleep where whoever writes something also wakes it."""


def boot_seconds() -> float:
    """Seconds since the machine started, those in which it was suspended included; no file moves them.

    For leases: a process that was suspended must not believe that it still holds what others took meanwhile.
    """
    return time.clock_gettime(_BOOT)


_BOOT: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock:
    """Wall clock and monotonic time.

    With a file (`HERALD_CLOCK_FILE`) both are ahead of the machine's by the seconds that the file says; `follow` keeps
    reading it. `patience` is how long a loop may sleep without a look at clock and database: less than usual where
    other processes may have written something and nobody may have said so.
    """

    def __init__(self, file: Path | None = None, patience: Callable[[], float] = lambda: ALONE_SECONDS) -> None:
        self._file = file
        self._patience = patience
        self._offset = 0.0

    @property
    def patience(self) -> float:
        """The longest that a loop may sleep without a look at the clock, in seconds."""
        return min(0.1, self._patience()) if self._file else self._patience()

    def now(self) -> float:
        """UTC seconds since 1970."""
        return time.time() + self._offset

    def monotonic(self) -> float:
        """Seconds that never jump back."""
        return time.monotonic() + self._offset

    async def follow(self) -> None:
        """Read the file every tenth of a second until cancelled; returns at once without a file."""
        while self._file:
            with suppress(OSError, ValueError):
                text = await asyncio.to_thread(self._file.read_text)
                self._offset = float(text.strip() or 0)
            await asyncio.sleep(0.1)
