"""The durable poll: updates are confirmed to Telegram only after they are on our disk.

python-telegram-bot's own poller confirms first and loses whatever its queue holds when the process dies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from bot.chat.ports import Sink, Unclear
from bot.domain.failpoints import Point, reach
from bot.integrations.telegram.client import Client
from bot.integrations.telegram.clocks import Clocks
from bot.integrations.telegram.intake import KINDS, Intake
from bot.integrations.telegram.parse import UpdateReader
from bot.integrations.telegram.patience import IMPATIENT_FOR, Gap, Patience
from bot.integrations.telegram.pulse import Pulse

log = logging.getLogger("herald.telegram")

PAGE = 100
"""The most updates that Telegram gives at once."""


def webhook_fact(tenant: str) -> str:
    """The name of the fact that holds the address of the webhook that we have set, or nothing."""
    return f"telegram:{tenant}:webhook"


class Poller:
    """Polls for one bot and hands every batch to a sink in one piece."""

    def __init__(self, client: Client, reader: UpdateReader, intake: Intake, pulse: Pulse, clocks: Clocks) -> None:
        self._client, self._reader, self._intake, self._pulse, self._clocks = client, reader, intake, pulse, clocks
        self._confirmed: int | None = None

    async def run(self, sink: Sink, seconds: int, ready: Callable[[], None]) -> None:
        """Poll until cancelled, each time for at most so many seconds.

        Raises PlatformDown for a refused token and for a webhook that is not ours.
        """
        gap = Gap(sink, self._pulse.source)
        patience = Patience(self._reader.tenant, gap, self._clocks)
        await patience.until_done(partial(meet, self._client, self._reader))
        fresh = await patience.until_done(partial(self._take_over, sink))
        await patience.until_done(partial(self._intake.moves.look, self._client, sink))
        ready()
        if await patience.until_done(partial(self._pulse.recall, sink)) > IMPATIENT_FOR:
            await gap.open()
        offset = None if fresh else await patience.until_done(partial(sink.position, self._pulse.cursor))
        while True:
            offset, is_all = await patience.until_done(partial(self._round, sink, seconds, offset))
            self._compare(patience)
            if is_all:
                await gap.close()
            await self._pulse.asked(sink)

    async def _take_over(self, sink: Sink) -> bool:
        """Remove the webhook that we have set ourselves, and nothing that waits; whether there was one."""
        fact = webhook_fact(self._reader.tenant)
        ours = await sink.recall(fact)
        if not ours:
            return False
        if (await self._client.ask("getWebhookInfo")).get("url") == ours:
            await self._client.call("deleteWebhook", drop_pending_updates=False)
            log.info("telegram bot %s: its webhook is removed; polling instead", self._reader.tenant)
        await sink.remember(fact, "")
        return True

    async def _round(self, sink: Sink, seconds: int, offset: int | None) -> tuple[int | None, bool]:
        """One poll and its storing; the offset of the next, which confirms this one, and whether that was all."""
        if self._pulse.is_over():
            offset = None
        if offset != self._confirmed:
            reach(Point.TELEGRAM_CONFIRMING)
        updates = await self._client.updates(offset, seconds, KINDS)
        if offset != self._confirmed:
            self._confirmed = offset
            reach(Point.TELEGRAM_CONFIRMED)
        if not updates:
            return offset, True
        batch = [self._intake.take(update, self._pulse.cursor) for update in updates]
        await sink.accept(batch)
        await self._intake.moves.keep(sink)
        values = [incoming.position.value for incoming in batch if incoming.position]
        if not values:
            raise Unclear("a batch of updates without numbers, which cannot be confirmed")
        return max(values), len(updates) < PAGE

    def _compare(self, patience: Patience) -> None:
        """After a conflict: what another poller has taken is not there any more."""
        if patience.conflicts:
            log.warning(
                "telegram bot %s: updates come again; what the other process has taken meanwhile is lost to us",
                self._reader.tenant,
            )
            patience.conflicts = 0


async def meet(client: Client, reader: UpdateReader) -> None:
    """Learn the bot's name, by which commands are addressed. Raises SendError."""
    me = await client.ask("getMe")
    reader.username = str(me.get("username") or "") or None
