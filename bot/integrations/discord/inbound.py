"""From the gateway to the store.

Frames are taken the moment the gateway dispatches them, kept in one bounded queue and stored in their order, as many
at once as are waiting. Interactions have three seconds: each is stored by a task of its own and answered after that,
past the queue. When the store cannot keep up the queue fills and the gateway is not read any further (nothing is
dropped); when Discord ends such a session, the back-fill of the next one fetches the messages that were missed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from bot.chat.events import MessagePosted
from bot.chat.messages import Answer
from bot.chat.ports import Incoming, Position, Sink, StoreUnavailable
from bot.domain.failpoints import Point, reach
from bot.integrations.discord.fields import Json, mapping, snowflake, text
from bot.integrations.discord.hands import InHand
from bot.integrations.discord.parse import KEPT, decode, each, external_id, read, source
from bot.integrations.discord.progress import Progress

log = logging.getLogger("herald.discord")

QUEUE = 5_000
"""Frames that wait for the store before the gateway is no longer read."""
BATCH = 200
INTERACTIONS = 1_000
"""Interactions in hand at once. More are not answered: the member sees that and presses again."""
ECHOES = 2_000
"""Messages of our own that are kept in mind."""
ANSWER_WITHIN = 2.5
"""Seconds until an interaction is given up; Discord waits three for the first answer."""

_PLACE = {"MESSAGE_CREATE": "channel_id", "THREAD_CREATE": "parent_id"}
"""Frames that move a channel's `last_message_id`, and their field that names the channel."""

Respond = Callable[[Json, Answer], Awaitable[None]]
ParentOf = Callable[[str], Awaitable[str | None]]


async def stored(sink: Sink, batch: Sequence[Incoming]) -> list[Answer]:
    """Store these, however long it takes: the platform would not send them again."""
    wait = 0.1
    while True:
        try:
            return await sink.accept(batch)
        except StoreUnavailable:
            log.warning("discord: %d events wait for the store", len(batch))
            await asyncio.sleep(wait)
            wait = min(wait * 2, 5.0)


class Ear:
    """What one gateway connection hears. `take` is called for each of its frames, at once and in order."""

    def __init__(self, inbound: Inbound, progress: Progress, shard: int) -> None:
        self._inbound = inbound
        self._progress = progress
        self._shard = shard
        self.session_id = ""
        self._me: str | None = None
        self.heard = time.monotonic()
        """When anything was dispatched here last, by the monotonic clock."""
        self.events = 0
        """How many frames came here that members or other people caused: a sign that the connection is not deaf."""

    def take(self, raw: str) -> None:
        """Take a frame from the gateway. Never raises and never waits."""
        frame = decode(raw)
        kind, d = text(frame, "t"), mapping(frame, "d")
        if kind:
            self.heard = time.monotonic()
        if place := snowflake(d, _PLACE.get(kind, "")):
            self._progress.saw(place, int(snowflake(d, "id") or 0))
        if kind == "READY":
            self.session_id = text(d, "session_id")
            self._me = snowflake(mapping(d, "user"), "id")
            self._progress.new_session(self._shard)
        if kind in KEPT:
            self.events += 1
            self._echo(kind, d)
            self._inbound.take(frame, self.session_id)

    def _echo(self, kind: str, d: Json) -> None:
        nonce, message = text(d, "nonce"), snowflake(d, "id")
        if kind == "MESSAGE_CREATE" and nonce and message and snowflake(mapping(d, "author"), "id") == self._me:
            self._inbound.echo(nonce, message)


