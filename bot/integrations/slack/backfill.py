"""What was said while nobody listened: read from the channels' history, oldest first, and handed over like the rest.

A channel's cursor may only pass a message once everything before it is stored. So while a channel has a gap, live
events carry no position; the back-fill moves the cursor, and when it is through, live events move it again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.chat.events import Event, MessagePosted
from bot.chat.ports import Incoming, NotSent, Position, Refused, SendError, Sink, StoreUnavailable
from bot.domain.failpoints import Point, reach
from bot.integrations.slack.api import Api
from bot.integrations.slack.history import Message, newer
from bot.integrations.slack.parse import BACKFILL, items, microseconds, string
from bot.integrations.slack.people import People

log = logging.getLogger("herald.slack")

BATCH = 50
MAX_PAUSE = 60.0

DOWN_EVERY = 15.0
"""Seconds between two looks while nothing is connected: the history can often be read all the same."""
RATE_MINUTE = 75.0
"""Seconds after which a minute is over in which Slack, by its own word, dropped events."""
ON_ITS_WAY = 5.0
"""Seconds that a message may be in the history and not yet delivered."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What is read back, how often without a reason, and who is told of a channel that Slack is silent about."""

    channels: tuple[str, ...]
    every: float
    deaf: Callable[[str], None]
    now: Callable[[], float]
    """UTC seconds; only for how far a gap is said to reach."""


