"""One HTTP call on its way to its handler, and the table of handlers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bot.sandbox.discord.backend import Backend
from bot.sandbox.discord.content import Upload
from bot.sandbox.discord.errors import unknown
from bot.sandbox.discord.limits import Limits
from bot.sandbox.discord.model import Channel, Guild, Message
from bot.sandbox.discord.world import World
from bot.sandbox.frame import Json

Reply = tuple[int, Json]


@dataclass
class Call:
    """A checked request: path parameters, typed query, body and uploaded files."""

    backend: Backend
    limits: Limits
    path: dict[str, str]
    query: dict[str, Json] = field(default_factory=dict)
    body: Json = None
    uploads: list[Upload] = field(default_factory=list)

    @property
    def world(self) -> World:
        """The state."""
        return self.backend.world

    def channel(self) -> Channel:
        """The channel of the path; raises 10003."""
        channel = self.world.channels.get(self.path["channel_id"])
        if channel is None:
            raise unknown("Channel")
        return channel

    def message(self) -> Message:
        """The message of the path, which everybody in the channel can see; raises 10008."""
        message = self.channel().messages.get(self.path["message_id"])
        if message is None or message.private_to is not None:
            raise unknown("Message")
        return message

    def guild(self) -> Guild:
        """The guild of the path; raises 10004."""
        guild = self.world.guilds.get(self.path["guild_id"])
        if guild is None:
            raise unknown("Guild")
        return guild


Handler = Callable[[Call], Reply]
HANDLERS: dict[tuple[str, str], Handler] = {}


def handles(verb: str, template: str) -> Callable[[Handler], Handler]:
    """Register a handler for a verb on a path of the description."""

    def register(handler: Handler) -> Handler:
        HANDLERS[verb, template] = handler
        return handler

    return register
