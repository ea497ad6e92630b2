"""What a local Discord consists of: users, guilds, channels, messages, polls and interactions, as plain state."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bot.sandbox.frame import Json

EPOCH_MS = 1_420_070_400_000
"""The first second of 2015, from which snowflakes count milliseconds."""


POLL_RESULT = 46
"""The kind of message that tells how a poll ended (documentation, "Message Types")."""


class ChannelType:
    """Kinds of channels that the local server knows (documentation, "Channel Types")."""

    TEXT = 0
    DM = 1
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12


class Flag:
    """Message flags (documentation, "Message Flags")."""

    SUPPRESS_EMBEDS = 1 << 2
    HAS_THREAD = 1 << 5
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    IS_COMPONENTS_V2 = 1 << 15


class Permission:
    """Permission bits (documentation, "Bitwise Permission Flags"), as far as they are used here."""

    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38
    SEND_POLLS = 1 << 49
    PIN_MESSAGES = 1 << 51

    EVERYONE = (
        ADD_REACTIONS
        | VIEW_CHANNEL
        | SEND_MESSAGES
        | EMBED_LINKS
        | ATTACH_FILES
        | READ_MESSAGE_HISTORY
        | USE_APPLICATION_COMMANDS
        | CREATE_PUBLIC_THREADS
        | SEND_MESSAGES_IN_THREADS
        | SEND_POLLS
    )
    BOT = EVERYONE | MANAGE_MESSAGES | MENTION_EVERYONE | MANAGE_THREADS | CREATE_PRIVATE_THREADS | PIN_MESSAGES


def named_snowflake(*parts: str) -> str:
    """A snowflake that is always the same for the same words; its time lies between 2016 and 2021."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    year_ms = 365 * 86_400_000
    born = year_ms + int.from_bytes(digest[:6], "big") % (5 * year_ms)
    return str(born << 22 | int.from_bytes(digest[6:9], "big") & 0x3FFFFF)


def snowflake_at(seconds: float) -> int:
    """The smallest snowflake of that moment (UTC seconds since 1970)."""
    return max(0, int(seconds * 1000) - EPOCH_MS) << 22


def iso(seconds: float) -> str:
    """A moment as Discord writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


@dataclass
class User:
    """An account; `name` is what the control interface calls it, `display` its global name."""

    id: str
    name: str
    display: str | None = None
    bot: bool = False
    locale: str = "en-US"
    blocks_bot: bool = False
    """Whether the account takes no direct messages from the bot."""


@dataclass
class Role:
    """A role of a guild."""

    id: str
    name: str
    permissions: int = 0
    position: int = 1
    managed: bool = False


@dataclass
class Member:
    """A user in a guild; `roles` are role ids without @everyone; `left` once gone."""

    user: User
    joined_at: float
    roles: list[str] = field(default_factory=list)
    left: bool = False
    premium_since: float | None = None
    """Since when they boost the guild."""


@dataclass
class Guild:
    """A server; `channels` leads from short names to channel ids."""

    id: str
    name: str
    owner: User
    created: float
    roles: dict[str, Role] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=dict)

    def role_named(self, name: str) -> Role | None:
        """The role of that name."""
        return next((role for role in self.roles.values() if role.name == name), None)


@dataclass
class Poll:
    """A native poll; `votes` holds user ids by answer id (from 1)."""

    question: dict[str, Json]
    answers: list[dict[str, Json]]
    expiry: float
    multiselect: bool
    votes: dict[int, list[str]] = field(default_factory=dict)
    finalized: bool = False


@dataclass(slots=True, eq=False)
class Message:
    """A message; lists and dictionaries are in the form of Discord's answers."""

    id: str
    channel: Channel
    author: User
    created: float
    kind: int = 0
    content: str = ""
    edited: float | None = None
    embeds: list[dict[str, Json]] = field(default_factory=list)
    components: list[dict[str, Json]] = field(default_factory=list)
    attachments: list[dict[str, Json]] = field(default_factory=list)
    flags: int = 0
    mentions: list[User] = field(default_factory=list)
    mention_roles: list[str] = field(default_factory=list)
    mention_everyone: bool = False
    reference: dict[str, Json] | None = None
    reactions: dict[str, list[str]] = field(default_factory=dict)
    poll: Poll | None = None
    pinned: float | None = None
    nonce: str | int | None = None
    thread: Channel | None = None
    private_to: User | None = None
    interaction: dict[str, Json] = field(default_factory=dict)
    """`application_id`, `webhook_id`, `interaction_metadata` of a message that answers an interaction."""


@dataclass
class Channel:
    """A text channel, a thread or a direct conversation; `messages` are oldest first."""

    id: str
    kind: int
    name: str
    guild: Guild | None
    created: float
    position: int = 0
    parent: Channel | None = None
    recipient: User | None = None
    owner_id: str = ""
    archive_minutes: int = 1440
    archived: bool = False
    locked: bool = False
    slowmode: int = 0
    sent: int = 0
    last_message_id: str | None = None
    messages: dict[str, Message] = field(default_factory=dict)
    thread_members: dict[str, float] = field(default_factory=dict)

    @property
    def is_thread(self) -> bool:
        """Whether it is a thread."""
        return self.parent is not None


@dataclass
class Interaction:
    """Something a member did that the bot has to answer within three seconds."""

    id: str
    token: str
    kind: int
    user: User
    channel: Channel
    created: float
    data: dict[str, Json]
    source: Message | None = None
    """The message whose button was pressed, or from which the modal came."""
    metadata: dict[str, Json] = field(default_factory=dict)
    answer: int | None = None
    """The callback's type once it is answered."""
    original: Message | None = None
    messages: dict[str, Message] = field(default_factory=dict)
    """What was sent with its token."""
    modal: dict[str, Json] | None = None
    answered: asyncio.Event = field(default_factory=asyncio.Event)
