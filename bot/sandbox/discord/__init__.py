"""A local Discord: REST v10 under `/api/v10`, the gateway under `/gateway`, and people who can be told what to do.

It is written from Discord's own description and documentation, and knows nothing of the bot.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping

from aiohttp import web

from bot.sandbox.discord import components as parts
from bot.sandbox.discord import forms, views
from bot.sandbox.discord.backend import Backend
from bot.sandbox.discord.endpoint import SECONDS, Endpoint
from bot.sandbox.discord.gateway import Gateway
from bot.sandbox.discord.limits import PUBLISHED
from bot.sandbox.discord.model import Flag, Message, Poll
from bot.sandbox.discord.people import People, visible_text
from bot.sandbox.discord.rest import Rest
from bot.sandbox.frame import ControlError, Fault, Faults, Frame, Json, Seen, SeenCache
from bot.sandbox.hooks import Hooks

_TICK_SECONDS = 0.5
_DEAF_SECONDS = 60.0
_CHANNELS_A_GUILD = 500


class DiscordServer:
    """The local Discord as a `Platform` of the sandbox."""

    name = "discord"

    def __init__(self, frame: Frame) -> None:
        self.faults = Faults()
        self._frame = frame
        self.published: Mapping[str, Json] = PUBLISHED if frame.limits else {}
        self._backend = Backend(frame)
        self._world = self._backend.world
        self._people = People(self._backend)
        self._rest = Rest(frame, self._backend, self.faults)
        self._endpoint = Endpoint(frame, self._world, Hooks(frame, self.name, self.faults, SECONDS))
        self._endpoint.answer = self._rest.inline
        self.endpoint = self._endpoint.set
        self.intents = self._world.choose_intents
        self.file = self._world.file
        self._backend.deliver = self._endpoint.deliver
        self._gateway = Gateway(frame, self._world, self._backend.hub)
        self._looks = SeenCache()
        self._ticking: asyncio.Task[None] | None = None

    def routes(self) -> list[web.RouteDef]:
        """REST, gateway and uploaded files."""
        return [
            web.route("*", "/api/v{version:\\d+}/{tail:.*}", self._rest.handle),
            web.get("/gateway", self._connect),
            web.get("/gateway/", self._connect),
            web.get("/discord/attachments/{channel}/{attachment}/{filename}", self._rest.attachment),
        ]

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if self._ticking is None:
            self._ticking = asyncio.create_task(self._tick())
        return await self._gateway.connect(request)

    async def _tick(self) -> None:
        """Do what time alone brings about: polls end."""
        while not self._rest.closing.is_set():
            self._backend.close_polls()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._rest.closing.wait(), _TICK_SECONDS)

    def environment(self) -> dict[str, str]:
        """Where the bot finds this Discord, its token, and the key that signs what is posted to it."""
        return {
            "HERALD_DISCORD__API_URL": f"{self._frame.base}/api/v10",
            "HERALD_DISCORD__GATEWAY_URL": self._gateway.url,
            "HERALD_DISCORD__TOKEN": self._world.token,
            "HERALD_DISCORD__PUBLIC_KEY": self._world.public_key,
        }

    def channels(self) -> dict[str, str | int]:
        """The ids of the default guild's channels by short name."""
        return dict(self._world.default.channels)

    def populate(self, count: int, prefix: str, tenant: str | None) -> list[str]:
        """Text channels, at most 500 in each guild, as on Discord: further guilds are named after the prefix."""
        home = self._backend.guild(tenant)
        made: list[str] = []
        for number in range(1, count + 1):
            name = f"{prefix}-{number}"
            if name not in home.channels and len(home.channels) >= _CHANNELS_A_GUILD:
                home = self._backend.guild(f"{prefix} from {number}")
            known, channel = name in home.channels, self._world.make_channel(home, name)
            if not known:
                self._backend.hub.dispatch("CHANNEL_CREATE", views.channel(channel))
            made.append(channel.id)
        return made

    def member(self, member: str, fields: Mapping[str, Json], tenant: str | None) -> dict[str, Json]:
        """Add or change a member; answers its id, the guild's id and the ids of its roles by name."""
        return self._people.change_member(member, fields, tenant)

    async def say(self, call: Mapping[str, Json]) -> str:
        """A member writes."""
        return self._people.say(call)

    async def command(self, call: Mapping[str, Json]) -> Json:
        """A member types a slash command; answers as `click` does."""
        return await self._people.command(call)

    async def click(self, call: Mapping[str, Json]) -> Json:
        """A member presses a button; answers `{"form"}`, `{"toast"}` or `{}` within three seconds."""
        return await self._people.click(call)

    async def submit(self, call: Mapping[str, Json]) -> Json:
        """A member sends an open form; answers `{"errors"}`, `{"toast"}` or `{}`."""
        return await self._people.submit(call)

    async def vote(self, call: Mapping[str, Json]) -> Json:
        """A member votes in a native poll."""
        return self._people.vote(call)

    async def react(self, call: Mapping[str, Json]) -> Json:
        """A member adds or takes back a reaction."""
        return self._people.react(call)

    async def edit(self, call: Mapping[str, Json]) -> Json:
        """A member changes a message."""
        return self._people.edit(call)

    async def delete(self, call: Mapping[str, Json]) -> Json:
        """A member deletes a message."""
        return self._people.delete(call)

    async def raw(self, event: Json) -> Json:
        """Push `{"t", "d"}` as the next dispatch of every session, or any other frame as it stands; an interaction is
        posted to the application's endpoint where it has one."""
        if isinstance(event, dict) and event.get("t") == "INTERACTION_CREATE" and self._endpoint.is_set:
            self._endpoint.inject(event.get("d"))
        elif isinstance(event, dict) and isinstance(event.get("t"), str) and event.get("op", 0) == 0:
            self._backend.hub.dispatch(event["t"], event.get("d"), injected=True)
        else:
            self._backend.hub.raw(event if isinstance(event, str) else json.dumps(event))
        return {}

    def seen(self, channel: str, member: str | None, tenant: str | None) -> list[Seen]:
        """What that member sees in the channel and its threads, oldest first, open forms last."""
        self._backend.close_polls()
        viewer = self._world.user(member) if member is not None else None
        guild = self._world.tenant(tenant)
        if guild is None:
            raise ControlError(f"there is no guild {tenant!r}: a member or a message makes one")
        place = self._people.channel(channel, guild, member)
        places = self._people.places(place)
        messages = sorted((m for p in places for m in p.messages.values()), key=lambda m: int(m.id))
        shown = [m for m in messages if m.private_to in (None, viewer) and not m.flags & Flag.LOADING]
        found = [_look(self._looks, message) for message in shown]
        for opened in self._backend.forms.values():
            if viewer is not None and opened.user is viewer and opened.channel in places:
                text, bot = "\n".join(forms.texts(opened)), self._world.bot.name
                found.append(Seen(opened.id, bot, text, private_to=viewer.name, form=forms.shown(opened)))
        return found

    async def fault(self, fault: Fault) -> None:
        """Misbehave: `disconnect` (close 4000, resumable), `deaf` and `invalid_session` act on the open connections;
        with a `match`, the first two on the shard of that number."""
        hub = self._backend.hub
        links = [link for link in hub.links if fault.match in (None, link.shard_id)]
        if fault.kind == "disconnect":
            for link in links:
                link.end(4000)
        elif fault.kind == "deaf":
            for link in links:
                link.deaf_until = time.monotonic() + (_DEAF_SECONDS if fault.seconds is None else fault.seconds)
        elif fault.kind == "invalid_session":
            hub.invalidate()
        else:
            self.faults.add(fault)

    async def close(self) -> None:
        """Close gateway connections, let go of held requests, and end the ticking."""
        self._rest.closing.set()
        await self._endpoint.close()
        for link in list(self._backend.hub.links):
            link.end(1001)
        if self._ticking:
            await self._ticking


