"""The one clock."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path


class Clock:
    """Wall clock and monotonic time.

    With a file (`HERALD_CLOCK_FILE`) both are ahead of the machine's by the seconds that the file says; `follow` keeps
    reading it.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._offset = 0.0

    @property
    def patience(self) -> float:
        """The longest that a loop may sleep without a look at the clock, in seconds."""
        return 0.1 if self._file else 30.0

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
