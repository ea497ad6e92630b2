"""A wait that Discord has put on the whole bot outlives a restart of the process that keeps the gateway.

Processes that only send learn of it as NotSent, and the engine keeps what it was told with the delivery.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from bot.chat.ports import Sink, StoreUnavailable
from bot.integrations.discord.errors import seconds
from bot.integrations.discord.limits import Limits

log = logging.getLogger("herald.discord")

NAME = "discord:blocked"
LONGEST = 86_400.0
"""Seconds for which a kept wait counts at most: the clock may have been set since."""


async def recall_block(sink: Sink, limits: Limits, now: Callable[[], float]) -> None:
    """Wait on where the process before was told to wait. `now` gives UTC seconds."""
    while True:
        try:
            kept = await sink.recall(NAME)
        except StoreUnavailable:
            await asyncio.sleep(1.0)
            continue
        left = (seconds(kept) or 0.0) - now()
        if left > 0:
            limits.block(min(left, LONGEST), "rate limited before the restart")
            log.warning("discord: told to wait before the restart: nothing is asked for %.0f s", limits.blocked_for)
        return


async def keep_block(sink: Sink, limits: Limits, now: Callable[[], float]) -> None:
    """Keep every new wait of the whole bot, until cancelled."""
    while True:
        await limits.blocked.wait()
        limits.blocked.clear()
        try:
            await sink.remember(NAME, f"{now() + limits.blocked_for:.0f}")
        except StoreUnavailable:
            limits.blocked.set()
            await asyncio.sleep(1.0)
