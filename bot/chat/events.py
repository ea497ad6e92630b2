"""What platforms tell us, in one shape. Integrations parse into these at the edge; everything behind trusts them.

Texts are what the member wrote, decoded from the platform's wire form (Slack's `&lt;`, for instance) and otherwise
untouched: data, never markup. Times are UTC seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bot.domain.places import Channel, Member

ReplyHandle = Mapping[str, str]
"""What an integration needs to answer one person privately later; only it reads the contents."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that hangs on a message. `name` is the sender's text; the file is never opened."""

    name: str
    media_type: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class MessagePosted:
    """A message in a channel that the bot can read, its own and other bots' included."""

    channel: Channel
    message_id: str
    author: Member
    author_name: str
    text: str
    sent_at: float
    author_is_bot: bool = False
    author_roles: tuple[str, ...] = ()
    """The author's platform roles where the event itself carries them (Discord)."""
    reply_to: str | None = None
    """The message that this one answers: a reply's target, or the root of the thread."""
    attachments: tuple[Attachment, ...] = ()
    locale: str | None = None
    url: str | None = None
    """Where people can open it."""
    backfilled: bool = False
    nonce: str | None = None
    """The delivery id on an echo of our own message, where the platform gives it back."""


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """A message has a new text. May arrive before its MessagePosted, or without one."""

    channel: Channel
    message_id: str
    text: str
    edited_at: float
    author: Member | None = None


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    """A message is gone."""

    channel: Channel
    message_id: str


@dataclass(frozen=True, slots=True)
class CommandInvoked:
    """A slash command: `name` without slash and bot name (lower case), `text` the rest as typed."""

    channel: Channel
    member: Member
    member_name: str
    name: str
    text: str
    reply: ReplyHandle = field(default_factory=dict)
    member_roles: tuple[str, ...] = ()
    locale: str | None = None
    message_id: str | None = None
    """The message that held the command, where commands are messages."""
    private: bool = False
    """Typed in a direct conversation with the bot."""


@dataclass(frozen=True, slots=True)
class ButtonPressed:
    """A button of one of our messages; `payload` is unverified."""

    channel: Channel
    member: Member
    member_name: str
    message_id: str
    payload: str
    reply: ReplyHandle = field(default_factory=dict)
    member_roles: tuple[str, ...] = ()
    locale: str | None = None
    joined_at: float | None = None
    """When the member joined the tenant, where the event itself says so."""
    created_at: float | None = None
    """When the account was made, where its id says so."""
    boosting: bool | None = None
    """Whether the member boosts the tenant, where the event itself says so."""


@dataclass(frozen=True, slots=True)
class PollVoted:
    """A vote in one of our native polls. `options` are positions from 0.

    With `change` "set" they are all that the member has chosen now (none: the vote was taken back); otherwise one was
    added or removed. `poll` is what the message's id, as `Platform.send` gave it, ends in.
    """

    poll: str
    member: Member
    options: tuple[int, ...]
    change: Literal["set", "add", "remove"] = "set"


@dataclass(frozen=True, slots=True)
class FormSubmitted:
    """A filled-in form; `payload` is the form's own, unverified; `values` by field key."""

    channel: Channel
    member: Member
    member_name: str
    payload: str
    values: Mapping[str, str]
    reply: ReplyHandle = field(default_factory=dict)
    member_roles: tuple[str, ...] = ()
    locale: str | None = None
    joined_at: float | None = None
    created_at: float | None = None


@dataclass(frozen=True, slots=True)
class ChannelMoved:
    """A channel has a new id (a Telegram group that became a supergroup)."""

    old: Channel
    new: Channel


Event = (
    MessagePosted
    | MessageEdited
    | MessageDeleted
    | CommandInvoked
    | ButtonPressed
    | FormSubmitted
    | PollVoted
    | ChannelMoved
)
