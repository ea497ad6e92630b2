"""The durable poll: updates are confirmed to Telegram only after they are on our disk.

python-telegram-bot's own poller confirms first and loses whatever its queue holds when the process dies.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import random
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TypeVar

from bot.chat.ports import (
    Incoming,
    NotSent,
    PlatformDown,
    Position,
    Refused,
    SendError,
    Sink,
    StoreUnavailable,
    Unclear,
)
from bot.domain.failpoints import Point, reach
from bot.integrations.telegram.client import Client
from bot.integrations.telegram.parse import STAMP, UpdateReader, mended

T = TypeVar("T")

log = logging.getLogger("herald.telegram")

KINDS = [
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "callback_query",
    "message_reaction",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
]
"""What we ask for. Reactions and members' comings and goings are sent only to those who name them."""

FIRST_DELAY = 0.25
IMPATIENT_FOR = 60.0
"""Seconds of an outage in which we try again within EARLY_CAP, so that a restart of the other side goes unnoticed."""
EARLY_CAP = 2.0
LATE_CAP = 15.0
CONFLICT_DELAYS = (5.0, 15.0, 30.0, 60.0)
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
        cap = EARLY_CAP if self._now() - self._since < IMPATIENT_FOR else LATE_CAP
        delay = min(cap, FIRST_DELAY * 2.0 ** min(self.failures, 10))
        self.failures += 1
        return delay * random.uniform(0.5, 1.0)  # noqa: S311  (spreads load, guards nothing)

    def succeeded(self) -> None:
        """Forget the outage."""
        self._since, self.failures = None, 0


class Poller:
    """Polls for one bot and hands every batch to a sink in one piece."""

    def __init__(self, client: Client, reader: UpdateReader, seconds: int, now: Callable[[], float]) -> None:
        """Take the longest wait of one poll in seconds, and a wall clock in UTC seconds for `herald_received_at`."""
        self._client = client
        self._reader = reader
        self._seconds = seconds
        self._now = now
        self._backoff = Backoff()
        self._conflicts = 0
        self._last_conflict = -CONFLICT_OVER
        self._source = f"telegram:{reader.tenant}"
        self._confirmed: int | None = None

    async def run(self, sink: Sink, ready: Callable[[], None]) -> None:
        """Poll until cancelled. Raises PlatformDown for a refused token and for a bot that has a webhook."""
        await self._again(self._meet)
        ready()
        offset = await self._again(partial(sink.position, self._source))
        while True:
            offset = await self._again(partial(self._round, sink, offset))

    async def _again(self, attempt: Callable[[], Coroutine[None, None, T]]) -> T:
        """Try until it works, waiting in between as each failure demands."""
        while True:
            try:
                result = await attempt()
            except (SendError, StoreUnavailable) as error:
                await asyncio.sleep(self._delay(error))
            else:
                self._recovered()
                return result

    async def _meet(self) -> None:
        me = await self._client.ask("getMe")
        self._reader.username = str(me.get("username") or "") or None

    async def _round(self, sink: Sink, offset: int | None) -> int | None:
        """One poll and its storing; the offset of the next, which confirms this one."""
        if offset != self._confirmed:
            reach(Point.TELEGRAM_CONFIRMING)
        updates = await self._client.updates(offset, self._seconds, KINDS)
        if offset != self._confirmed:
            self._confirmed = offset
            reach(Point.TELEGRAM_CONFIRMED)
        if not updates:
            return offset
        batch = [self._incoming(update) for update in updates]
        await sink.accept(batch)
        values = [incoming.position.value for incoming in batch if incoming.position]
        if not values:
            raise Unclear("a batch of updates without numbers, which cannot be confirmed")
        return max(values)

    def _incoming(self, update: object) -> Incoming:
        if isinstance(update, dict) and "callback_query" in update:
            update = update | {STAMP: self._now()}
        raw, update = _stored(update)
        number = _number(update)
        if number is None:
            return Incoming(self._source, f"unnumbered-{hashlib.sha256(raw.encode()).hexdigest()[:32]}", raw, None)
        event = self._reader.event(update)
        return Incoming(self._source, str(number), raw, event, Position(self._source, number + 1))

    def _delay(self, error: Exception) -> float:
        match error:
            case Refused(code="unauthorized"):
                raise PlatformDown(
                    f"Telegram refuses the token of bot {self._reader.tenant}: get a valid one from @BotFather "
                    "(/token) and set HERALD_TELEGRAM__TOKEN"
                ) from None
            case Refused(code="409") if "webhook" in str(error).lower():
                raise PlatformDown(
                    f"a webhook is set for Telegram bot {self._reader.tenant}, so it cannot be polled: remove it with "
                    "the Bot API's deleteWebhook, or stop the program that set it"
                ) from None
            case Refused(code="409"):
                return self._conflict()
            case NotSent(retry_after=float(seconds)):
                log.warning("telegram bot %s: rate limited, waiting %.0f s", self._reader.tenant, seconds)
                return seconds
        if self._backoff.failures == 0:
            log.warning("telegram bot %s: %s; trying again until it works", self._reader.tenant, _reason(error))
        return self._backoff.failed()

    def _conflict(self) -> float:
        now = time.monotonic()
        if now - self._last_conflict >= CONFLICT_OVER:
            self._conflicts = 0
            log.warning(
                "telegram bot %s: another process polls with this token; stop it, or revoke the token at @BotFather if "
                "it was stolen",
                self._reader.tenant,
            )
        delay = CONFLICT_DELAYS[min(self._conflicts, len(CONFLICT_DELAYS) - 1)]
        self._conflicts += 1
        self._last_conflict = now
        return delay

    def _recovered(self) -> None:
        if self._backoff.failures:
            log.info("telegram bot %s: connected again", self._reader.tenant)
        self._backoff.succeeded()


def _stored(update: object) -> tuple[str, object]:
    """The text to store, and the update as it will be read from it."""
    try:
        raw = json.dumps(update, ensure_ascii=False, separators=(",", ":"))
        raw.encode()
    except UnicodeEncodeError:
        update = mended(update)
        raw = json.dumps(update, ensure_ascii=False, separators=(",", ":"))
    return raw, update


def _number(update: object) -> int | None:
    number = update.get("update_id") if isinstance(update, dict) else None
    return number if type(number) is int and 0 <= number < 2**62 else None


def _reason(error: Exception) -> str:
    if isinstance(error, StoreUnavailable):
        return "updates cannot be stored and stay with Telegram"
    return f"polling failed ({error})"