class Inbound:
    """The way from frames to the sink. The ears take, the platform runs `run`."""

    def __init__(
        self, guilds: Sequence[str], progress: Progress, parent_of: ParentOf, respond: Respond, hand: InHand
    ) -> None:
        self.hand = hand
        self.room = asyncio.Event()
        self.room.set()
        self._guilds = frozenset(guilds)
        self._progress = progress
        self._parent_of = parent_of
        self._respond = respond
        self._queue: deque[tuple[Json, str]] = deque()
        self._waiting = asyncio.Event()
        self._interactions: set[asyncio.Task[None]] = set()
        self.echoes: dict[str, str] = {}
        """The ids of our own latest messages that the gateway has brought, by their nonces, deleted since or not."""
        self._sink: Sink | None = None

    def use(self, sink: Sink) -> None:
        """Store into this sink from now on."""
        self._sink = sink

    def ear(self, shard: int) -> Ear:
        """What a gateway connection is to talk to."""
        return Ear(self, self._progress, shard)

    def take(self, frame: Json, session_id: str) -> None:
        """Take a frame that is kept. Never raises and never waits."""
        if not self.ours(frame):
            return
        if text(frame, "t") == "INTERACTION_CREATE":
            self._begin(frame, session_id)
            return
        self._queue.append((frame, session_id))
        self._waiting.set()
        if len(self._queue) >= QUEUE:
            self.room.clear()

    def echo(self, nonce: str, message_id: str) -> None:
        """Keep in mind that a message of ours has arrived."""
        self.echoes[nonce] = message_id
        if len(self.echoes) > ECHOES:
            self.echoes.pop(next(iter(self.echoes)))

    def ours(self, frame: Json) -> bool:
        """Whether it comes from a server that we serve, or from a direct conversation."""
        guild = snowflake(mapping(frame, "d"), "guild_id")
        return not self._guilds or guild is None or guild in self._guilds

    async def run(self) -> None:
        """Store what comes, until cancelled."""
        while True:
            await self._waiting.wait()
            await self.store_waiting()

    async def store_waiting(self) -> None:
        """Store all that waits. What is cancelled in between is still waiting."""
        while self._queue:
            frames = [self._queue[at] for at in range(min(BATCH, len(self._queue)))]
            batch = [incoming for frame in frames for incoming in await self._incoming(*frame)]
            if batch and self._sink is not None:
                reach(Point.DISCORD_TAKEN)
                await stored(self._sink, batch)
                reach(Point.DISCORD_STORED)
            for _ in frames:
                self._queue.popleft()
            if len(self._queue) < QUEUE:
                self.room.set()
        self._waiting.clear()

    async def _incoming(self, frame: Json, session_id: str) -> list[Incoming]:
        d = mapping(frame, "d")
        place = snowflake(d, "channel_id")
        parent = await self._parent_of(place) if place and snowflake(d, "guild_id") else None
        known = {**frame, "parent": parent} if parent else frame
        made = (self.incoming(part, session_id) for part in each(known))
        return [incoming for incoming in made if incoming is not None]

    def incoming(self, frame: Json, session_id: str = "") -> Incoming | None:
        """A frame as it is stored; None for one that is not kept."""
        name = external_id(frame, session_id)
        if name is None:
            return None
        event = read(frame)
        position = self._progress.of(event) if isinstance(event, MessagePosted) else None
        return Incoming(source(frame), name, json.dumps(frame), event, position)

    def _begin(self, frame: Json, session_id: str) -> None:
        if len(self._interactions) >= INTERACTIONS:
            log.warning(
                "discord: interaction %s not taken, %d in hand", snowflake(mapping(frame, "d"), "id"), INTERACTIONS
            )
            return
        task = asyncio.get_running_loop().create_task(self._interaction(frame, session_id), name="discord interaction")
        self._interactions.add(task)
        task.add_done_callback(self._interactions.discard)

    async def _interaction(self, frame: Json, session_id: str) -> None:
        incoming = self.incoming(frame, session_id)
        if incoming is None or self._sink is None:
            return
        with self.hand.held(mapping(frame, "d")):
            await self._stored_and_answered(self._sink, frame, incoming)

    async def _stored_and_answered(self, sink: Sink, frame: Json, incoming: Incoming) -> None:
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                [answer] = await stored(sink, [incoming])
        except TimeoutError:
            # Not acknowledged: Discord tells the member that it failed, and they press again.
            log.warning("discord: interaction %s not stored in time", incoming.external_id)
            return
        if incoming.event is not None:
            reach(Point.DISCORD_ANSWERING)
            await self._respond(mapping(frame, "d"), answer)
            reach(Point.DISCORD_ANSWERED)

    async def finish(self) -> None:
        """Store what is left and end the interactions in hand."""
        for task in list(self._interactions):
            task.cancel()
        await asyncio.gather(*self._interactions, return_exceptions=True)
        await self.store_waiting()


def backfilled(message: Json, guild: str, parent: str | None, position: Position | None) -> Incoming:
    """A message from a channel's history, as if the gateway had brought it."""
    frame: dict[str, object] = {"t": "MESSAGE_CREATE", "d": {**message, "guild_id": guild}, "backfilled": True}
    if parent:
        frame["parent"] = parent
    return Incoming(source(frame), f"m:{message['id']}", json.dumps(frame), read(frame), position)
