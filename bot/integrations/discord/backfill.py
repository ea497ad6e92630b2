"""Reading back what was missed, after every new session: restart, or a connection that could not be resumed.

Each watched channel that was read before is read on from its cursor, oldest first, and its active threads after it.
Reactions, votes, edits and clicks of the gap cannot be fetched: Discord keeps no list of them.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from discord.http import Route

from bot.chat.ports import Incoming, Refused, SendError, Sink, StoreUnavailable
from bot.domain.failpoints import Point, reach
from bot.integrations.discord.api import Api
from bot.integrations.discord.fields import Json, mappings, number, snowflake
from bot.integrations.discord.history import PAGE, page
from bot.integrations.discord.inbound import backfilled, stored
from bot.integrations.discord.progress import Progress, cursor

log = logging.getLogger("herald.discord")

PATIENCE = 60.0
"""Seconds for one page: a rate limit may be slept through, nobody waits for it."""
AGAIN = 600.0
"""Seconds until a channel that refused us is tried again: somebody may have given the bot its rights back."""
_FORUMS = frozenset({15, 16})
"""Channel types that hold threads only."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A channel or thread to read: where it is, and the newest message that Discord names for it."""

    channel: str
    guild: str
    parent: str | None
    last: int


class Backfill:
    """Reads the watched channels of a shard back, one after the other."""

    def __init__(self, api: Api, sink: Sink, progress: Progress, shard: int = 0) -> None:
        self._api = api
        self._sink = sink
        self._progress = progress
        self._shard = shard
        self._threads: dict[str, list[Json]] = {}

    async def run(self) -> None:
        """Read all of them. One that cannot be read keeps its cursor and, where it was read before, its gap: it is
        tried again after AGAIN seconds, and in the next session.
        """
        session = self._progress.session(self._shard)
        channels = self._progress.channels(self._shard)
        while channels:
            self._threads.clear()
            channels = [channel for channel in channels if not await self._done(channel, session)]
            if channels:
                await asyncio.sleep(AGAIN)

    async def _done(self, channel: str, session: int) -> bool:
        done = await self._patiently(channel)
        if done is None:
            return True  # another shard's
        if done:
            self._progress.closed(channel, session, self._shard)
        return done

    async def _patiently(self, channel: str) -> bool | None:
        wait = 1.0
        while True:
            try:
                return await self._home(channel)
            except Refused as refused:
                log.warning("discord: channel %s cannot be read back: %s", channel, refused)
                await self._gap(channel, self._progress.known(channel))
                return False
            except SendError as error:
                log.warning("discord: reading back channel %s again in %.0f s: %s", channel, wait, error)
                await asyncio.sleep(max(getattr(error, "retry_after", None) or 0.0, wait))
                wait = min(wait * 2, 60.0)

    async def _home(self, channel: str) -> bool | None:
        """Read one channel. True: it is whole; None: another shard hears it. Raises SendError."""
        data = await self._get(Route("GET", "/channels/{channel_id}", channel_id=channel))
        guild = snowflake(data, "guild_id") or ""
        if not self._progress.belongs(channel, guild, self._shard):
            return None
        home = _Place(channel, guild, None, int(snowflake(data, "last_message_id") or 0))
        before = await self._sink.position(cursor(channel))
        if before is None:
            await self._start(home)
            self._progress.saw(channel, home.last)
            return True
        await self._gap(channel, home.last if home.last > before else None)
        if number(data, "type") not in _FORUMS:
            await self._read(home, before)
        for thread in await self._active(guild, channel):
            after = await self._sink.position(cursor(thread.channel))
            await self._read(thread, after if after is not None else before)
        await self._gap(channel, None)
        self._progress.saw(channel, home.last)
        return True

    async def _gap(self, channel: str, until: int | None) -> None:
        """Have the gap shown; what is only for show is no reason to stop."""
        try:
            await self._sink.gap(cursor(channel), until)
        except StoreUnavailable:
            log.info("discord: the gap of channel %s cannot be noted", channel)

    async def _start(self, place: _Place) -> None:
        """The first time: nothing to read back, but from here on nothing may be missed."""
        position = self._progress.reach(place.channel, max(place.last, int(place.channel)))
        note = Incoming(f"discord:{place.guild or 'dm'}", f"start:{place.channel}", "{}", None, position)
        await stored(self._sink, [note])

    async def _read(self, place: _Place, after: int) -> None:
        """All messages of a place after this id, in their order."""
        while place.last > after:
            messages = await page(self._api, place.channel, after, PATIENCE)
            if not messages:
                return
            await stored(self._sink, [self._one(message, place) for message in messages])
            reach(Point.BACKFILLED)
            after = _id(messages[-1])
            if len(messages) < PAGE:
                return

    def _one(self, message: Json, place: _Place) -> Incoming:
        position = self._progress.reach(place.channel, _id(message))
        return backfilled(message, place.guild, place.parent, position)

    async def _active(self, guild: str, parent: str) -> list[_Place]:
        if guild not in self._threads:
            route = Route("GET", "/guilds/{guild_id}/threads/active", guild_id=guild)
            self._threads[guild] = list(mappings(await self._get(route), "threads"))
        return [
            _Place(thread, guild, parent, int(snowflake(data, "last_message_id") or 0))
            for data in self._threads[guild]
            if snowflake(data, "parent_id") == parent and (thread := snowflake(data, "id"))
        ]

    async def _get(self, route: Route) -> Json:
        return await self._api.get(route, PATIENCE)


def _id(message: Json) -> int:
    return int(snowflake(message, "id") or 0)