def _look(looks: SeenCache, message: Message) -> Seen:
    if message.poll:
        return _message_seen(message)
    content = (message.content, message.embeds, message.components, message.flags, message.attachments)
    parts = (*content, message.author.name, message.reference, message.private_to)
    return looks.look(message.id, parts, lambda: _message_seen(message))


def _message_seen(message: Message) -> Seen:
    buttons = [
        {"id": str(c.get("custom_id") or c.get("url") or ""), "label": str(c.get("label") or c["emoji"]["name"])}
        for _, c in parts.walk(message.components)
        if c["type"] == parts.BUTTON
    ]
    private_to = message.private_to or message.channel.recipient
    return Seen(
        message.id,
        message.author.name,
        visible_text(message),
        reply_to=message.reference["message_id"] if message.reference and message.kind == 19 else None,
        private_to=private_to.name if private_to else None,
        buttons=tuple(buttons),
        poll=_poll_seen(message.poll) if message.poll else None,
        files=[_file_seen(attachment) for attachment in message.attachments] or None,
    )


def _file_seen(attachment: dict[str, Json]) -> dict[str, Json]:
    about = {"id": attachment["id"], "name": attachment["filename"]}
    return about | {"type": attachment["content_type"], "size": attachment["size"]}


def _poll_seen(poll: Poll) -> Json:
    options = [
        {"text": a["poll_media"].get("text", ""), "votes": len(poll.votes.get(a["answer_id"], []))}
        for a in poll.answers
    ]
    shown = {"question": poll.question["text"], "options": options, "closed": poll.finalized}
    total = len({user for voters in poll.votes.values() for user in voters})
    return {**shown, "multiple": poll.multiselect, "total": total}
