"""A clock that stands still until it is moved, so that no test of a limit depends on how fast it runs."""

from __future__ import annotations

from bot.sandbox.frame import Clock


class StillClock(Clock):
    """Begins at a moment of 2027."""

    def now(self) -> float:
        return 1_800_000_000.0 + self.offset
