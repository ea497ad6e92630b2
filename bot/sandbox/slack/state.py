"""What a Slack workspace remembers: members, channels, messages, user groups, files."""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bot.sandbox.frame import KEPT_MESSAGES, Clock, Json

APP_ID = "A0HERALD01"
DEFAULT_TENANT = "T0HERALD01"
SLACKBOT = "USLACKBOT"
CHANNEL_NAMES = ("community", "review", "general")


def make_id(prefix: str, *parts: str) -> str:
    """A Slack-looking id that is the same for the same parts in every run."""
    digest = hashlib.sha256("\0".join((prefix, *parts)).encode()).digest()
    return prefix + base64.b32encode(digest).decode()[:10]


@dataclass
class Member:
    """A person or a bot of a workspace. `key` is the name that made it and finds it again; `name` is shown."""

    id: str
    key: str
    name: str
    is_bot: bool = False
    left: bool = False
    joined_at: float = 0.0
    roles: list[str] = field(default_factory=list)

    def wire(self, team: str) -> dict[str, Json]:
        """The user object of users.info."""
        return {
            "id": self.id,
            "team_id": team,
            "name": self.key.lower(),
            "deleted": self.left,
            "real_name": self.name,
            "tz": "Etc/UTC",
            "tz_label": "Coordinated Universal Time",
            "tz_offset": 0,
            "profile": {"real_name": self.name, "display_name": self.name, "team": team},
            "is_admin": False,
            "is_owner": False,
            "is_restricted": False,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": int(self.joined_at),
        }


@dataclass(slots=True, eq=False)
class Message:
    """One message; `private_to` names the only member who sees an ephemeral one. Texts are in wire form."""

    ts: str
    user: str
    text: str
    thread_ts: str | None = None
    subtype: str | None = None
    blocks: list[Json] | None = None
    attachments: list[Json] | None = None
    files: list[Json] | None = None
    metadata: Json = None
    client_msg_id: str | None = None
    bot_id: str | None = None
    app_id: str | None = None
    username: str | None = None
    edited: dict[str, str] | None = None
    private_to: str | None = None
    pinned: bool = False
    revision: int = 0
    reactions: dict[str, list[str]] = field(default_factory=dict)

    def wire(self, team: str) -> dict[str, Json]:
        """The message object without what only its channel knows (thread counters)."""
        optional: dict[str, Json] = {
            name: getattr(self, name)
            for name in ("subtype", "thread_ts", "client_msg_id", "bot_id", "app_id", "username", "edited")
        }
        optional |= {"blocks": self.blocks, "attachments": self.attachments, "files": self.files}
        if self.reactions:
            optional["reactions"] = [{"name": n, "users": [*u], "count": len(u)} for n, u in self.reactions.items()]
        base = {"type": "message", "user": self.user, "text": self.text, "ts": self.ts, "team": team}
        return base | {name: value for name, value in optional.items() if value}


