"""The state of the local Slack, and the changes that both the app and its people make to it."""

from __future__ import annotations

import uuid
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.sandbox.frame import Content, ControlError, Faults, Frame, Json
from bot.sandbox.hooks import Hooks
from bot.sandbox.slack import blockkit
from bot.sandbox.slack.app import App
from bot.sandbox.slack.http_mode import SECONDS, HttpMode
from bot.sandbox.slack.outlet import Outlet
from bot.sandbox.slack.socket_mode import SocketMode
from bot.sandbox.slack.state import APP_ID, DEFAULT_TENANT, SLACKBOT, Channel, Message, Workspace, make_id
from bot.sandbox.slack.text import Reader, readable

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEPT_PRIVATE = 20


@dataclass(frozen=True)
class Place:
    """A channel of a workspace."""

    workspace: Workspace
    channel: Channel

    def reader(self) -> Reader:
        """A reader that knows the workspace's names, at this moment."""
        return Reader(self.workspace.name_of, self.workspace.now())


class Core:
    """The workspaces, and what happens in them: each change is told to the app as Slack tells it."""

    def __init__(self, frame: Frame, secret: str = "") -> None:
        self.frame = frame
        self.faults = Faults()
        self.socket = SocketMode(frame)
        self.http = HttpMode(frame, Hooks(frame, "slack", self.faults, SECONDS), secret)
        self.outlet = Outlet(self.socket, self.http)
        self.workspaces: dict[str, Workspace] = {}
        self._private: dict[tuple[str, str], deque[tuple[Place, Message]]] = {}
        """The newest private messages, by team and member."""
        self.app = App()
        self.default = self.workspace(DEFAULT_TENANT)

    def workspace(self, tenant: str | None) -> Workspace:
        """The workspace of a tenant (a team id, or any name: a team is made for it); None is the default one."""
        if not tenant:
            return self.default
        team = tenant if tenant.startswith("T0") else make_id("T", tenant)
        if team not in self.workspaces:
            domain = "herald-sandbox" if team == DEFAULT_TENANT else tenant.lower()
            self.workspaces[team] = Workspace(team, domain, self.frame.clock)
        return self.workspaces[team]

    def place(self, channel: str, tenant: str | None = None, member: str | None = None) -> Place:
        """A channel by id or name; `dm` is the member's own conversation with the bot. Raises ControlError."""
        workspace = self.workspace(tenant)
        person = workspace.find_member(member) if member else None
        if channel == "dm" and person:
            return Place(workspace, workspace.direct(person))
        found = workspace.find_channel(channel)
        if not found:
            raise ControlError(f"no channel {channel!r} in workspace {workspace.id}; there are {[*workspace.channels]}")
        return Place(workspace, found)

    def file(self, identity: str, tenant: str | None) -> Content:
        """A file whose bytes were uploaded. Raises ControlError."""
        workspace = self.workspace(tenant)
        if identity not in workspace.file_contents:
            raise ControlError(f"there is no file {identity} in workspace {workspace.id}")
        about = workspace.files[identity]
        return Content(about["name"], about["mimetype"], workspace.file_contents[identity])

    def emit(self, workspace: Workspace, event: dict[str, Json]) -> None:
        """Tell the app of an event, if its bot is where it happened."""
        item = event.get("item")
        where = event.get("channel") or (item.get("channel") if isinstance(item, dict) else None)
        channel = workspace.channels.get(str(where or event.get("channel_id")))
        if not self.app.hears(event):
            return
        if channel and workspace.bot.id not in channel.members:
            return
        self.outlet.push(self._callback(workspace, event))

    def post(self, place: Place, message: Message) -> Message:
        """Put a message into a channel; everybody's are told to the app, as `message` and `app_mention` events."""
        if message.blocks:
            message.blocks = blockkit.complete(message.blocks)
        place.workspace.add(place.channel, message)
        if message.private_to:
            kept = self._private.setdefault((place.workspace.id, message.private_to), deque(maxlen=_KEPT_PRIVATE))
            kept.append((place, message))
        else:
            self._told(place, message)
        self.changed()
        return message

    def change(self, place: Place, message: Message, *, edited: bool = True, **fields: Json) -> None:
        """Give a message new `fields`; `edited` marks it so. Told as `message_changed`."""
        before = place.channel.wire(message, place.workspace.id)
        message.revision += 1
        for name, value in fields.items():
            setattr(message, name, blockkit.complete(value) if name == "blocks" and value else value)
        if edited:
            message.edited = {"user": message.user, "ts": place.workspace.next_ts()}
        if not message.private_to:
            after = place.channel.wire(message, place.workspace.id)
            self._hidden(place, "message_changed", {"message": after, "previous_message": before})
        self.changed()

    def remove(self, place: Place, message: Message) -> None:
        """Delete a message. One with replies leaves a tombstone, which Slack tells as `message_changed`."""
        if place.channel.replies(message.ts):
            gone = {"subtype": "tombstone", "text": "This message was deleted.", "user": SLACKBOT}
            bare = {"blocks": None, "attachments": None, "files": None, "metadata": None, "bot_id": None}
            self.change(place, message, edited=False, **gone, **bare)
            return
        before = place.channel.wire(message, place.workspace.id)
        place.channel.remove(message)
        if not message.private_to:
            self._hidden(place, "message_deleted", {"previous_message": before, "deleted_ts": message.ts})
        self.changed()

    def app_message(self, place: Place, text: str, **fields: Json) -> Message:
        """A message by the app's bot, not posted yet."""
        workspace = place.workspace
        by: dict[str, Json] = {"user": workspace.bot.id, "bot_id": workspace.bot_id, "app_id": APP_ID}
        return Message(ts=workspace.next_ts(), text=text, **by, **fields)

    def notice(self, place: Place, member: str, text: str) -> Message:
        """A private line by Slackbot, as the client shows when an app fails."""
        message = Message(ts=place.workspace.next_ts(), user=SLACKBOT, text=text, private_to=member)
        return self.post(place, message)

    def read(self, place: Place, message: Message) -> str:
        """What a person reads of a message."""
        return place.reader().message(message.wire(place.workspace.id))

    def private_since(self, workspace: Workspace, member: str, ts: str) -> Iterator[str]:
        """The texts of the private messages that a member got after `ts`, the newest first."""
        for place, message in reversed(self._private.get((workspace.id, member), ())):
            if message.ts <= ts:
                break
            if place.channel.messages.get(message.ts) is message:
                yield self.read(place, message)

    def changed(self) -> None:
        """Wake whoever waits for something to happen."""
        self.frame.changed.set()

    def _told(self, place: Place, message: Message) -> None:
        wire = place.channel.wire(message, place.workspace.id)
        event = {**wire, "channel": place.channel.id, "event_ts": message.ts, "channel_type": place.channel.kind}
        if message.bot_id:
            event["bot_profile"] = self._bot_profile(place.workspace, message)
        self.emit(place.workspace, event)
        if f"<@{place.workspace.bot.id}>" in message.text and message.user != place.workspace.bot.id:
            dropped = ("channel_type", "subtype")
            mention = {name: value for name, value in event.items() if name not in dropped}
            self.emit(place.workspace, {**mention, "type": "app_mention"})

    def _hidden(self, place: Place, subtype: str, fields: dict[str, Json]) -> None:
        ts = place.workspace.next_ts()
        base = {"type": "message", "subtype": subtype, "hidden": True, "ts": ts, "event_ts": ts}
        where = {"channel": place.channel.id, "channel_type": place.channel.kind}
        self.emit(place.workspace, {**base, **fields, **where})

    def _bot_profile(self, workspace: Workspace, message: Message) -> Json:
        name = readable(message.username or workspace.name_of(message.user) or "", workspace.name_of)
        identity = {"id": message.bot_id, "app_id": message.app_id, "user_id": message.user, "name": name}
        return {**identity, "team_id": workspace.id, "deleted": False, "updated": 0, "icons": {}}

    def _callback(self, workspace: Workspace, event: dict[str, Json]) -> dict[str, Json]:
        who = {"team_id": workspace.id, "user_id": workspace.bot.id, "is_bot": True}
        unique = uuid.uuid4().hex
        return {
            "type": "event_callback",
            "token": make_id("verification", APP_ID),
            "team_id": workspace.id,
            "api_app_id": APP_ID,
            "event": event,
            "event_id": f"Ev{unique[:10].upper()}",
            "event_time": int(self.frame.clock.now()),
            "authorizations": [{**who, "enterprise_id": None, "is_enterprise_install": False}],
            "is_ext_shared_channel": False,
            "event_context": f"4-{unique}",
        }
