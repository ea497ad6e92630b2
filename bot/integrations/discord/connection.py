"""One connection to the gateway, or one shard of several: logged in when it may be, and kept."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import discord
from discord.http import Route

from bot.chat.ports import NotSent, PlatformDown, Refused, SendError, Sink, StoreUnavailable
from bot.integrations.discord.api import Api
from bot.integrations.discord.client import DiscordConfig, GatewayClient, SessionOver
from bot.integrations.discord.errors import NO_TOKEN
from bot.integrations.discord.fields import Json, mapping, number
from bot.integrations.discord.logins import DAY_LIMIT, IDENTIFY_APART, SPARED, Clocks, LogIns, Turns
from bot.integrations.discord.rest import NOT_LET_IN

log = logging.getLogger("herald.discord")

LONGEST_PAUSE = 120.0
GOODBYE = 1000
"""The close code after which Discord forgets the session (1001 as well)."""
GO_ON = 4000
"""A close code after which the session can be resumed."""
GOODBYE_WITHIN = 2.0
"""Seconds that the gateway has to close."""

_NO_INTENT = (
    "Discord does not grant the message content intent: switch it on in the Developer Portal "
    "(Bot, Privileged Gateway Intents) and start again."
)


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """What the shards of a process share before they log in: how often they may, and whose turn it is."""

    logins: LogIns
    turns: Turns
    clocks: Clocks
    spare: bool

    async def admit(self, shard: int) -> None:
        """Return in the shard's turn, when it may log in. Raises PlatformDown, and StoreUnavailable."""
        await self.turns.enter(shard)
        try:
            seconds = await self.logins.wait(shard) if self.spare else 0.0
            if seconds > 0:
                log.warning("discord: too many log-ins lately, the next one in %.0f s", seconds)
                await self.clocks.sleep(seconds)
        except BaseException:
            self.turns.leave(shard)
            raise

    async def note(self, shard: int) -> None:
        """Count the log-in that is about to be made, however long the store takes: the SDK gives it a minute."""
        wait = 0.1
        while True:
            try:
                await self.logins.note(shard)
            except StoreUnavailable:
                log.warning("discord: a log-in waits for the store")
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)
            else:
                self.turns.logged_in(shard)
                return


async def doorkeeper(api: Api, sink: Sink, config: DiscordConfig, clocks: Clocks) -> Doorkeeper:
    """The doorkeeper of this process, after `until_allowed`. Raises PlatformDown when hardly any log-in is left.

    Only a bot with several shards asks Discord how many log-ins it has: one without has a thousand, one at a time.
    """
    application = await api.application()
    total, at_once = DAY_LIMIT, 1
    if config.shards > 1:
        limit = mapping(await _asked(api), "session_start_limit")
        total, at_once = number(limit, "total") or DAY_LIMIT, number(limit, "max_concurrency") or 1
        left = number(limit, "remaining")
        if left is not None and left < total * (1 - SPARED) and config.spare_logins:
            raise PlatformDown(
                f"Discord has {left} of {total} log-ins to its gateway left for today, and resets the bot's token when "
                "there are none: find out what else uses this token, and start again tomorrow."
            )
    logins = LogIns(sink, application, clocks, config.shards, int(total * SPARED))
    return Doorkeeper(logins, Turns(clocks, at_once), clocks, config.spare_logins)


async def _asked(api: Api) -> Json:
    try:
        return await api.get(Route("GET", "/gateway/bot"))
    except Refused:
        raise
    except SendError as error:
        log.info("discord: log-ins that are left not known: %s", error)
        return {}


