"""A gateway that acknowledges heartbeats and dispatches nothing looks healthy for hours.

So silence is looked into: when nothing was dispatched for a while, Discord is asked for the newest message of each
watched channel. Only one that should have been dispatched means that the connection is deaf; a quiet server never does.
A deaf connection is resumed on another socket; if that brings nothing either, the session is given up for a new one.
"""

from __future__ import annotations

import asyncio
import logging
import time

from discord.http import Route

from bot.chat.ports import SendError
from bot.integrations.discord.api import Api
from bot.integrations.discord.connection import Connection
from bot.integrations.discord.fields import snowflake
from bot.integrations.discord.inbound import Ear
from bot.integrations.discord.progress import Progress

log = logging.getLogger("herald.discord")

ON_ITS_WAY = 5.0
"""Seconds that a message may be known to the REST API and not yet dispatched, at most."""


class Watchdog:
    """Watches one connection; after `silence` seconds it is looked into. It is read while there is `room`."""

    def __init__(
        self, api: Api, connection: Connection, ear: Ear, progress: Progress, room: asyncio.Event, silence: float
    ) -> None:
        self._api = api
        self._connection = connection
        self._ear = ear
        self._progress = progress
        self._room = room
        self._silence = silence
        self._renewed_at: int | None = None
        """How much had been heard when the connection was renewed last."""

    async def run(self) -> None:
        """Watch until cancelled."""
        looked = time.monotonic()
        while True:
            left = max(self._ear.heard, looked) + self._silence - time.monotonic()
            if left > 0:
                await asyncio.sleep(left)
                continue
            channel = await self._missed()
            looked = time.monotonic()
            if channel is not None:
                await self._renew(channel, looked - self._ear.heard)

    async def _renew(self, channel: str, silent: float) -> None:
        again = self._renewed_at == self._ear.events
        log.warning(
            "discord: nothing heard for %.0f s, but channel %s has newer messages: connecting anew%s",
            silent,
            channel,
            ", with a new session, as the resumed one stayed deaf" if again else "",
        )
        self._renewed_at = self._ear.events
        self._progress.new_session(self._connection.shard)
        await self._connection.renew(forget=again)

    async def _missed(self) -> str | None:
        """A watched channel with a message that was not dispatched, still after it had time to be."""
        if not self._room.is_set() or not self._connection.connected:
            return None  # it is we who do not read, or it is known already that nothing can come
        heard = self._ear.heard
        for channel in self._progress.channels(self._connection.shard):
            if await self._behind(channel):
                await asyncio.sleep(min(ON_ITS_WAY, self._silence))
                return channel if self._ear.heard == heard and self._connection.connected else None
        return None

    async def _behind(self, channel: str) -> bool:
        if self._progress.newest(channel) is None:
            return False  # not to be asked for a channel that is just being read back, or cannot be
        try:
            data = await self._api.get(Route("GET", "/channels/{channel_id}", channel_id=channel))
        except SendError as error:
            log.info("discord: silence in channel %s not looked into: %s", channel, error)
            return False
        seen = self._progress.newest(channel)
        return seen is not None and int(snowflake(data, "last_message_id") or 0) > seen