class Backfill:
    """The gaps of all watched channels of one workspace."""

    def __init__(self, api: Api, team: str, people: People, watch: Watch) -> None:
        self._api, self._team, self._people, self._watch = api, team, people, watch
        self._watched = tuple(dict.fromkeys(watch.channels))
        self._whole: set[str] = set()
        self._deep: set[str] = set()
        self._told: set[str] = set()
        self._missed: dict[str, int] = {}
        self._heard: dict[str, int] = {}
        self._gaps = 0
        self._is_down = False
        self._again_at: float | None = None
        self._wake = asyncio.Event()

    def position(self, channel: str, message_id: str) -> Position | None:
        """The position that a live message moves its cursor to; None while the channel has a gap."""
        value = microseconds(message_id)
        if value is None:
            return None
        if channel in self._watched:
            self._heard[channel] = max(value, self._heard.get(channel, 0))
        return Position(self._cursor(channel), value) if channel in self._whole else None

    def gap(self) -> None:
        """For a while nothing came in: every channel may have missed something."""
        self._is_down = False
        self._open_gap()

    def down(self) -> None:
        """Nothing comes in from now on, until `gap` is called."""
        self._is_down = True
        self._open_gap()

    def limited(self) -> None:
        """Slack drops events for the rest of this minute: they are read now, and once more when that is over."""
        self._open_gap()
        self._again_at = asyncio.get_running_loop().time() + RATE_MINUTE

    def look(self) -> None:
        """Look whether something was missed, without saying so."""
        self._wake.set()

    def missed(self, channel: str, message_id: str) -> None:
        """This message could not be stored: the next back-fill starts before it."""
        value = microseconds(message_id)
        if value is not None and channel in self._watched:
            self._whole.discard(channel)
            self._missed[channel] = min(value - 1, self._missed.get(channel, value))

    async def run(self, sink: Sink) -> None:
        """Fill gaps as they are reported, and look for unreported ones now and then, until cancelled."""
        try:
            while True:
                await self._reason_to_look()
                async with asyncio.TaskGroup() as group:
                    for channel in self._watched:
                        group.create_task(self._fill(sink, channel))
        finally:
            self._whole.clear()  # somebody else may read back now: live messages no longer move cursors

    async def _reason_to_look(self) -> None:
        loop = asyncio.get_running_loop()
        wait = DOWN_EVERY if self._is_down else self._watch.every
        if self._again_at is not None:
            wait = min(wait, max(0.0, self._again_at - loop.time()))
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            log.debug("looking for messages that did not come")
        self._wake.clear()
        if self._again_at is not None and loop.time() >= self._again_at:
            self._again_at = None
            self._deep.update(self._watched)

    def _open_gap(self) -> None:
        self._gaps += 1
        self._whole.clear()
        self._deep.update(self._watched)
        self._wake.set()

    async def _fill(self, sink: Sink, channel: str) -> None:
        """Fill one channel's gap; tries again until it is done or refused for good."""
        pause = 0.5
        while True:
            self._whole.discard(channel)
            gaps = self._gaps
            await self._tell(sink, channel)
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
                if self._is_down:
                    return
                # A gap or a failure to store that came meanwhile needs another look.
                if gaps == self._gaps and channel not in self._missed:
                    self._whole.add(channel)
                    self._deep.discard(channel)
                    await self._tell(sink, channel)
                    return

    async def _tell(self, sink: Sink, channel: str) -> None:
        """Have a gap shown that is known, and no longer when it is closed; what is only for show stops nothing."""
        is_open = channel in self._deep or channel in self._missed
        if is_open == (channel in self._told):
            return
        try:
            await sink.gap(self._cursor(channel), int(self._watch.now() * 1_000_000) if is_open else None)
        except StoreUnavailable:
            log.info("the gap of channel %s cannot be noted", channel)
        else:
            self._told.symmetric_difference_update({channel})

    async def _read(self, sink: Sink, channel: str) -> None:
        cursor, missed = await sink.position(self._cursor(channel)), self._missed.get(channel)
        if cursor is None:
            await self._begin(sink, channel)
        else:
            since = cursor if missed is None else min(cursor, missed)
            deep = channel in self._deep
            found = await newer(self._api, channel, since, threads=deep)
            if not deep and missed is None:
                await self._doubt(channel, found)
            for start in range(0, len(found), BATCH):
                await self._hand_over(sink, channel, found[start : start + BATCH])
        if self._missed.get(channel) == missed:
            self._missed.pop(channel, None)

    async def _doubt(self, channel: str, found: Sequence[Message]) -> None:
        """A message that was found without a reason to look should have been delivered: say so if it was not."""
        said = [message for message in found if isinstance(self._event(channel, message)[1], MessagePosted)]
        if not said:
            return
        await asyncio.sleep(ON_ITS_WAY)
        if self._heard.get(channel, 0) < (microseconds(string(said[0], "ts")) or 0):
            log.warning("Slack has newer messages in channel %s and did not deliver them", channel)
            self._watch.deaf(channel)

    async def _begin(self, sink: Sink, channel: str) -> None:
        """The first start: what was said before is not ours to answer, what is said from now on is."""
        page = await self._api.call(
            "conversations.history", lambda web: web.conversations_history(channel=channel, limit=1)
        )
        newest = max((microseconds(string(message, "ts")) or 0 for message in items(page.data, "messages")), default=0)
        newest = min(newest, self._missed.get(channel, newest))
        raw = json.dumps({"type": "herald_start", "team_id": self._team, "channel": channel})
        position = Position(self._cursor(channel), newest)
        await sink.accept([Incoming(self._source, f"start:{channel}:{newest}", raw, None, position)])

    async def _hand_over(self, sink: Sink, channel: str, messages: Sequence[Message]) -> None:
        batch: list[Incoming] = []
        for message in messages:
            await self._people.learn(string(message, "user"))
            payload, event = self._event(channel, message)
            if isinstance(event, MessagePosted):
                position = Position(self._cursor(channel), microseconds(event.message_id) or 0)
                key = f"message:{channel}:{event.message_id}"
                batch.append(Incoming(self._source, key, json.dumps(self._people.stamp(payload)), event, position))
        if batch:
            await sink.accept(batch)
            reach(Point.BACKFILLED)

    def _event(self, channel: str, message: Message) -> tuple[dict[str, Any], Event | None]:
        payload = {"type": BACKFILL, "team_id": self._team, "channel": channel, "event": message}
        return payload, self._people.read(payload)

    @property
    def _source(self) -> str:
        return f"slack:{self._team}"

    def _cursor(self, channel: str) -> str:
        return f"slack:{self._team}:{channel}"
