"""Discord as a platform of the chat: discord.py keeps the gateway, requests are our own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from discord.http import Route

from bot.chat.events import Event, ReplyHandle
from bot.chat.messages import Document, Notice, Outgoing
from bot.chat.pictures import Pictures
from bot.chat.ports import (
    Capabilities,
    CommandSpec,
    Hook,
    LimitSeen,
    PlatformDown,
    Refused,
    SetupFault,
    Sink,
    Sought,
)
from bot.chat.standings import Standing
from bot.domain.places import Channel, Member
from bot.integrations.discord import commands as slash
from bot.integrations.discord import history, links, parse, polls, render, setup
from bot.integrations.discord import standings as stands
from bot.integrations.discord.answers import Answers
from bot.integrations.discord.api import Api
from bot.integrations.discord.blocks import keep_block, recall_block
from bot.integrations.discord.client import DiscordConfig, point_at
from bot.integrations.discord.connection import Connection, doorkeeper, until_allowed
from bot.integrations.discord.endpoint import PATH, Endpoint
from bot.integrations.discord.errors import GONE
from bot.integrations.discord.fields import is_snowflake, snowflakes
from bot.integrations.discord.hands import InHand
from bot.integrations.discord.inbound import Inbound
from bot.integrations.discord.logins import Clocks
from bot.integrations.discord.progress import Progress
from bot.integrations.discord.rest import INVALID_FORM, NOT_LET_IN
from bot.integrations.discord.sessions import Readiness, follow_sessions
from bot.integrations.discord.watchdog import Watchdog

log = logging.getLogger("herald.discord")

CLOSE_WITHIN = 2.0
"""Seconds that the store has to take what is left."""


class DiscordPlatform:
    """One bot user on Discord. Raises PlatformDown for a configuration that cannot be meant.

    `now` gives UTC seconds; it decides how long interaction tokens are used. `clocks` (the same `now` and the machine's
    where they are not given) count the log-ins to the gateway.
    """

    def __init__(
        self, config: DiscordConfig, now: Callable[[], float] = time.time, clocks: Clocks | None = None
    ) -> None:
        config.check()
        point_at(config)
        self._config = config
        self._now = now
        self._clocks = clocks or Clocks(now)
        self._api = Api(config)
        self._pictures = Pictures({INVALID_FORM})
        hand = InHand()
        self._answers = Answers(self._api, now, hand)
        self._progress = Progress(config.watched, config.shards)
        self._inbound = Inbound(config.guilds, self._progress, self._api.parent_of, self._answers.respond, hand)
        self._ears = {shard: self._inbound.ear(shard) for shard in config.held}
        self._connections = [
            Connection(config, self._api, ear.take, self._inbound.room, shard) for shard, ear in self._ears.items()
        ]
        self._api.known_parent = partial(_known_parent, self._connections)

    @property
    def name(self) -> str:
        """The platform's name in addresses."""
        return parse.PLATFORM

    @property
    def capabilities(self) -> Capabilities:
        """What Discord can do."""
        return Capabilities(
            max_reply=render.CONTENT,
            max_draft=render.MAX_DRAFT,
            carries_roles=True,
            polls=render.POLLS,
            max_file=render.MAX_FILE,
            boosts=True,
            tells_joined=True,
            tells_created=True,
        )

    def parse(self, raw: str) -> Event | None:
        """Read a stored frame again."""
        return parse.parse(raw)

    # ---- receiving

    async def run(self, sink: Sink, ready: Callable[[], None]) -> None:
        """As `Platform.run`. Cancelled, it is closed within five seconds."""
        self._inbound.use(sink)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_until_denied(self._api), name="discord token")
                group.create_task(self._inbound.run(), name="discord inbound")
                await recall_block(sink, self._api.limits, self._now)
                group.create_task(keep_block(sink, self._api.limits, self._now), name="discord block")
                await until_allowed(self._api)
                door = await doorkeeper(self._api, sink, self._config, self._clocks)
                readiness = Readiness(len(self._connections), ready)
                for connection in self._connections:
                    shard, ear = connection.shard, self._ears[connection.shard]
                    watchdog = Watchdog(
                        self._api, connection, ear, self._progress, self._inbound.room, self._config.silence
                    )
                    following = follow_sessions(connection, self._api, sink, self._progress, readiness)
                    group.create_task(following, name=f"discord sessions {shard}")
                    group.create_task(connection.stay(door), name=f"discord gateway {shard}")
                    group.create_task(watchdog.run(), name=f"discord watchdog {shard}")
        except BaseExceptionGroup as failed:
            down, other = failed.split(PlatformDown)
            if down is None or other is not None:
                raise
            raise PlatformDown(str(_first(down))) from None
        finally:
            await _finish(self._inbound)
            await self.close()

    def hooks(self, sink: Sink) -> Mapping[str, Hook]:
        """As `HearsHttp.hooks`: interactions over HTTP, where the application's public key is known."""
        if not self._config.public_key:
            return {}
        return {PATH: Endpoint(self._config.public_key, self._inbound, sink).hear}

    # ---- sending

    async def send(self, message: Outgoing, to: Channel, key: str) -> str:
        """As `Platform.send`; `key` goes out as the nonce, so that a repeated request creates nothing.

        The id is empty when the message was made by an earlier request and has been deleted since.
        """
        route, rest = Route("POST", "/channels/{channel_id}/messages", channel_id=to.channel_id), self._api.rest

        async def create(one: Outgoing, within: float) -> str:
            return await rest.create(route, render.message(one, to, key), _file(one), within)

        return await self._pictures.shown(message, rest.timeout, create)

    async def find(self, sought: Sought) -> str | None:
        """As `Finds.find`: what the gateway has brought back of our own, else the channel's history."""
        return self._inbound.echoes.get(sought.key) or await history.find(self._api, sought)

    def on_limits(self, call: Callable[[LimitSeen], None]) -> None:
        """As `ReportsLimits.on_limits`."""
        self._api.rest.seen = call

    async def edit(self, message: Outgoing, at: Channel, message_id: str) -> None:
        """As `Platform.edit`; a message that is gone is Refused with code `gone`."""
        if not message_id:
            raise Refused("the message was deleted soon after it was sent", GONE)
        route, rest = _message("PATCH", at, message_id), self._api.rest

        async def change(one: Outgoing, within: float) -> None:
            await rest.call(route, json=render.content(one), file=_file(one), within=within)

        await self._pictures.shown(message, rest.timeout, change)

    async def delete(self, at: Channel, message_id: str) -> None:
        """As `Deletes.delete`."""
        if not message_id:
            return
        try:
            await self._api.rest.call(_message("DELETE", at, message_id))
        except Refused as refused:
            if refused.code != GONE:
                raise

    async def end_poll(self, at: Channel, message_id: str) -> None:
        """As `EndsPolls.end_poll`."""
        if message_id:
            await polls.end(self._api, at.channel_id, message_id)

    async def votes(self, at: Channel, message_id: str, options: int) -> Mapping[str, tuple[int, ...]]:
        """As `ReadsVotes.votes`; of a poll that is gone Refused with code `gone`."""
        if not message_id:
            raise Refused("the poll was deleted soon after it was sent", GONE)
        return await polls.votes(self._api, at.channel_id, message_id, options)

    async def notify(self, notice: Notice, at: Channel, reply: ReplyHandle, key: str = "") -> None:
        """As `Notifies.notify`: by the interaction's token, else directly, else the hint in the channel."""
        await self._answers.notify(notice, at, reply, key)

    async def holds(self, member: Member, role: str) -> bool:
        """As `ReadsRoles.holds`; `role` is a role id, or the server's own id for everybody in it."""
        if not is_snowflake(member.tenant) or not is_snowflake(member.user_id):
            return False
        path = "/guilds/{guild_id}/members/{user_id}"
        try:
            data = await self._api.get(Route("GET", path, guild_id=member.tenant, user_id=member.user_id))
        except Refused as refused:
            if refused.code in stands.NO_MEMBER:
                return False
            raise
        return role == member.tenant or role in snowflakes(data, "roles")

    async def standings(
        self, members: Collection[Member], at: Channel, roles: Collection[str]
    ) -> Mapping[Member, Standing]:
        """As `ReadsStandings.standings`."""
        return await stands.standings(self._api, members, at, roles)

    async def link(self, at: Channel, message_id: str) -> str | None:
        """As `Links.link`: people who are not in the server are asked to join it."""
        return links.link(at, message_id)

    async def register(self, commands: Sequence[CommandSpec]) -> None:
        """As `Registers.register`: globally, and only when something changed."""
        changed = await slash.register(self._api.rest, await self._api.application(), commands)
        log.info("discord: commands %s", "registered" if changed else "unchanged")

    async def check(self, channels: Sequence[Channel]) -> list[SetupFault]:
        """As `ChecksSetup.check`. Raises SendError when Discord cannot be reached."""
        return await setup.faults(self._api.rest, channels, self._config.public_key)

    # ---- ending

    async def close(self) -> None:
        """Let go of connections; a later call makes new ones."""
        for connection in self._connections:
            await connection.close()
        await self._api.close()


def _known_parent(connections: Sequence[Connection], channel: str) -> str | None:
    return next((known for one in connections if (known := one.parent_of(channel))), None)


async def _finish(inbound: Inbound) -> None:
    try:
        async with asyncio.timeout(CLOSE_WITHIN):
            await inbound.finish()
    except TimeoutError:
        log.warning("discord: the store did not take what was left; it is read back at the next start")


async def _until_denied(api: Api) -> None:
    """End everything when Discord has refused the token, whoever was told."""
    await api.limits.denied.wait()
    raise PlatformDown(NOT_LET_IN)


def _file(message: Outgoing) -> Document | None:
    return message if isinstance(message, Document) else None


def _message(method: str, at: Channel, message_id: str) -> Route:
    path = "/channels/{channel_id}/messages/{message_id}"
    return Route(method, path, channel_id=at.channel_id, message_id=message_id)


def _first(group: BaseExceptionGroup[PlatformDown]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
