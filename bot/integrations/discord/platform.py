"""Discord as a platform of the chat, on discord.py."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from discord.http import Route

from bot.chat.events import Event, ReplyHandle
from bot.chat.messages import Answer, Notice, Outgoing
from bot.chat.ports import Capabilities, CommandSpec, NotSent, PlatformDown, Refused, SetupFault, Sink
from bot.domain.places import Channel, Member
from bot.integrations.discord import commands as slash
from bot.integrations.discord import parse, render, setup
from bot.integrations.discord.answers import Answers
from bot.integrations.discord.backfill import Backfill
from bot.integrations.discord.client import DiscordConfig, point_at
from bot.integrations.discord.connection import Connection
from bot.integrations.discord.errors import GONE
from bot.integrations.discord.fields import Json, is_snowflake, snowflake, snowflakes
from bot.integrations.discord.inbound import Inbound, Progress
from bot.integrations.discord.logins import Clocks
from bot.integrations.discord.rest import Once
from bot.integrations.discord.watchdog import Watchdog

log = logging.getLogger("herald.discord")

CLOSE_WITHIN = 2.0
"""Seconds that the store has to take what is left."""


class DiscordPlatform:
    """One bot user on Discord.

    `now` gives UTC seconds; it decides how long interaction tokens are used. `clocks` (the same `now` and the machine's
    where they are not given) count the log-ins to the gateway.
    """

    def __init__(
        self, config: DiscordConfig, now: Callable[[], float] = time.time, clocks: Clocks | None = None
    ) -> None:
        point_at(config)
        self._config = config
        self._progress = Progress(config.watched)
        self._inbound = Inbound(config.guilds, self._progress, self._parent_of, self._respond)
        self._connection = Connection(config, self._inbound.take, self._inbound.room, clocks or Clocks(now))
        self._once = Once(config.api_url, config.request_timeout)
        self._now = now

    @property
    def name(self) -> str:
        """The platform's name in addresses."""
        return parse.PLATFORM

    @property
    def capabilities(self) -> Capabilities:
        """What Discord can do."""
        return Capabilities(max_reply=render.CONTENT, max_draft=render.MAX_DRAFT, carries_roles=True)

    def parse(self, raw: str) -> Event | None:
        """Read a stored frame again."""
        return parse.parse(raw)

    # ---- receiving

    async def run(self, sink: Sink, ready: Callable[[], None]) -> None:
        """As `Platform.run`. Cancelled, it is closed within five seconds."""
        self._inbound.use(sink)
        watchdog = Watchdog(self._config, self._inbound, self._progress, self._connection)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._inbound.run(), name="discord inbound")
                group.create_task(self._follow_sessions(sink, ready), name="discord sessions")
                group.create_task(self._connection.stay(sink), name="discord gateway")
                group.create_task(watchdog.run(), name="discord watchdog")
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
                await self._connection.session_ready.wait()
                self._connection.session_ready.clear()
                await _ended(filling)
                log.info("discord: session %d ready", self._progress.session)
                if not told:
                    told = True
                    ready()
                backfill = Backfill(await self._connection.rest(), sink, self._progress)
                filling = asyncio.create_task(backfill.run(self._config.watched), name="discord back-fill")
        finally:
            await _ended(filling)

    async def _parent_of(self, channel: str) -> str | None:
        return await self._connection.parent_of(channel)

    async def _respond(self, interaction: Json, answer: Answer) -> None:
        answers = Answers(self._once, await self._connection.rest(), self._now)
        await answers.respond(interaction, answer)

    # ---- sending

    async def send(self, message: Outgoing, to: Channel, key: str) -> str:
        """As `Platform.send`; `key` goes out as the nonce, so that a repeated request creates nothing."""
        rest = await self._connection.rest()
        route = Route("POST", "/channels/{channel_id}/messages", channel_id=to.channel_id)
        created = await rest.create(route, render.message(message, to, key))
        return (snowflake(created, "id") if isinstance(created, dict) else None) or ""

    async def edit(self, message: Outgoing, at: Channel, message_id: str) -> None:
        """As `Platform.edit`; a message that is gone is Refused with code `gone`."""
        await (await self._connection.rest()).call(_message("PATCH", at, message_id), json=render.content(message))

    async def delete(self, at: Channel, message_id: str) -> None:
        """As `Deletes.delete`."""
        try:
            await (await self._connection.rest()).call(_message("DELETE", at, message_id))
        except Refused as refused:
            if refused.code != GONE:
                raise

    async def notify(self, notice: Notice, at: Channel, reply: ReplyHandle) -> None:
        """As `Notifies.notify`: by the interaction's token, else directly, else the hint in the channel."""
        await Answers(self._once, await self._connection.rest(), self._now).notify(notice, at, reply)

    async def holds(self, member: Member, role: str) -> bool:
        """As `ReadsRoles.holds`; `role` is a role id, or the server's own id for everybody in it."""
        if not is_snowflake(member.tenant) or not is_snowflake(member.user_id):
            return False
        path = "/guilds/{guild_id}/members/{user_id}"
        try:
            data = await self._connection.get(Route("GET", path, guild_id=member.tenant, user_id=member.user_id))
        except Refused as refused:
            if refused.code in _NO_MEMBER:
                return False
            raise
        return role == member.tenant or role in snowflakes(data, "roles")

    async def register(self, commands: Sequence[CommandSpec]) -> None:
        """As `Registers.register`: globally, and only when something changed."""
        rest = await self._connection.rest()
        application = self._connection.application
        if application is None:
            raise NotSent("the application is not known yet")
        changed = await slash.register(rest, application, commands)
        log.info("discord: commands %s", "registered" if changed else "unchanged")

    async def check(self, channels: Sequence[Channel]) -> list[SetupFault]:
        """As `ChecksSetup.check`. Raises SendError when Discord cannot be reached."""
        try:
            rest = await self._connection.rest()
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
        await self._connection.close()
        await self._once.close()


_NO_MEMBER = frozenset({"10007", "10013"})
"""Unknown member, unknown user."""


def _message(method: str, at: Channel, message_id: str) -> Route:
    path = "/channels/{channel_id}/messages/{message_id}"
    return Route(method, path, channel_id=at.channel_id, message_id=message_id)


async def _ended(task: asyncio.Task[None] | None) -> None:
    """Cancel a task and wait for its end; its failure is raised."""
    if task is None:
        return
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error


def _first(group: BaseExceptionGroup[PlatformDown]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