class Connection:
    """The SDK's client for one shard. `take` gets the gateway's frames; it is read while there is `room`."""

    def __init__(
        self, config: DiscordConfig, api: Api, take: Callable[[str], None], room: asyncio.Event, shard: int = 0
    ) -> None:
        self.session_ready = asyncio.Event()
        """Set when a session stands in which something may have been missed: a new one, or one that was renewed. Who
        waits for it clears it."""
        self.shard = shard
        self._config = config
        self._api = api
        self._take = take
        self._room = room
        self._door: Doorkeeper | None = None
        self._client: GatewayClient | None = None
        self._renewing = False

    @property
    def connected(self) -> bool:
        """Whether the gateway's socket is open."""
        return self._client is not None and self._client.ws is not None and self._client.ws.open

    async def renew(self, *, forget: bool = False) -> None:
        """End a connection that brings nothing any more, so that the session is resumed on another.

        With `forget` the session ends too, and the next connection logs in.
        """
        if self._client is not None:
            self._renewing = True
            self._client.forget = forget
            await _let_go(self._client, GOODBYE if forget else GO_ON)

    def parent_of(self, channel: str) -> str | None:
        """The parent of a thread that the SDK knows; the channel itself when it has none; None for an unknown one."""
        known = self._client.get_channel(int(channel)) if self._client else None
        if known is None:
            return None
        return str(known.parent_id) if isinstance(known, discord.Thread) else channel

    def _on_session(self, new: bool) -> None:
        if new or self._renewing:
            self._renewing = False
            self.session_ready.set()

    async def stay(self, door: Doorkeeper) -> None:
        """Keep the gateway connected. Raises PlatformDown for what a person must mend."""
        self._door = door
        pause = IDENTIFY_APART
        while True:
            begun = time.monotonic()
            try:
                await self._session(door)
            except PlatformDown:
                raise
            except SessionOver:
                log.info("discord: the session is over, logging in again")
                await asyncio.sleep(IDENTIFY_APART)
                continue
            except discord.LoginFailure:
                raise PlatformDown(NOT_LET_IN) from None
            except discord.PrivilegedIntentsRequired:
                raise PlatformDown(_NO_INTENT) from None
            except discord.ConnectionClosed as closed:
                raise PlatformDown(_closed_for_good(closed.code)) from None
            except Exception as error:
                # Also what discord.py cannot read from the gateway: it ends its loop, and nothing may end ours.
                log.warning("discord: connection lost: %s", type(error).__name__)
            pause = IDENTIFY_APART if time.monotonic() - begun > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreading, not secrecy

    async def _session(self, door: Doorkeeper) -> None:
        """Log in when it may be, and stay connected. Raises what discord.py raises, SessionOver, PlatformDown."""
        client = await self._login()
        await door.admit(self.shard)
        try:
            await client.connect()
        finally:
            door.turns.leave(self.shard)
            await _let_go(client)

    async def _note(self) -> None:
        if self._door is not None:
            await self._door.note(self.shard)

    async def _login(self) -> GatewayClient:
        """The client with the SDK's own session. Raises what discord.py raises."""
        if self._client is not None:
            self._client.forget = False
            return self._client
        await until_allowed(self._api)
        shard = (self.shard, self._config.shards)
        client = GatewayClient(self._take, self._on_session, self._room, self._note, shard)
        try:
            await client.login(self._config.token)
        except BaseException:
            await client.http.close()
            raise
        self._client = client
        return client

    async def close(self) -> None:
        """Let go of everything; a later call connects anew."""
        client, self._client = self._client, None
        if client is not None:
            await _let_go(client)
            await client.http.close()


async def until_allowed(api: Api) -> None:
    """Return when Discord's API answers us and the application is known, however long we are told to wait.

    Raises PlatformDown when the token is refused.

    discord.py logs in with requests of its own, which know nothing of our limits: they are made after one of ours.
    """
    wait = 1.0
    while True:
        try:
            await api.rest.call(Route("GET", "/users/@me"))
            await api.application()
        except Refused as refused:
            if refused.code == NO_TOKEN:
                raise PlatformDown(NOT_LET_IN) from None
            error: SendError = refused
        except SendError as failed:
            error = failed
        else:
            return
        told = error.retry_after if isinstance(error, NotSent) else None
        pause = max(told or 0.0, wait)
        log.warning("discord: not connected, trying again in %.0f s: %s", pause, error)
        await asyncio.sleep(pause)
        wait = min(wait * 2, LONGEST_PAUSE)


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
            return NOT_LET_IN
        case 4013 | 4014:
            return _NO_INTENT
    return f"Discord closed the gateway with code {code}, which no new attempt mends."
