"""Whether a platform can be reached at all (RELIABILITY section 7, F5). Times are monotonic seconds."""

from __future__ import annotations

ENOUGH = 5
"""Transport failures in a row after which nothing more is sent but probes."""
PAUSES = (1.0, 2.0, 5.0)
"""Seconds before the first probe, the second, and each later one: with a request's own ten, less than 30 in all."""
LOST = 30.0
"""A probe of which nothing was heard for so many seconds is over."""


class Breaker:
    """Opens after several failures in a row; then one request at a time finds out whether it works again."""

    def __init__(self) -> None:
        self._failures = 0
        self._failed_at = 0.0
        self._probes = 0
        self._probe_at = 0.0
        self._probing: float | None = None
        self.broken_at: float | None = None
        """Since when it has not worked, while it is open."""

    def wait(self, now: float) -> float:
        """Seconds until something may be sent; while it is open that is one probe."""
        if self.broken_at is None:
            return 0.0
        if self._probing is not None and now < self._probing + LOST:
            return self._probing + LOST - now
        return max(0.0, self._probe_at - now)

    def probe(self, now: float) -> None:
        """A probe is about to be made."""
        self._probing = now

    def worked(self) -> None:
        """The platform answered, to whatever it was."""
        self._failures = self._probes = 0
        self._probing = None
        self.broken_at = None

    def failed(self, now: float) -> None:
        """It could not be reached, answered too late or with a fault of its own."""
        if self.broken_at is not None:
            if self._probing is not None:
                self._again(now)
            return
        self._failures += 1
        if self._failures == 1:
            self._failed_at = now
        if self._failures >= ENOUGH:
            self.broken_at = self._failed_at
            self._again(now)

    def _again(self, now: float) -> None:
        self._probing = None
        self._probe_at = now + PAUSES[min(self._probes, len(PAUSES) - 1)]
        self._probes += 1

    def unused(self) -> None:
        """The probe was not made after all."""
        self._probing = None
