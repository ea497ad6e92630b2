"""What was said while nobody listened: read from the channels' history, oldest first, and handed over like the rest.

A channel's cursor may only pass a message once everything before it is stored. So while a channel has a gap, live
events carry no position; the back-fill moves the cursor, and when it is through, live events move it again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from bot.chat.events import Event, MessagePosted
from bot.chat.ports import Incoming, NotSent, Position, Refused, SendError, Sink, StoreUnavailable
from bot.domain.failpoints import Point, reach
from bot.integrations.slack.api import Api
from bot.integrations.slack.parse import BACKFILL, items, microseconds, string, timestamp

log = logging.getLogger("herald.slack")

THREADS_BACK = 24 * 3600 * 1_000_000
"""How far before the cursor the roots of threads are looked for that have newer replies, in microseconds."""
CHECK_EVERY = 300.0
"""Seconds between two looks for messages that a connection did not bring although it seemed healthy."""
PAGE, BATCH = 200, 50
MAX_PAUSE = 60.0

Parse = Callable[[object], Event | None]
Learn = Callable[[str], Awaitable[None]]
Message = dict[str, Any]


class Backfill:
    """The gaps of all watched channels of one workspace."""

    def __init__(self, api: Api, team: str, watched: Sequence[str], parse: Parse, learn: Learn) -> None:
        self._api, self._team, self._watched = api, team, tuple(dict.fromkeys(watched))
        self._parse, self._learn = parse, learn
        self._whole: set[str] = set()
        self._deep: set[str] = set()
        self._missed: dict[str, int] = {}
        self._gaps = 0
        self._wake = asyncio.Event()

    def position(self, channel: str, message_id: str) -> Position | None:
        """The position that a live message moves its cursor to; None while the channel has a gap."""
        value = microseconds(message_id)
        if channel not in self._whole or value is None:
            return None
        return Position(self._cursor(channel), value)

    def gap(self) -> None:
        """For a while nothing came in: every channel may have missed something."""
        self._gaps += 1
        self._whole.clear()
        self._deep.update(self._watched)
        self._wake.set()

    def missed(self, channel: str, message_id: str) -> None:
        """This message could not be stored: the next back-fill starts before it."""
        value = microseconds(message_id)
        if value is not None and channel in self._watched:
            self._whole.discard(channel)
            self._missed[channel] = min(value - 1, self._missed.get(channel, value))

    async def run(self, sink: Sink) -> None:
        """Fill gaps as they are reported, and look for unreported ones now and then, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(CHECK_EVERY):
                    await self._wake.wait()
            except TimeoutError:
                log.debug("looking for messages that did not come")
            self._wake.clear()
            async with asyncio.TaskGroup() as group:
                for channel in self._watched:
                    group.create_task(self._fill(sink, channel))

    async def _fill(self, sink: Sink, channel: str) -> None:
        """Fill one channel's gap; tries again until it is done or refused for good."""
        pause = 0.5
        while True:
            self._whole.discard(channel)
            gaps = self._gaps
            try:
                await self._read(sink, channel)
            except Refused as error:
                log.warning("back-fill of %s given up until the next look: %s", channel, error)
                return
            except (SendError, StoreUnavailable) as error:
                log.warning("back-fill of %s waits: %s", channel, type(error).__name__)
                told = error.retry_after if isinstance(error, NotSent) else None
                await asyncio.sleep(pause if told is None else told)
                pause = min(MAX_PAUSE, pause * 2)
            else:
                # A gap or a failure to store that came meanwhile needs another look.
                if gaps == self._gaps and channel not in self._missed:
                    self._whole.add(channel)
                    self._deep.discard(channel)
                    return

    async def _read(self, sink: Sink, channel: str) -> None:
        cursor, missed = await sink.position(self._cursor(channel)), self._missed.get(channel)
        if cursor is None:
            await self._begin(sink, channel)
        else:
            since = cursor if missed is None else min(cursor, missed)
            found = await self._newer(channel, since, threads=channel in self._deep)
            for start in range(0, len(found), BATCH):
                await self._hand_over(sink, channel, found[start : start + BATCH])
        if self._missed.get(channel) == missed:
            self._missed.pop(channel, None)

    async def _begin(self, sink: Sink, channel: str) -> None:
        """The first start: what was said before is not ours to answer, what is said from now on is."""
        page = await self._api.call(lambda web: web.conversations_history(channel=channel, limit=1))
        newest = max((microseconds(string(message, "ts")) or 0 for message in items(page.data, "messages")), default=0)
        newest = min(newest, self._missed.get(channel, newest))
        raw = json.dumps({"type": "herald_start", "team_id": self._team, "channel": channel})
        position = Position(self._cursor(channel), newest)
        await sink.accept([Incoming(self._source, f"start:{channel}:{newest}", raw, None, position)])

    async def _newer(self, channel: str, since: int, *, threads: bool) -> list[Message]:
        """All messages after `since`, oldest first, those in threads included."""
        oldest = timestamp(max(0, since - THREADS_BACK) if threads else since)
        roots = await self._pages(
            lambda cursor: self._api.call(
                lambda web: web.conversations_history(channel=channel, oldest=oldest, limit=PAGE, cursor=cursor)
            )
        )
        found = list(roots)
        for root in roots:
            if (microseconds(string(root, "latest_reply")) or 0) > since:
                found += await self._replies(channel, string(root, "ts"), since)
        by_time = {micros: message for message in found if (micros := microseconds(string(message, "ts"))) is not None}
        return [by_time[micros] for micros in sorted(by_time) if micros > since]

    async def _replies(self, channel: str, root: str, since: int) -> list[Message]:
        return await self._pages(
            lambda cursor: self._api.call(
                lambda web: web.conversations_replies(
                    channel=channel, ts=root, oldest=timestamp(since), limit=PAGE, cursor=cursor
                )
            )
        )

    @staticmethod
    async def _pages(ask: Callable[[str | None], Awaitable[Any]]) -> list[Message]:
        found: list[Message] = []
        cursor: str | None = None
        while True:
            page = (await ask(cursor)).data
            found += [message for message in items(page, "messages") if isinstance(message, dict)]
            cursor = string(page, "response_metadata", "next_cursor")
            if not cursor:
                return found

    async def _hand_over(self, sink: Sink, channel: str, messages: Sequence[Message]) -> None:
        batch: list[Incoming] = []
        for message in messages:
            await self._learn(string(message, "user"))
            payload = {"type": BACKFILL, "team_id": self._team, "channel": channel, "event": message}
            event = self._parse(payload)
            if isinstance(event, MessagePosted):
                position = Position(self._cursor(channel), microseconds(event.message_id) or 0)
                key = f"message:{channel}:{event.message_id}"
                batch.append(Incoming(self._source, key, json.dumps(payload), event, position))
        if batch:
            await sink.accept(batch)
            reach(Point.BACKFILLED)

    @property
    def _source(self) -> str:
        return f"slack:{self._team}"

    def _cursor(self, channel: str) -> str:
        return f"slack:{self._team}:{channel}"
