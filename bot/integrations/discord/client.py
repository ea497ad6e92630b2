"""discord.py's client, cut down to what we use: its connection and its REST layer, not its caches and views."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import discord
import yarl
from discord.gateway import DiscordWebSocket, ReconnectWebSocket
from discord.http import Route

from bot.chat.ports import PlatformDown

LONGEST_WAIT = 30.0
"""Seconds that the SDK itself may sleep for one rate limit (its smallest setting); longer ones are reported to us."""


@dataclass(frozen=True, slots=True)
class DiscordConfig:
    """How to reach Discord, and what to listen to.

    `guilds` are the only servers that events are taken from; empty means all that the bot is in. `watched` are the
    channels whose messages must not be missed: they are read back after a gap. `request_timeout` is in seconds.
    `spare_logins` spreads log-ins to the gateway out and ends them before Discord would reset the token; without it
    they are only counted (local servers have no such limit). After `silence` seconds without any event it is looked
    into whether there was one. With `public_key` (hex) interactions are taken as HTTP requests, too. Of `shards`
    gateway connections this process holds those in `shard_ids`, or all.
    """

    token: str
    api_url: str = "https://discord.com/api/v10"
    gateway_url: str = "wss://gateway.discord.gg/"
    guilds: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    request_timeout: float = 10.0
    spare_logins: bool = True
    silence: float = 300.0
    public_key: str = ""
    shards: int = 1
    shard_ids: tuple[int, ...] = ()

    @property
    def held(self) -> tuple[int, ...]:
        """The shards that this process holds."""
        return tuple(dict.fromkeys(self.shard_ids)) or tuple(range(self.shards))

    def check(self) -> None:
        """Raise PlatformDown for what cannot be meant."""
        if not all(0 <= one < self.shards for one in self.shard_ids):
            raise PlatformDown(
                f"discord.shard_ids: with {self.shards} shards they are numbered 0 to {self.shards - 1}."
            )
        if self.public_key and not re.fullmatch("[0-9a-fA-F]{64}", self.public_key):
            raise PlatformDown(
                "discord.public_key is no key: copy its 64 digits from the Developer Portal (General Information)."
            )


def point_at(config: DiscordConfig) -> None:
    """Have discord.py talk to these addresses. They are its class attributes: one Discord per process."""
    Route.BASE = config.api_url.rstrip("/")
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(config.gateway_url)


def intents() -> discord.Intents:
    """What we ask Discord to tell us. Message content is privileged; the member list is not needed."""
    return discord.Intents(
        guilds=True, guild_messages=True, message_content=True, guild_reactions=True, guild_polls=True
    )


class SessionOver(Exception):
    """The gateway has ended the session for good: the next connection has to log in anew."""


class GatewayClient(discord.Client):
    """A client that hands every raw frame to `take`, at once and in order, and reads on only while there is `room`.

    A task per event, as discord.py makes them, would neither keep the order nor slow the reading down. `connect` raises
    SessionOver where discord.py would log in again by itself, so that every log-in is the caller's decision, and
    `logging_in` is awaited right before each. `shard` is its number and how many there are.
    """

    def __init__(
        self,
        take: Callable[[str], None],
        on_session: Callable[[bool], None],
        room: asyncio.Event,
        logging_in: Callable[[], Awaitable[None]],
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        # Voice is not used: the SDK need not tell at every start that its libraries are missing.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        super().__init__(
            intents=intents(),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            allowed_mentions=discord.AllowedMentions.none(),
            enable_debug_events=True,
            max_ratelimit_timeout=LONGEST_WAIT,
            shard_id=shard[0],
            shard_count=shard[1],
        )
        self._take = take
        self._on_session = on_session
        self._room = room
        self._logging_in = logging_in
        self._paced: DiscordWebSocket | None = None
        self.forget = False
        """Set to end the session with its connection, instead of resuming it on another."""

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's signature
        """Pass on what the SDK says: raw frames, and that a session stands, a new one or not; nothing else is heard."""
        if event == "socket_raw_receive":
            self._take(args[0])
        elif event in ("ready", "resumed"):
            self._on_session(event == "ready")

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """What discord.py awaits before it sends IDENTIFY."""
        await self._logging_in()

    @property
    def ws(self) -> DiscordWebSocket:
        """The gateway's socket, as discord.py uses it."""
        return self._paced  # type: ignore[return-value] # the SDK declares it so and sets None

    @ws.setter
    def ws(self, socket: DiscordWebSocket | None) -> None:
        self._paced = socket
        if socket is not None:
            self._pace(socket)
            _note_beats(socket)

    def _pace(self, socket: DiscordWebSocket) -> None:
        """Let the socket be read only while there is room: what waits, waits at Discord."""
        poll, room = socket.poll_event, self._room

        async def when_room() -> None:
            await room.wait()
            try:
                await poll()
            except ReconnectWebSocket as again:
                if again.resume and not self.forget:
                    raise
                raise SessionOver from None
            except Exception:
                if self.forget:
                    raise SessionOver from None
                raise

        socket.poll_event = when_room  # type: ignore[method-assign]  # the SDK offers no other place to stop reading


def _note_beats(socket: DiscordWebSocket) -> None:
    """Have the time of a heartbeat noted before it is sent.

    The SDK's thread notes it afterwards, when it runs again. In a busy process the answer is often there first, is
    held against the heartbeat before, and the log says that the connection is a whole interval (41.3 s) behind.
    """
    send = socket.send_heartbeat

    async def noted(data: Any) -> None:  # noqa: ANN401 - the SDK's signature
        if socket._keep_alive is not None:
            socket._keep_alive.beat()
        await send(data)

    socket.send_heartbeat = noted  # type: ignore[method-assign]  # nothing of the SDK's is asked before it is sent
