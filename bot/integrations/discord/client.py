"""discord.py's client, cut down to what we use: its connection and its REST layer, not its caches and views."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.integrations.discord.rest import tracing

LONGEST_WAIT = 30.0
"""Seconds that the SDK itself may sleep for one rate limit (its smallest setting); longer ones are reported to us."""


@dataclass(frozen=True, slots=True)
class DiscordConfig:
    """How to reach Discord, and what to listen to.

    `guilds` are the only servers that events are taken from; empty means all that the bot is in. `watched` are the
    channels whose messages must not be missed: they are read back after a gap. `request_timeout` is in seconds.
    """

    token: str
    api_url: str = "https://discord.com/api/v10"
    gateway_url: str = "wss://gateway.discord.gg/"
    guilds: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    request_timeout: float = 10.0


def point_at(config: DiscordConfig) -> None:
    """Have discord.py talk to these addresses. They are its class attributes: one Discord per process."""
    Route.BASE = config.api_url.rstrip("/")
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(config.gateway_url)


def intents() -> discord.Intents:
    """What we ask Discord to tell us. Message content is privileged; the member list is not needed."""
    return discord.Intents(
        guilds=True, guild_messages=True, message_content=True, guild_reactions=True, guild_polls=True
    )


class GatewayClient(discord.Client):
    """A client that hands every raw frame to `take`, at once and in order, and reads on only while there is `room`.

    A task per event, as discord.py makes them, would neither keep the order nor slow the reading down.
    """

    def __init__(self, take: Callable[[str], None], on_ready: Callable[[], None], room: asyncio.Event) -> None:
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
            http_trace=tracing(),
        )
        self._take = take
        self._session_ready = on_ready
        self._room = room
        self._paced: DiscordWebSocket | None = None

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's signature
        """Pass on what the SDK says: raw frames and the end of the start-up; nothing else is listened to."""
        if event == "socket_raw_receive":
            self._take(args[0])
        elif event == "ready":
            self._session_ready()

    @property
    def ws(self) -> DiscordWebSocket:
        """The gateway's socket, as discord.py uses it."""
        return self._paced  # type: ignore[return-value] # the SDK declares it so and sets None

    @ws.setter
    def ws(self, socket: DiscordWebSocket | None) -> None:
        self._paced = socket
        if socket is not None:
            self._pace(socket)

    def _pace(self, socket: DiscordWebSocket) -> None:
        """Let the socket be read only while there is room: what waits, waits at Discord."""
        poll, room = socket.poll_event, self._room

        async def when_room() -> None:
            await room.wait()
            await poll()

        socket.poll_event = when_room  # type: ignore[method-assign]
