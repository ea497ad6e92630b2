"""The bot user as Discord's REST interface knows it: usable in any process, with or without a gateway."""

from __future__ import annotations

import logging
from collections.abc import Callable

from discord.http import Route

from bot.chat.ports import SendError, Unclear
from bot.integrations.discord.client import DiscordConfig
from bot.integrations.discord.fields import Json, number, snowflake
from bot.integrations.discord.limits import Limits
from bot.integrations.discord.parse import THREADS
from bot.integrations.discord.rest import Once, Rest
from bot.integrations.discord.wire import Wire

log = logging.getLogger("herald.discord")

_PARENTS = 1_000


class Api:
    """Discord's REST interface for one bot token. Nothing is asked before it is needed."""

    def __init__(self, config: DiscordConfig) -> None:
        self.limits = Limits()
        self._wire = Wire()
        self.rest = Rest(self._wire, self.limits, config.api_url, config.token, config.request_timeout)
        self.once = Once(self._wire, self.limits, config.api_url, config.request_timeout)
        self.known_parent: Callable[[str], str | None] = lambda _: None
        """A faster way to learn of a channel's parent: the parent, the channel itself when it has none, or None."""
        self._me: str | None = None
        self._application: int | None = None
        self._parents: dict[str, str | None] = {}

    @property
    def ahead(self) -> float:
        """Seconds by which Discord's clock is ahead of this machine's."""
        return self._wire.ahead

    async def get(self, route: Route, within: float | None = None) -> Json:
        """The object that Discord answers with; empty for anything else. Raises SendError."""
        answer = await self.rest.call(route, within=within)
        return answer if isinstance(answer, dict) else {}

    async def me(self) -> str:
        """The bot user's id. Raises SendError."""
        if self._me is None:
            self._me = snowflake(await self.get(Route("GET", "/users/@me")), "id")
            if self._me is None:
                raise Unclear("Discord does not say who the bot is")
        return self._me

    async def application(self) -> int:
        """The application's id. Raises SendError."""
        if self._application is None:
            said = snowflake(await self.get(Route("GET", "/applications/@me")), "id")
            if said is None:
                raise Unclear("Discord does not say which application this is")
            self._application = int(said)
        return self._application

    async def parent_of(self, channel: str) -> str | None:
        """The channel that a thread belongs to; None for a channel, and for what cannot be learned now."""
        if known := self.known_parent(channel):
            return known if known != channel else None
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

    async def close(self) -> None:
        """Let go of connections; a later call makes new ones."""
        await self._wire.close()
