"""When Telegram was last asked and last heard, kept beyond restarts: after a long silence it goes by other rules.

Source: core.telegram.org/bots/api, Update: what nobody fetched is kept for 24 hours, and after a week without updates
the next number is a random one. So a number may come twice in the life of a bot, or be lower than what was confirmed.
"""

from __future__ import annotations

import json
import logging

from bot.chat.ports import Sink, StoreUnavailable
from bot.integrations.telegram.clocks import Clocks

log = logging.getLogger("herald.telegram")

KEEP_EVERY = 600.0
"""Seconds between two notes of when it was."""
LATE = 12 * 3600.0
"""Half of the time for which Telegram keeps updates: from here on somebody should know."""
KEPT = 24 * 3600.0
SILENCE = 6 * 86_400.0
"""Seconds without an update after which the next number may be any: a day less than Telegram's week."""


class Pulse:
    """The times of one bot. `era` counts the silences after which numbers may have begun anew."""

    def __init__(self, tenant: str, clocks: Clocks) -> None:
        self.source = f"telegram:{tenant}"
        self._name = f"{self.source}:pulse"
        self._clocks = clocks
        self._asked: float | None = None
        self._heard: float | None = None
        self._written = -KEEP_EVERY
        self.era = 0
        self.is_known = False
        """Whether what was kept has been read."""

    @property
    def cursor(self) -> str:
        """The cursor of the present era: the numbers of another one say nothing about it."""
        return f"{self.source}:{self.era}" if self.era else self.source

    def key(self, number: int) -> str:
        """What no other update of this bot is known by."""
        return f"{self.era}:{number}" if self.era else str(number)

    async def recall(self, sink: Sink) -> float:
        """Read what was kept, and say so where too much time has gone; for how many seconds nobody has asked Telegram.

        Raises StoreUnavailable.
        """
        kept = _read(await sink.recall(self._name))
        self._asked, self._heard, self.era = kept.get("asked"), kept.get("heard"), int(kept.get("era", 0))
        self.is_known = True
        away = 0.0 if self._asked is None else max(0.0, self._clocks.now() - self._asked)
        if away > LATE:
            log.error(
                "telegram: nobody asked for updates for %.0f hours; Telegram keeps them for 24%s",
                away / 3600,
                ", so what was written before that is lost" if away > KEPT else "",
            )
        return away

    def is_over(self) -> bool:
        """Whether it has been silent for so long that numbers may begin anew; then a new era begins."""
        now = self._clocks.now()
        if self._heard is None or now - self._heard < SILENCE:
            return False
        self.era, self._heard, self._written = self.era + 1, now, -KEEP_EVERY
        log.info("telegram: silent for days; updates are numbered anew from here on")
        return True

    def heard(self) -> None:
        """An update came."""
        self._heard = self._clocks.now()

    async def asked(self, sink: Sink) -> None:
        """Telegram answered. What is only for later starts is no reason to stop."""
        self._asked = self._clocks.now()
        if self._heard is None:
            self._heard = self._asked
        if self._clocks.monotonic() - self._written < KEEP_EVERY:
            return
        try:
            kept = {"asked": round(self._asked), "heard": round(self._heard), "era": self.era}
            await sink.remember(self._name, json.dumps(kept))
        except StoreUnavailable:
            log.info("telegram: the time of the last update cannot be noted")
        else:
            self._written = self._clocks.monotonic()


def _read(kept: str | None) -> dict[str, float]:
    try:
        found = json.loads(kept or "{}")
        return {str(key): float(value) for key, value in found.items()}
    except (AttributeError, TypeError, ValueError):
        log.warning("telegram: the times that were kept cannot be read")
        return {}
