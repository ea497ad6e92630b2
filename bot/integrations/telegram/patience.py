"""Trying until it works: how long to wait after which failure, what nobody but a person can mend, and who is told."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Coroutine
from typing import TypeVar

from bot.chat.ports import NotSent, PlatformDown, Refused, SendError, Sink, StoreUnavailable
from bot.integrations.telegram.clocks import Clocks

T = TypeVar("T")

log = logging.getLogger("herald.telegram")

FIRST_DELAY = 0.25
IMPATIENT_FOR = 60.0
"""Seconds of an outage in which we try again within EARLY_CAP, so that a restart of the other side goes unnoticed."""
EARLY_CAP = 2.0
LATE_CAP = 15.0
STEP_DOWN = 60.0
"""Seconds for which we leave the updates to another poller."""
CONFLICT_OVER = 300.0
"""Seconds without a conflict after which the next one is a new one: two pollers take turns in succeeding."""


class Backoff:
    """How long to wait before the next try, by how often and for how long tries have failed. `now` is monotonic."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since: float | None = None
        self.failures = 0

    def failed(self) -> float:
        """Count a failure; the seconds to wait, with jitter, at most 2 in the first minute and 15 later."""
        if self._since is None:
            self._since = self._now()
        cap = EARLY_CAP if not self.is_long else LATE_CAP
        delay = min(cap, FIRST_DELAY * 2.0 ** min(self.failures, 10))
        self.failures += 1
        return delay * random.uniform(0.5, 1.0)  # noqa: S311  (spreads load, guards nothing)

    @property
    def is_long(self) -> bool:
        """Whether nothing has worked for a minute."""
        return self._since is not None and self._now() - self._since >= IMPATIENT_FOR

    def succeeded(self) -> None:
        """Forget the outage."""
        self._since, self.failures = None, 0


class Gap:
    """What may be missing from one cursor on, shown to people until it is there."""

    def __init__(self, sink: Sink, cursor: str) -> None:
        self._sink, self._cursor = sink, cursor
        self.is_open = False

    async def open(self) -> None:
        """From its position on something may be missing."""
        if not self.is_open:
            self.is_open = await self._tell(await_position=True)

    async def close(self) -> None:
        """It is whole."""
        if self.is_open:
            self.is_open = not await self._tell(await_position=False)

    async def _tell(self, *, await_position: bool) -> bool:
        try:
            # How far it reaches is not known: Telegram's numbers have no end yet.
            until = (await self._sink.position(self._cursor) or 0) if await_position else None
            await self._sink.gap(self._cursor, until)
        except StoreUnavailable:
            log.info("telegram: a gap of %s cannot be noted", self._cursor)
            return False
        return True


class Patience:
    """Tries for one bot, whose `tenant` is named in the log. `gap` is open while nothing can come in."""

    def __init__(self, tenant: str, gap: Gap, clocks: Clocks) -> None:
        self._tenant, self._gap, self._clocks = tenant, gap, clocks
        self._backoff = Backoff(clocks.monotonic)
        self._last_conflict = -CONFLICT_OVER
        self.conflicts = 0
        """Refusals in a row because another poller stood in the way."""

    async def until_done(self, attempt: Callable[[], Coroutine[None, None, T]]) -> T:
        """Try until it works, waiting in between as each failure demands. Raises PlatformDown."""
        while True:
            try:
                result = await attempt()
            except (SendError, StoreUnavailable) as error:
                delay = self._delay(error)
                if self.conflicts or self._backoff.is_long:
                    await self._gap.open()
                await self._clocks.sleep(delay)
            else:
                if self._backoff.failures:
                    log.info("telegram bot %s: connected again", self._tenant)
                self._backoff.succeeded()
                return result

    def _delay(self, error: Exception) -> float:
        match error:
            case Refused(code="unauthorized"):
                raise PlatformDown(
                    f"Telegram refuses the token of bot {self._tenant}: get a valid one from @BotFather "
                    "(/token) and set HERALD_TELEGRAM__TOKEN"
                ) from None
            case Refused(code="409") if "webhook" in str(error).lower():
                raise PlatformDown(
                    f"a webhook is set for Telegram bot {self._tenant}, so it cannot be polled: remove it with "
                    "the Bot API's deleteWebhook, or stop the program that set it"
                ) from None
            case Refused(code="409"):
                return self._conflict()
            case NotSent(retry_after=float(seconds)):
                log.warning("telegram bot %s: rate limited, waiting %.0f s", self._tenant, seconds)
                return seconds
        if self._backoff.failures == 0:
            log.warning("telegram bot %s: %s; trying again until it works", self._tenant, _reason(error))
        return self._backoff.failed()

    def _conflict(self) -> float:
        now = self._clocks.monotonic()
        if now - self._last_conflict >= CONFLICT_OVER:
            log.error(
                "telegram bot %s: another process polls with this token and takes what is meant for us; stop it, or "
                "revoke the token at @BotFather if it was stolen. Trying again every %.0f s",
                self._tenant,
                STEP_DOWN,
            )
        self.conflicts += 1
        self._last_conflict = now
        return STEP_DOWN


def _reason(error: Exception) -> str:
    if isinstance(error, StoreUnavailable):
        return "updates cannot be stored and stay with Telegram"
    return f"polling failed ({error})"