@dataclass
class Channel:
    """A conversation and its messages, oldest first (ephemeral ones among them, as people see them)."""

    id: str
    name: str
    kind: Literal["channel", "group", "im"] = "channel"
    created: int = 0
    is_archived: bool = False
    is_crowd: bool = False
    """Whether it is one of very many: people join it when they first write there, and nobody is told."""
    members: dict[str, None] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    threads: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_private(self) -> bool:
        """Whether only its members see it."""
        return self.kind != "channel"

    def add(self, message: Message) -> None:
        """Append a message, and count it in its thread."""
        self.messages[message.ts] = message
        if message.thread_ts and not message.private_to:
            self.threads.setdefault(message.thread_ts, []).append(message.ts)

    def remove(self, message: Message) -> None:
        """Take a message out of the channel and of its thread."""
        del self.messages[message.ts]
        replies = self.threads.get(message.thread_ts or "")
        if replies and message.ts in replies:
            replies.remove(message.ts)

    def find(self, ts: str) -> Message | None:
        """The message that everybody sees with this ts."""
        message = self.messages.get(ts)
        return message if message and not message.private_to else None

    def replies(self, ts: str) -> list[Message]:
        """The replies in the thread of a message, oldest first."""
        return [self.messages[reply] for reply in self.threads.get(ts, ()) if reply in self.messages]

    def wire(self, message: Message, team: str, *, metadata: bool = False) -> dict[str, Json]:
        """The message as conversations.history tells it; `metadata` only when it was asked for."""
        wire = message.wire(team)
        replies = self.replies(message.ts)
        if replies:
            users = list(dict.fromkeys(reply.user for reply in replies))
            wire |= {"thread_ts": message.ts, "reply_count": len(replies), "reply_users_count": len(users)}
            wire |= {"reply_users": users, "latest_reply": replies[-1].ts, "is_locked": False, "subscribed": False}
        parent = self.messages.get(message.thread_ts or "")
        if parent and parent is not message:
            wire["parent_user_id"] = parent.user
        if message.pinned:
            wire["pinned_to"] = [self.id]
        return wire | ({"metadata": message.metadata} if metadata and message.metadata else {})

    def describe(self, bot: str) -> dict[str, Json]:
        """The channel object of conversations.info; `bot` is the asking app's user."""
        if self.kind == "im":
            other = next((member for member in self.members if member != bot), bot)
            return {"id": self.id, "created": self.created, "is_im": True, "user": other, "is_archived": False}
        return {
            "id": self.id,
            "name": self.name,
            "name_normalized": self.name,
            "created": self.created,
            "is_channel": self.kind == "channel",
            "is_group": self.kind == "group",
            "is_im": False,
            "is_mpim": False,
            "is_private": self.is_private,
            "is_archived": self.is_archived,
            "is_general": self.name == "general",
            "is_member": bot in self.members,
            "num_members": len(self.members),
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


class Workspace:
    """One workspace with the app installed; it begins with its bot user and the channels of `CHANNEL_NAMES`."""

    def __init__(self, team: str, domain: str, clock: Clock) -> None:
        self.id = team
        self.domain = domain
        self.members: dict[str, Member] = {}
        self.channels: dict[str, Channel] = {}
        self.usergroups: dict[str, str] = {}
        self.files: dict[str, dict[str, Json]] = {}
        self.file_contents: dict[str, bytes] = {}
        self._clock = clock
        self._keys: dict[str, Member] = {}
        self.open_to_all: list[Channel] = []
        """The public channels that everybody is in."""
        self._last_ts = 0
        self._named: dict[str, Channel] = {}
        self._posted: deque[tuple[Channel, Message]] = deque()
        self.names = 0
        """Grows whenever anything is named or renamed, so that texts which name things are read anew."""
        self.slackbot = self._add(Member(SLACKBOT, "slackbot", "Slackbot", is_bot=False))
        self.bot = self._add(Member(make_id("U", team, "herald"), "herald", "Herald", is_bot=True))
        self.bot_id = make_id("B", team, "herald")
        for name in CHANNEL_NAMES:
            self.channel(name, create=True)

    def now(self) -> float:
        """UTC seconds by the sandbox's clock."""
        return self._clock.now()

    def next_ts(self) -> str:
        """A message time stamp by the frame's clock, larger than every one before it."""
        self._last_ts = max(self._last_ts + 1, int(self._clock.now() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def find_member(self, member: str) -> Member | None:
        """A member by id or by the name it was made with, in any case of letters."""
        return self.members.get(member) or self._keys.get(member.lower())

    def add_member(self, name: str) -> Member:
        """A new member, in every public channel."""
        member = self._add(Member(make_id("U", self.id, name.lower()), name, name, joined_at=self._clock.now()))
        for channel in self.open_to_all:
            channel.members[member.id] = None
        return member

    def find_channel(self, channel: str) -> Channel | None:
        """A channel by id or by name (`#` may lead)."""
        return self.channels.get(channel) or self._named.get(channel.removeprefix("#"))

    def channel(self, name: str, *, create: bool = False, crowd: bool = False) -> Channel:
        """The public channel of that name; `create` makes it, with the bot in it, as one of a `crowd` or not."""
        found = self.find_channel(name)
        if found or not create:
            if not found:
                raise KeyError(name)
            return found
        new = Channel(make_id("C", self.id, name), name, created=int(self._clock.now()), members={self.bot.id: None})
        self.channels[new.id] = self._named[name] = new
        if crowd:
            new.is_crowd = True
        else:
            self.open_to_all.append(new)
        self.names += 1
        return new

    def add(self, channel: Channel, message: Message) -> None:
        """Put a message into a channel; the oldest of more than `KEPT_MESSAGES` is forgotten."""
        channel.add(message)
        self._posted.append((channel, message))
        if len(self._posted) > KEPT_MESSAGES:
            place, oldest = self._posted.popleft()
            if place.messages.get(oldest.ts) is oldest:
                place.remove(oldest)
                place.threads.pop(oldest.ts, None)

    def direct(self, member: Member) -> Channel:
        """The direct conversation between the bot and a member, made when it is first needed."""
        identity = make_id("D", self.id, member.id)
        if identity not in self.channels:
            pair = {self.bot.id: None, member.id: None}
            self.channels[identity] = Channel(identity, "", "im", created=int(self._clock.now()), members=pair)
        return self.channels[identity]

    def set_roles(self, member: Member, roles: list[str]) -> None:
        """Give a member exactly these roles; a role is a user group whose handle is the role's name."""
        member.roles = list(dict.fromkeys(roles))
        for role in roles:
            self.usergroups.setdefault(role, make_id("S", self.id, role))
        self.names += 1

    def name_of(self, identity: str) -> str | None:
        """What people read for a member's, channel's or user group's id."""
        if identity in self.members:
            return self.members[identity].name
        if identity in self.channels:
            return self.channels[identity].name
        return next((handle for handle, group in self.usergroups.items() if group == identity), None)

    def _add(self, member: Member) -> Member:
        self.members[member.id] = member
        self.names += 1
        self._keys[member.key.lower()] = member
        return member


def usergroup(workspace: Workspace, handle: str, *, users: bool) -> Mapping[str, Json]:
    """The user group object of usergroups.list."""
    inside = [member.id for member in workspace.members.values() if handle in member.roles and not member.left]
    base = {"id": workspace.usergroups[handle], "team_id": workspace.id, "is_usergroup": True, "name": handle}
    base |= {"handle": handle, "description": "", "is_external": False, "user_count": len(inside), "date_delete": 0}
    return base | ({"users": inside} if users else {})
