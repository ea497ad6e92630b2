"""Updates as requests: each is answered after it is stored, and what was not stored comes again.

Source: core.telegram.org/bots/api, setWebhook. python-telegram-bot's own server answers before it has stored anything
and compares the secret in a time that tells about it.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from bot.chat.bodies import BadBody, read_json
from bot.chat.ports import HttpReply, HttpRequest, PlatformDown, Refused, Sink
from bot.integrations.telegram.client import Client
from bot.integrations.telegram.clocks import Clocks
from bot.integrations.telegram.intake import KINDS, Intake
from bot.integrations.telegram.parse import UpdateReader
from bot.integrations.telegram.patience import Gap, Patience
from bot.integrations.telegram.poll import meet, webhook_fact
from bot.integrations.telegram.pulse import LATE, Pulse

log = logging.getLogger("herald.telegram")

PATH = "/telegram/webhook"
CONNECTIONS = 20
"""Requests that Telegram may make at once: they share commits, so more of them cost little."""
LOOK_EVERY = 300.0
"""Seconds between two questions to Telegram how its deliveries go."""
COUNT_EVERY = 60.0
"""Seconds between two lines in the log about refused requests."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where Telegram delivers to, and the secret by which it shows that it is Telegram."""

    url: str
    secret: str = field(repr=False)


def secret_for(token: str, configured: str) -> str:
    """The secret that was set, or else one that only those who have the token can know, the same in every process."""
    return configured or hmac.new(token.encode(), b"herald telegram webhook", hashlib.sha256).hexdigest()


class Webhook:
    """One bot's webhook: sets it, watches over it, and answers what comes."""

    def __init__(self, client: Client, intake: Intake, pulse: Pulse, address: Address, clocks: Clocks) -> None:
        self._client, self._intake, self._pulse, self._address, self._clocks = client, intake, pulse, address, clocks
        self._behind_since: float | None = None
        self._error_at = 0
        self._refused = 0
        self._said = -COUNT_EVERY

    # ---- keeping it

    async def run(self, reader: UpdateReader, sink: Sink, ready: Callable[[], None]) -> None:
        """Have Telegram deliver here until cancelled. Raises PlatformDown when it will not."""
        gap = Gap(sink, self._cursor)
        patience = Patience(reader.tenant, gap, self._clocks)
        await patience.until_done(partial(meet, self._client, reader))
        await patience.until_done(partial(self._pulse.recall, sink))
        await patience.until_done(partial(self._intake.moves.look, self._client, sink))
        await patience.until_done(partial(self._set, reader.tenant, sink))
        ready()
        while True:
            self._pulse.is_over()
            await patience.until_done(partial(self._look, reader.tenant, sink, gap))
            await self._pulse.asked(sink)
            await self._clocks.sleep(LOOK_EVERY)

    async def _set(self, tenant: str, sink: Sink) -> None:
        # Noted first: whoever polls next must know that it is ours to remove.
        await sink.remember(webhook_fact(tenant), self._address.url)
        try:
            await self._client.call(
                "setWebhook",
                url=self._address.url,
                secret_token=self._address.secret,
                allowed_updates=KINDS,
                max_connections=CONNECTIONS,
                drop_pending_updates=False,
            )
        except Refused as refused:
            if refused.code == "unauthorized":
                raise
            raise PlatformDown(
                f"Telegram does not take {_host(self._address.url)} as the webhook of bot {tenant}: {refused}. Set "
                "telegram.webhook_url to a public https address that leads to /telegram/webhook, or empty it to poll"
            ) from None

    async def _look(self, tenant: str, sink: Sink, gap: Gap) -> None:
        """Whether Telegram still delivers here, and whether it succeeds."""
        info = await self._client.ask("getWebhookInfo")
        if info.get("url") != self._address.url:
            log.error(
                "telegram bot %s: somebody else has changed its webhook (to %s); setting it again",
                tenant,
                _host(str(info.get("url") or "")) or "none",
            )
            await self._set(tenant, sink)
        waiting, now = _count(info, "pending_update_count"), self._clocks.monotonic()
        failed_at = _count(info, "last_error_date")
        if failed_at > self._error_at:
            self._error_at = failed_at
            reason = str(info.get("last_error_message"))[:200]
            log.warning("telegram bot %s: a delivery failed (%s); %d update(s) wait", tenant, reason, waiting)
        if not waiting:
            self._behind_since = None
            await gap.close()
            return
        if failed_at and self._clocks.now() - failed_at < 2 * LOOK_EVERY:
            await gap.open()
        if self._behind_since is None:
            self._behind_since = now
        elif now - self._behind_since > LATE:
            self._behind_since = now
            log.error(
                "telegram bot %s: updates have been waiting for more than 12 hours (%d now), and Telegram throws them "
                "away after 24: see that %s can be reached",
                tenant,
                waiting,
                _host(self._address.url),
            )

    # ---- answering

    async def answer(self, sink: Sink, request: HttpRequest) -> HttpReply:
        """Answer one delivery. Raises StoreUnavailable: then Telegram keeps it."""
        told = request.headers.get("x-telegram-bot-api-secret-token", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(told, self._address.secret.encode()):
            self._count_refusal()
            return HttpReply(403)
        try:
            update = read_json(request.body)
        except BadBody:
            return HttpReply(400)
        if not isinstance(update, dict):
            return HttpReply(400)
        await self._recall(sink)
        await sink.accept([self._intake.take(update, self._cursor)])
        await self._intake.moves.keep(sink)
        return HttpReply(200)

    async def _recall(self, sink: Sink) -> None:
        """What a process has to know that answers without running."""
        await self._intake.moves.recall(sink)
        if not self._pulse.is_known:
            await self._pulse.recall(sink)

    @property
    def _cursor(self) -> str:
        # Not the poller's: deliveries overtake each other, and polling from the highest would lose the others.
        return f"{self._pulse.source}:webhook"

    def _count_refusal(self) -> None:
        """One line at once, then at most one a minute with how many there were."""
        self._refused += 1
        now = self._clocks.monotonic()
        if now - self._said >= COUNT_EVERY:
            log.warning("%d request(s) to Telegram's address refused: not the webhook's secret", self._refused)
            self._refused, self._said = 0, now


def _host(url: str) -> str:
    """Only the host: the rest of an address may be somebody's secret."""
    return urlsplit(url).hostname or ""


def _count(info: dict[str, Any], name: str) -> int:
    found = info.get(name)
    return found if isinstance(found, int) else 0
