"""The state of the local Discord, and how things in it are found and made."""

from __future__ import annotations

import base64
from collections import deque
from dataclasses import dataclass, field

from bot.sandbox.discord.model import (
    Channel,
    ChannelType,
    Guild,
    Member,
    Message,
    Permission,
    Poll,
    Role,
    User,
    named_snowflake,
    snowflake_at,
)
from bot.sandbox.frame import KEPT_MESSAGES, Clock, Content, ControlError, Json

CHANNELS = ("community", "review", "general")
DEFAULT_TENANT = "Community"
PRIVILEGED = {"presences": 1 << 13, "members": 1 << 15, "message_content": 1 << 19}
"""The privileged intents, with the flag of an application that has each (limited, as bots in few guilds have it)."""
_YEAR = 365 * 86_400.0


@dataclass
class Attachment:
    """The bytes of an uploaded file and what they are."""

    data: bytes
    content_type: str
    filename: str


@dataclass
class World:
    """Users, guilds, channels and uploaded files of one local Discord."""

    clock: Clock
    users: dict[str, User] = field(default_factory=dict)
    guilds: dict[str, Guild] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    attachments: dict[str, Attachment] = field(default_factory=dict)
    polls: list[tuple[Message, Poll]] = field(default_factory=list)
    interactions_url: str = ""
    """Where interactions are posted to; "": they are dispatched over the gateway."""
    intents: frozenset[str] = frozenset(PRIVILEGED)
    """The privileged intents that are switched on for the application."""
    public_key: str = "0" * 64
    """With which the application verifies what is posted to it."""
    _last_id: int = 0
    _resets: int = 0
    _by_name: dict[str, User] = field(default_factory=dict)
    _posted: deque[Message] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.bot = User(named_snowflake("bot"), "Herald", bot=True)
        self.users[self.bot.id] = self._by_name[self.bot.name] = self.bot
        self.default = self.make_guild(DEFAULT_TENANT)

    @property
    def token(self) -> str:
        """The bot's token, in Discord's form; good for this local server only, and until it is reset."""
        secret = "local-server-only" + (f"-{self._resets}" if self._resets else "")
        return ".".join((base64.b64encode(self.bot.id.encode()).decode().rstrip("="), "Gsandb", secret))

    def choose_intents(self, names: list[Json]) -> Json:
        """Switch these privileged intents on for the application, and the others off; whoever is connected stays so.

        Raises ControlError.
        """
        if unknown := [name for name in names if name not in PRIVILEGED]:
            raise ControlError(f"no privileged intent {unknown[0]!r}; there are {', '.join(PRIVILEGED)}")
        self.intents = frozenset(str(name) for name in names)
        return {"intents": sorted(self.intents)}

    def file(self, identity: str, _tenant: str | None) -> Content:
        """What is in an attachment. Raises ControlError."""
        found = self.attachments.get(identity)
        if found is None:
            raise ControlError(f"there is no attachment {identity}")
        return Content(found.filename, found.content_type, found.data)

    def reset_token(self) -> None:
        """Make a new token; the one before is refused from now on."""
        self._resets += 1

    @property
    def application_id(self) -> str:
        """The application's id, which for new applications is the bot user's."""
        return self.bot.id

    def snowflake(self) -> str:
        """A new id: larger than all before it, made from the clock."""
        self._last_id = max(self._last_id + 1, snowflake_at(self.clock.now()))
        return str(self._last_id)

    def tenant(self, tenant: str | None) -> Guild | None:
        """The guild of that name or id; the default guild for None; None when there is no such guild."""
        if tenant is None:
            return self.default
        return self.guilds.get(tenant) or next((g for g in self.guilds.values() if g.name == tenant), None)

    def make_guild(self, name: str) -> Guild:
        """A new guild with the usual channels, which the bot has joined."""
        owner = self.user(f"owner of {name}")
        now = self.clock.now()
        guild = Guild(named_snowflake("guild", name), name, owner, now - _YEAR)
        guild.roles[guild.id] = Role(guild.id, "@everyone", Permission.EVERYONE, 0)
        bot_role = Role(named_snowflake("role", name, self.bot.name), self.bot.name, Permission.BOT, 1, managed=True)
        guild.roles[bot_role.id] = bot_role
        guild.members[owner.id] = Member(owner, guild.created)
        guild.members[self.bot.id] = Member(self.bot, guild.created, [bot_role.id])
        for position, short in enumerate(CHANNELS):
            channel_id = named_snowflake("channel", name, short)
            guild.channels[short] = channel_id
            self.channels[channel_id] = Channel(channel_id, ChannelType.TEXT, short, guild, guild.created, position)
        self.guilds[guild.id] = guild
        return guild

    def make_channel(self, guild: Guild, name: str) -> Channel:
        """A new text channel, or the one of that name."""
        channel_id = named_snowflake("channel", guild.name, name)
        if channel_id not in self.channels:
            position = len(guild.channels)
            made = Channel(channel_id, ChannelType.TEXT, name, guild, self.clock.now(), position)
            self.channels[channel_id], guild.channels[name] = made, channel_id
        return self.channels[channel_id]

    def known(self, name: str) -> User | None:
        """The user of that name or id."""
        return self.users.get(name) or self._by_name.get(name)

    def user(self, name: str, created: float | None = None) -> User:
        """The user of that name or id; made when there is none, with an id that says when, if that is given."""
        if (found := self.known(name)) is not None:
            return found
        is_id = name.isdecimal() and len(name) >= 15
        identity = name if is_id else named_snowflake("user", name) if created is None else str(snowflake_at(created))
        while identity in self.users:
            identity = str(int(identity) + 1)
        user = User(identity, f"user-{name[-4:]}" if is_id else name)
        self.users[user.id] = self._by_name[user.name] = user
        return user

    def member(self, guild: Guild, name: str) -> Member:
        """The member of that name or id; made, as one who joined a year ago, when there is none."""
        user = self.user(name)
        if user.id not in guild.members:
            guild.members[user.id] = Member(user, self.clock.now() - _YEAR)
        return guild.members[user.id]

    def shares_guild(self, user: User) -> bool:
        """Whether bot and user are in a guild together."""
        return any(user.id in g.members and not g.members[user.id].left for g in self.guilds.values())

    def role(self, guild: Guild, name: str) -> tuple[Role, bool]:
        """The role of that name or id and whether it is new. Roles named admin or owner may do everything."""
        found = guild.roles.get(name) or guild.role_named(name)
        if found:
            return found, False
        permissions = Permission.ADMINISTRATOR if name.lower() in ("admin", "administrator", "owner") else 0
        role = Role(named_snowflake("role", guild.name, name), name, permissions, len(guild.roles))
        guild.roles[role.id] = role
        return role, True

    def direct(self, user: User) -> Channel:
        """The direct conversation of the bot with that user, opened if need be."""
        channel_id = named_snowflake("direct", user.id)
        if channel_id not in self.channels:
            self.channels[channel_id] = Channel(
                channel_id, ChannelType.DM, "dm", None, self.clock.now(), recipient=user
            )
        return self.channels[channel_id]

    def threads(self, guild: Guild, parent: Channel | None = None) -> list[Channel]:
        """The threads of a guild, or of one channel."""
        return [c for c in self.channels.values() if c.is_thread and c.guild is guild and parent in (None, c.parent)]

    def permissions(self, guild: Guild, member: Member) -> int:
        """What a member may do in the guild, as bits."""
        if member.user is guild.owner:
            return (1 << 53) - 1
        bits = guild.roles[guild.id].permissions
        for role_id in member.roles:
            bits |= guild.roles[role_id].permissions
        return (1 << 53) - 1 if bits & Permission.ADMINISTRATOR else bits

    def add_message(self, message: Message) -> None:
        """Put a new message into its channel; the oldest of more than `KEPT_MESSAGES` is forgotten."""
        channel = message.channel
        channel.messages[message.id] = message
        channel.last_message_id = message.id
        channel.sent += 1
        if message.poll:
            self.polls.append((message, message.poll))
        self._posted.append(message)
        if len(self._posted) > KEPT_MESSAGES:
            oldest = self._posted.popleft()
            oldest.channel.messages.pop(oldest.id, None)
