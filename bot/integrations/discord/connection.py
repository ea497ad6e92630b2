"""The bot user's connection: logged in once, kept at the gateway, asked over REST."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable

import discord
from discord.http import Route

from bot.chat.ports import NotSent, PlatformDown, Refused, SendError, Sink, StoreUnavailable
from bot.integrations.discord.client import DiscordConfig, GatewayClient, SessionOver
from bot.integrations.discord.errors import NO_TOKEN
from bot.integrations.discord.fields import Json, number, snowflake
from bot.integrations.discord.logins import Clocks, LogIns
from bot.integrations.discord.parse import THREADS
from bot.integrations.discord.rest import Rest

log = logging.getLogger("herald.discord")

IDENTIFY_APART = 5.0
"""Seconds between two log-ins to the gateway, at least (Discord reference, "Rate Limiting")."""
LONGEST_PAUSE = 120.0
GOODBYE = 1000
"""The close code after which Discord forgets the session (1001 as well)."""
GO_ON = 4000
"""A close code after which the session can be resumed."""
GOODBYE_WITHIN = 2.0
"""Seconds that the gateway has to close."""
_PARENTS = 1_000

_NOT_LET_IN = (
    "Discord does not accept the bot's token: make a new one in the Developer Portal (Bot, Reset Token) "
    "and put it into HERALD_DISCORD__TOKEN."
)
_NO_INTENT = (
    "Discord does not grant the message content intent: switch it on in the Developer Portal "
    "(Bot, Privileged Gateway Intents) and start again."
)


class Connection:
    """The SDK's client and what is done with it. `take` gets the gateway's frames; it is read while there is `room`.

    `clocks` count the log-ins, and wait for the next one where they must be spread out.
    """

    def __init__(self, config: DiscordConfig, take: Callable[[str], None], room: asyncio.Event, clocks: Clocks) -> None:
        self.session_ready = asyncio.Event()
        """Set when a session stands in which something may have been missed: a new one, or one that was renewed. Who
        waits for it clears it."""
        self._config = config
        self._take = take
        self._room = room
        self._clocks = clocks
        self._logins: LogIns | None = None
        self._client: GatewayClient | None = None
        self._rest: Rest | None = None
        self._logging_in = asyncio.Lock()
        self._parents: dict[str, str | None] = {}
        self._renewing = False

    @property
    def application(self) -> int | None:
        """The application's id, known once logged in."""
        return self._client.application_id if self._client else None

    @property
    def connected(self) -> bool:
        """Whether the gateway's socket is open."""
        return self._client is not None and self._client.ws is not None and self._client.ws.open

    async def renew(self) -> None:
        """End a connection that brings nothing any more, so that the session is resumed on another."""
        if self._client is not None:
            self._renewing = True
            await _let_go(self._client, GO_ON)

    def _on_session(self, new: bool) -> None:
        if new or self._renewing:
            self._renewing = False
            self.session_ready.set()

    async def stay(self, sink: Sink) -> None:
        """Keep the gateway connected; the sink keeps the log-ins. Raises PlatformDown for what a person must mend."""
        pause = IDENTIFY_APART
        while True:
            begun = time.monotonic()
            try:
                client = await self._login()
                await self._turn(sink, client)
                await self._gateway(client)
            except PlatformDown:
                raise
            except SessionOver:
                log.info("discord: the session is over, logging in again")
                await asyncio.sleep(IDENTIFY_APART)
                continue
            except discord.LoginFailure:
                raise PlatformDown(_NOT_LET_IN) from None
            except discord.PrivilegedIntentsRequired:
                raise PlatformDown(_NO_INTENT) from None
            except discord.ConnectionClosed as closed:
                raise PlatformDown(_closed_for_good(closed.code)) from None
            except Exception as error:
                # Also what discord.py cannot read from the gateway: it ends its loop, and nothing may end ours.
                log.warning("discord: connection lost: %s", type(error).__name__)
            pause = IDENTIFY_APART if time.monotonic() - begun > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreading, not secrecy

    async def _turn(self, sink: Sink, client: GatewayClient) -> None:
        """Wait until the next log-in may be. Raises PlatformDown at the day's limit, and StoreUnavailable."""
        if self._logins is None:
            self._logins = LogIns(sink, client.application_id or 0, self._clocks)
        if not self._config.spare_logins:
            return
        seconds = await self._logins.wait()
        if seconds > 0:
            log.warning("discord: too many log-ins lately, the next one in %.0f s", seconds)
            await self._clocks.sleep(seconds)

    async def _note(self) -> None:
        """Count the log-in that is about to be made, however long the store takes: the SDK gives it a minute."""
        wait = 0.1
        while self._logins is not None:
            try:
                await self._logins.note()
            except StoreUnavailable:
                log.warning("discord: the log-in waits for the store")
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)
            else:
                return

    async def _gateway(self, client: GatewayClient) -> None:
        try:
            await client.connect()
        finally:
            await _let_go(client)

    async def _login(self) -> GatewayClient:
        """The client with a REST session, logged in once. Raises what discord.py raises."""
        async with self._logging_in:
            if self._client is not None:
                return self._client
            client = GatewayClient(self._take, self._on_session, self._room, self._note)
            try:
                await client.login(self._config.token)
            except BaseException:
                await client.http.close()
                raise
            self._client = client
            self._rest = Rest(client.http, self._config.request_timeout)
            return client

    async def rest(self) -> Rest:
        """The REST calls, also without a gateway (`herald doctor`). Raises SendError."""
        if self._rest is None:
            try:
                async with asyncio.timeout(self._config.request_timeout):
                    await self._login()
            except discord.LoginFailure:
                raise Refused(_NOT_LET_IN, NO_TOKEN) from None
            except (discord.DiscordException, OSError, TimeoutError) as error:
                raise NotSent(f"not connected: {type(error).__name__}") from error
        if self._rest is None:
            raise NotSent("not connected")
        return self._rest

    async def parent_of(self, channel: str) -> str | None:
        """The channel that a thread belongs to; None for a channel. The SDK knows the active threads."""
        known = self._client.get_channel(int(channel)) if self._client else None
        if known is not None:
            return str(known.parent_id) if isinstance(known, discord.Thread) else None
        if channel not in self._parents:
            try:
                self._parents[channel] = await self._asked_parent(channel)
            except SendError as error:
                log.info("discord: channel %s unknown: %s", channel, error)
                return None
            if len(self._parents) > _PARENTS:
                self._parents.pop(next(iter(self._parents)))
        return self._parents.get(channel)

    async def _asked_parent(self, channel: str) -> str | None:
        data = await self.get(Route("GET", "/channels/{channel_id}", channel_id=channel))
        return snowflake(data, "parent_id") if number(data, "type") in THREADS else None

    async def get(self, route: Route) -> Json:
        """The object that Discord answers with; empty for anything else. Raises SendError."""
        answer = await (await self.rest()).call(route)
        return answer if isinstance(answer, dict) else {}

    async def close(self) -> None:
        """Let go of everything; a later call connects anew."""
        client, rest = self._client, self._rest
        self._client = self._rest = None
        if rest is not None:
            await rest.close()
        if client is not None:
            await _let_go(client)
            await client.http.close()


async def _let_go(client: GatewayClient, code: int = GOODBYE) -> None:
    """Close the gateway's socket; a server that does not say goodbye is not waited for."""
    socket = client.ws
    if socket is None or not socket.open:
        return
    try:
        async with asyncio.timeout(GOODBYE_WITHIN):
            await socket.close(code=code)
    except (TimeoutError, OSError) as error:
        log.info("discord: gateway closed without an answer: %s", type(error).__name__)


def _closed_for_good(code: int) -> str:
    match code:
        case 4004:
            return _NOT_LET_IN
        case 4013 | 4014:
            return _NO_INTENT
    return f"Discord closed the gateway with code {code}, which no new attempt mends."
