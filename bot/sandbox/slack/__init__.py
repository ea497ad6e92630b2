"""A local Slack: Web API, Socket Mode and response URLs over one state, for one app in one or more workspaces.

It reads Slack's own documents for itself (`schema/SOURCE.md`; docs.slack.dev) and is strict where Slack is: arguments,
Block Kit, scopes, rate limits, the three seconds for acknowledgements and triggers. What it does not play, it refuses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from aiohttp import web

from bot.sandbox.frame import ControlError, Fault, Faults, Frame, Json, Seen
from bot.sandbox.slack import connections, files, responses
from bot.sandbox.slack.api import WebApi
from bot.sandbox.slack.arguments import Arguments
from bot.sandbox.slack.core import Core
from bot.sandbox.slack.interactions import Interactions
from bot.sandbox.slack.limits import PUBLISHED
from bot.sandbox.slack.looks import Looks
from bot.sandbox.slack.people import People
from bot.sandbox.slack.responses import ResponseUrls
from bot.sandbox.slack.state import APP_ID, CHANNEL_NAMES
from bot.sandbox.slack.views import Views

_DEAF_SECONDS = 30.0

__all__ = ["SlackServer"]


class SlackServer:
    """The local Slack, as the sandbox's control interface knows it (`frame.Platform`)."""

    name = "slack"

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self.published: Mapping[str, Json] = PUBLISHED if frame.limits else {}
        self._tokens = {kind: _token(kind) for kind in ("bot", "app", "signing")}
        self.core = Core(frame, self._tokens["signing"])
        self.file = self.core.file
        self._views = Views(frame.clock)
        arguments = Arguments()
        self.api = WebApi(self.core, self._views, arguments, self._tokens["bot"], self._tokens["app"])
        self.faults: Faults = self.core.faults
        self._responses = ResponseUrls(self.core, arguments)
        self._people = People(self.core)
        self._interactions = Interactions(self.core, self._people, self._views, self._responses, arguments)
        self._looks = Looks(self.core, self._views, self._interactions)

    def routes(self) -> list[web.RouteDef]:
        """The Web API (method names only: other platforms have routes below `/api/` too), socket, responses, files."""
        contents = files.FileRoutes(self.core, self._tokens["bot"])
        return [
            web.route("GET", "/api/{method:[A-Za-z0-9.]+}", self.api.handle),
            web.route("POST", "/api/{method:[A-Za-z0-9.]+}", self.api.handle),
            web.get(connections.PATH, self.core.socket.connections.connect),
            web.post(responses.PATH + "/{team}/{secret}", self._responses.handle),
            web.post(files.UPLOAD_PATH, contents.upload),
            web.get(files.DOWNLOAD_PATH, contents.download),
        ]

    def environment(self) -> dict[str, str]:
        """The settings that point a bot here."""
        return {
            "HERALD_SLACK__API_URL": f"{self._frame.base}/api/",
            "HERALD_SLACK__BOT_TOKEN": self._tokens["bot"],
            "HERALD_SLACK__APP_TOKEN": self._tokens["app"],
            "HERALD_SLACK__SIGNING_SECRET": self._tokens["signing"],
            "HERALD_SLACK__APP_ID": APP_ID,
        }

    def channels(self) -> dict[str, str | int]:
        """The default workspace's channel ids by name."""
        return {name: self.core.default.channel(name).id for name in CHANNEL_NAMES}

    async def endpoint(self, url: str, kind: str | None) -> Json:
        """The app's request URLs (see `HttpMode.set`)."""
        return await self.core.http.set(url, kind)

    def manifest(self, manifest: Json) -> Json:
        """The app's manifest (see `App.configure`)."""
        return self.core.app.configure(manifest)

    def populate(self, count: int, prefix: str, tenant: str | None) -> list[str]:
        """Public channels with the bot in them."""
        workspace = self.core.workspace(tenant)
        names = (f"{prefix}-{number}" for number in range(1, count + 1))
        return [workspace.channel(name, create=True, crowd=True).id for name in names]

    def member(self, member: str, fields: Mapping[str, Json], tenant: str | None) -> dict[str, str]:
        """Add or change a member (see `People.member`)."""
        return self._people.member(member, fields, tenant)

    async def say(self, call: Mapping[str, Json]) -> str:
        """A member writes a message, or replies in a thread."""
        return await self._people.say(call)

    async def command(self, call: Mapping[str, Json]) -> Json:
        """A member types a slash command."""
        return await self._interactions.command(call)

    async def click(self, call: Mapping[str, Json]) -> Json:
        """A member presses a button (see `interactions` for how long this waits)."""
        return await self._interactions.click(call)

    async def submit(self, call: Mapping[str, Json]) -> Json:
        """A member sends the open modal; `{"$close": true}` as values closes it instead."""
        return await self._interactions.submit(call)

    async def vote(self, call: Mapping[str, Json]) -> Json:
        """Slack has no polls of its own."""
        raise ControlError("Slack has no native polls: click the option's button")

    async def react(self, call: Mapping[str, Json]) -> Json:
        """A member reacts to a message."""
        return await self._people.react(call)

    async def edit(self, call: Mapping[str, Json]) -> Json:
        """A member changes their own message."""
        return await self._people.edit(call)

    async def delete(self, call: Mapping[str, Json]) -> Json:
        """A member deletes their own message."""
        return await self._people.delete(call)

    async def raw(self, event: Json) -> Json:
        """Push any frame as it stands, an envelope or garbage (a string is sent as bare text).

        With a request URL for events it is posted there, signed; of an envelope only what is in it.
        """
        if not self.core.outlet.inject(event):
            raise ControlError("no Socket Mode connection is open: start the bot first")
        return {}

    def seen(self, channel: str, member: str | None, tenant: str | None) -> list[Seen]:
        """The channel's messages as a member reads them, and their open modal last."""
        return self._looks.seen(self.core.place(channel, tenant, member), member)

    async def fault(self, fault: Fault) -> None:
        """Take on a fault. A `disconnect` with seconds warns first and closes that much later; its `match` may be the
        number of one connection, 1 for the one that is open longest."""
        if fault.kind == "disconnect":
            self.core.socket.connections.disconnect(fault.seconds, fault.match)
        elif fault.kind == "deaf":
            self.core.socket.connections.deafen(_DEAF_SECONDS if fault.seconds is None else fault.seconds)
        elif fault.kind == "invalid_session":
            raise ControlError("Slack's sockets have no sessions to invalidate; use `disconnect`")
        else:
            self.faults.add(fault)

    async def close(self) -> None:
        """Let held calls go and close every socket."""
        self.api.close()
        await self.core.http.close()
        await self.core.socket.close()


def _token(kind: str) -> str:
    """The app's secrets: the same in every run, so that a bot's settings stay good."""
    digest = hashlib.sha256(f"herald sandbox {kind}".encode()).hexdigest()
    prefix = {"bot": "xoxb-2111111111-2222222222-", "app": "xapp-1-A0HERALD01-2333333333-", "signing": ""}[kind]
    return prefix + digest[:32]
