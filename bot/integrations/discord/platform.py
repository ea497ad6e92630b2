"""Discord as a platform of the chat, on discord.py."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence

import discord
from discord.http import Route

from bot.chat.events import Event, ReplyHandle
from bot.chat.messages import Answer, Notice, Outgoing
from bot.chat.ports import Capabilities, CommandSpec, NotSent, PlatformDown, Refused, SendError, SetupFault, Sink
from bot.domain.places import Channel, Member
from bot.integrations.discord import commands, parse, render, setup
from bot.integrations.discord.answers import Answers
from bot.integrations.discord.backfill import Backfill
from bot.integrations.discord.client import DiscordConfig, GatewayClient, point_at
from bot.integrations.discord.errors import GONE
from bot.integrations.discord.fields import Json, is_snowflake, number, snowflake, snowflakes
from bot.integrations.discord.inbound import Inbound, Progress
from bot.integrations.discord.rest import Once, Rest

log = logging.getLogger("herald.discord")

IDENTIFY_APART = 5.0
"""Seconds between two log-ins to the gateway, at least (Discord reference, "Rate Limiting")."""
LONGEST_PAUSE = 120.0
CLOSE_WITHIN = 2.0
"""Seconds that the gateway has to say goodbye, and the store to take what is left."""
_PARENTS = 1_000

_NOT_LET_IN = (
    "Discord does not accept the bot's token: make a new one in the Developer Portal (Bot, Reset Token) "
    "and put it into HERALD_DISCORD__TOKEN."
)
_NO_INTENT = (
    "Discord does not grant the message content intent: switch it on in the Developer Portal "
    "(Bot, Privileged Gateway Intents) and start again."
)


class DiscordPlatform:
    """One bot user on Discord. `now` gives UTC seconds; it decides how long interaction tokens are used."""

    def __init__(self, config: DiscordConfig, now: Callable[[], float] = time.time) -> None:
        point_at(config)
        self._config = config
        self._progress = Progress(config.watched)
        self._inbound = Inbound(config.guilds, self._progress, self._parent_of, self._respond)
        self._client: GatewayClient | None = None
        self._once = Once(config.api_url, config.request_timeout)
        self._now = now
        self._logging_in = asyncio.Lock()
        self._rest: Rest | None = None
        self._parents: dict[str, str | None] = {}
        self._session_ready = asyncio.Event()

    @property
    def name(self) -> str:
        """The platform's name in addresses."""
        return parse.PLATFORM

    @property
    def capabilities(self) -> Capabilities:
        """What Discord can do."""
        return Capabilities(max_reply=render.CONTENT, max_draft=render.MAX_DRAFT)

    def parse(self, raw: str) -> Event | None:
        """Read a stored frame again."""
        return parse.parse(raw)

    # ---- receiving

    async def run(self, sink: Sink, ready: Callable[[], None]) -> None:
        """As `Platform.run`. Cancelled, it is closed within five seconds."""
        self._inbound.use(sink)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._inbound.run(), name="discord inbound")
                group.create_task(self._follow_sessions(sink, ready), name="discord sessions")
                group.create_task(self._stay_connected(), name="discord gateway")
        except BaseExceptionGroup as failed:
            down, other = failed.split(PlatformDown)
            if down is None or other is not None:
                raise
            raise PlatformDown(str(_first(down))) from None
        finally:
            await self._finish()

    async def _follow_sessions(self, sink: Sink, ready: Callable[[], None]) -> None:
        """Read back what was missed whenever a new session stands; a newer one ends the reading for an older."""
        filling: asyncio.Task[None] | None = None
        told = False
        try:
            while True:
                await self._session_ready.wait()
                self._session_ready.clear()
                await _ended(filling)
                log.info("discord: session %d ready", self._progress.session)
                if not told:
                    told = True
                    ready()
                backfill = Backfill(await self._connected(), sink, self._progress)
                filling = asyncio.create_task(backfill.run(self._config.watched), name="discord back-fill")
        finally:
            await _ended(filling)

    async def _stay_connected(self) -> None:
        """Keep the gateway connected. Raises PlatformDown for what a person must mend."""
        pause = IDENTIFY_APART
        while True:
            begun = time.monotonic()
            try:
                await self._login()
                await self._gateway()
            except PlatformDown:
                raise
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

    async def _gateway(self) -> None:
        client = self._client
        if client is None:
            return
        try:
            await client.connect()
        finally:
            await _let_go(client)

    async def _login(self) -> GatewayClient:
        """The client with a REST session, logged in once. Raises what discord.py raises."""
        async with self._logging_in:
            if self._client is not None:
                return self._client
            client = GatewayClient(self._inbound.take, self._session_ready.set, self._inbound.room)
            try:
                await client.login(self._config.token)
            except BaseException:
                await client.http.close()
                raise
            self._client = client
            self._rest = Rest(client.http, self._config.request_timeout)
            return client

    async def _connected(self) -> Rest:
        """The REST calls, also without a gateway (`herald doctor`). Raises SendError."""
        if self._rest is None:
            try:
                async with asyncio.timeout(self._config.request_timeout):
                    await self._login()
            except discord.LoginFailure:
                raise Refused(_NOT_LET_IN, "unauthorized") from None
            except (discord.DiscordException, OSError, TimeoutError) as error:
                raise NotSent(f"not connected: {type(error).__name__}") from error
        if self._rest is None:
            raise NotSent("not connected")
        return self._rest

    async def _parent_of(self, channel: str) -> str | None:
        """The channel that a thread belongs to; None for a channel. The SDK knows the active threads."""
        known = self._client.get_channel(int(channel)) if self._client else None
        if known is not None:
            return str(known.parent_id) if isinstance(known, discord.Thread) else None
        if channel not in self._parents:
            self._parents[channel] = await self._asked_parent(channel)
            if len(self._parents) > _PARENTS:
                self._parents.pop(next(iter(self._parents)))
        return self._parents[channel]

    async def _asked_parent(self, channel: str) -> str | None:
        try:
            data = await self._get(Route("GET", "/channels/{channel_id}", channel_id=channel))
        except SendError as error:
            log.info("discord: channel %s unknown: %s", channel, error)
            return None
        return snowflake(data, "parent_id") if number(data, "type") in parse.THREADS else None

    async def _get(self, route: Route) -> Json:
        answer = await (await self._connected()).call(route)
        return answer if isinstance(answer, dict) else {}

    async def _respond(self, interaction: Json, answer: Answer) -> None:
        answers = Answers(self._once, await self._connected(), self._now)
        await answers.respond(interaction, answer)

    # ---- sending

    async def send(self, message: Outgoing, to: Channel, key: str) -> str:
        """As `Platform.send`; `key` goes out as the nonce, so that a repeated request creates nothing."""
        rest = await self._connected()
        route = Route("POST", "/channels/{channel_id}/messages", channel_id=to.channel_id)
        created = await rest.create(route, render.message(message, to, key))
        return (snowflake(created, "id") if isinstance(created, dict) else None) or ""

    async def edit(self, message: Outgoing, at: Channel, message_id: str) -> None:
        """As `Platform.edit`; a message that is gone is Refused with code `gone`."""
        await (await self._connected()).call(_message("PATCH", at, message_id), json=render.content(message))

    async def delete(self, at: Channel, message_id: str) -> None:
        """As `Deletes.delete`."""
        try:
            await (await self._connected()).call(_message("DELETE", at, message_id))
        except Refused as refused:
            if refused.code != GONE:
                raise

    async def notify(self, notice: Notice, at: Channel, reply: ReplyHandle) -> None:
        """As `Notifies.notify`: by the interaction's token, else directly, else the hint in the channel."""
        await Answers(self._once, await self._connected(), self._now).notify(notice, at, reply)

    async def holds(self, member: Member, role: str) -> bool:
        """As `ReadsRoles.holds`; `role` is a role id, or the server's own id for everybody in it."""
        if not is_snowflake(member.tenant) or not is_snowflake(member.user_id):
            return False
        path = "/guilds/{guild_id}/members/{user_id}"
        try:
            data = await self._get(Route("GET", path, guild_id=member.tenant, user_id=member.user_id))
        except Refused as refused:
            if refused.code in _NO_MEMBER:
                return False
            raise
        return role == member.tenant or role in snowflakes(data, "roles")

    async def register(self, commands_: Sequence[CommandSpec]) -> None:
        """As `Registers.register`: globally, and only when something changed."""
        rest = await self._connected()
        application = self._client.application_id if self._client else None
        if application is None:
            raise NotSent("the application is not known yet")
        changed = await commands.register(rest, application, commands_)
        log.info("discord: commands %s", "registered" if changed else "unchanged")

    async def check(self, channels: Sequence[Channel]) -> list[SetupFault]:
        """As `ChecksSetup.check`. Raises SendError when Discord cannot be reached."""
        try:
            rest = await self._connected()
        except Refused:
            return [SetupFault("discord.token", {})]
        return await setup.faults(rest, channels)

    # ---- ending

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._inbound.finish()
        except TimeoutError:
            log.warning("discord: the store did not take what was left; it is read back at the next start")
        await self.close()

    async def close(self) -> None:
        """Let go of connections; a later call makes new ones."""
        client, rest = self._client, self._rest
        self._client = self._rest = None
        if rest is not None:
            await rest.close()
        if client is not None:
            await _let_go(client)
            await client.http.close()
        await self._once.close()


_NO_MEMBER = frozenset({"10007", "10013"})
"""Unknown member, unknown user."""


def _message(method: str, at: Channel, message_id: str) -> Route:
    path = "/channels/{channel_id}/messages/{message_id}"
    return Route(method, path, channel_id=at.channel_id, message_id=message_id)


async def _let_go(client: GatewayClient) -> None:
    """Close the gateway's socket; a server that does not say goodbye is not waited for."""
    socket = client.ws
    if socket is None or not socket.open:
        return
    try:
        async with asyncio.timeout(CLOSE_WITHIN):
            await socket.close(code=1000)
    except (TimeoutError, OSError) as error:
        log.info("discord: gateway closed without an answer: %s", type(error).__name__)


async def _ended(task: asyncio.Task[None] | None) -> None:
    """Cancel a task and wait for its end; its failure is raised."""
    if task is None:
        return
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error


def _closed_for_good(code: int) -> str:
    match code:
        case 4004:
            return _NOT_LET_IN
        case 4013 | 4014:
            return _NO_INTENT
    return f"Discord closed the gateway with code {code}, which no new attempt mends."


def _first(group: BaseExceptionGroup[PlatformDown]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
