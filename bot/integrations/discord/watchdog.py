"""A gateway that acknowledges heartbeats and dispatches nothing looks healthy for hours.

So silence is looked into: when nothing was dispatched for a while, Discord is asked for the newest message of each
watched channel. Only one that should have been dispatched means that the connection is deaf; a quiet server never does.
"""

from __future__ import annotations

import asyncio
import logging
import time

from discord.http import Route

from bot.chat.ports import SendError
from bot.integrations.discord.client import DiscordConfig
from bot.integrations.discord.connection import Connection
from bot.integrations.discord.fields import snowflake
from bot.integrations.discord.inbound import Inbound, Progress

log = logging.getLogger("herald.discord")

ON_ITS_WAY = 5.0
"""Seconds that a message may be known to the REST API and not yet dispatched, at most."""


class Watchdog:
    """Watches one connection; `DiscordConfig.silence` says from when on silence is looked into."""

    def __init__(self, config: DiscordConfig, inbound: Inbound, progress: Progress, connection: Connection) -> None:
        self._config = config
        self._inbound = inbound
        self._progress = progress
        self._connection = connection

    async def run(self) -> None:
        """Watch until cancelled."""
        looked = time.monotonic()
        while True:
            left = max(self._inbound.heard, looked) + self._config.silence - time.monotonic()
            if left > 0:
                await asyncio.sleep(left)
                continue
            channel = await self._missed()
            looked = time.monotonic()
            if channel is not None:
                log.warning(
                    "discord: nothing heard for %.0f s, but channel %s has newer messages: connecting anew",
                    looked - self._inbound.heard,
                    channel,
                )
                self._progress.new_session()
                await self._connection.renew()

    async def _missed(self) -> str | None:
        """A watched channel with a message that was not dispatched, still after it had time to be."""
        if not self._inbound.room.is_set() or not self._connection.connected:
            return None  # it is we who do not read, or it is known already that nothing can come
        heard = self._inbound.heard
        for channel in self._config.watched:
            if await self._behind(channel):
                await asyncio.sleep(min(ON_ITS_WAY, self._config.silence))
                return channel if self._inbound.heard == heard and self._connection.connected else None
        return None

    async def _behind(self, channel: str) -> bool:
        if self._progress.newest(channel) is None:
            return False  # not to be asked for a channel that is just being read back, or cannot be
        try:
            data = await self._connection.get(Route("GET", "/channels/{channel_id}", channel_id=channel))
        except SendError as error:
            log.info("discord: silence in channel %s not looked into: %s", channel, error)
            return False
        seen = self._progress.newest(channel)
        return seen is not None and int(snowflake(data, "last_message_id") or 0) > seen
