"""The state as Discord writes it in answers and events, after the schemas of its description (`UserResponse`, ...)."""

from __future__ import annotations

from bot.sandbox.discord.model import (
    Channel,
    ChannelType,
    Guild,
    Interaction,
    Member,
    Message,
    Poll,
    Role,
    User,
    iso,
)
from bot.sandbox.discord.world import PRIVILEGED, World
from bot.sandbox.frame import Json

Object = dict[str, Json]

_HAS_COMMANDS = 1 << 23


def user(who: User) -> Object:
    """A `UserResponse`."""
    shown = {
        "id": who.id,
        "username": who.name,
        "avatar": None,
        "discriminator": "0" if not who.bot else "0001",
        "public_flags": 0,
        "flags": 0,
        "banner": None,
        "accent_color": None,
        "global_name": who.display,
        "avatar_decoration_data": None,
        "collectibles": None,
        "primary_guild": None,
    }
    return shown | ({"bot": True} if who.bot else {})


def me(who: User) -> Object:
    """The bot itself, a `UserPIIResponse`."""
    return user(who) | {"mfa_enabled": True, "locale": who.locale, "verified": True, "email": None, "premium_type": 0}


def member(who: Member, *, with_user: bool = True) -> Object:
    """A `GuildMemberResponse`; in message events `with_user` is false."""
    shown: Object = {
        "avatar": None,
        "avatar_decoration_data": None,
        "banner": None,
        "communication_disabled_until": None,
        "flags": 0,
        "joined_at": iso(who.joined_at),
        "nick": None,
        "pending": False,
        "premium_since": None if who.premium_since is None else iso(who.premium_since),
        "roles": list(who.roles),
        "mute": False,
        "deaf": False,
    }
    return shown | ({"user": user(who.user)} if with_user else {})


def role(it: Role) -> Object:
    """A `GuildRoleResponse`."""
    return {
        "id": it.id,
        "name": it.name,
        "permissions": str(it.permissions),
        "position": it.position,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": it.managed,
        "mentionable": False,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }


def channel(it: Channel) -> Object:
    """A channel, thread or direct conversation (`GuildChannelResponse`, `ThreadResponse`, `PrivateChannelResponse`)."""
    shown: Object = {"id": it.id, "type": it.kind, "last_message_id": it.last_message_id, "flags": 0}
    if it.recipient:
        return shown | {"recipients": [user(it.recipient)]}
    guild_id = it.guild.id if it.guild else ""
    shown |= {"guild_id": guild_id, "name": it.name, "rate_limit_per_user": it.slowmode}
    if it.parent:
        return shown | {"parent_id": it.parent.id} | _thread(it)
    return shown | {
        "parent_id": None,
        "position": it.position,
        "permission_overwrites": [],
        "nsfw": False,
        "topic": None,
        "last_pin_timestamp": None,
    }


def _thread(it: Channel) -> Object:
    return {
        "owner_id": it.owner_id,
        "thread_metadata": {
            "archived": it.archived,
            "archive_timestamp": iso(it.created),
            "auto_archive_duration": it.archive_minutes,
            "locked": it.locked,
            "create_timestamp": iso(it.created),
        },
        "message_count": len(it.messages),
        "member_count": len(it.thread_members),
        "total_message_sent": it.sent,
    }


def thread_member(it: Channel, user_id: str) -> Object:
    """A `ThreadMemberResponse`."""
    return {"id": it.id, "user_id": user_id, "join_timestamp": iso(it.thread_members[user_id]), "flags": 0}


def guild(it: Guild) -> Object:
    """A `GuildResponse`."""
    nothing = (
        "icon description home_header splash discovery_splash banner application_id afk_channel_id system_channel_id "
        "widget_channel_id max_presences vanity_url_code rules_channel_id safety_alerts_channel_id "
        "public_updates_channel_id incidents_data"
    )
    zero = (
        "system_channel_flags verification_level default_message_notifications mfa_level explicit_content_filter "
        "premium_tier premium_subscription_count nsfw_level"
    )
    return {
        "id": it.id,
        "name": it.name,
        **dict.fromkeys(nothing.split()),
        **dict.fromkeys(zero.split(), 0),
        "features": ["COMMUNITY"],
        "owner_id": it.owner.id,
        "region": "deprecated",
        "afk_timeout": 300,
        "widget_enabled": False,
        "roles": [role(r) for r in it.roles.values()],
        "max_members": 500_000,
        "max_stage_video_channel_users": 50,
        "max_video_channel_users": 25,
        "preferred_locale": "en-US",
        "premium_progress_bar_enabled": False,
        "nsfw": False,
        "emojis": [],
        "stickers": [],
    }


def gateway_guild(world: World, it: Guild, *, everybody: bool) -> Object:
    """The body of GUILD_CREATE: the guild with its channels and threads; members are the bot alone, unless the
    session has the presence intent (`everybody`)."""
    here = [m for m in it.members.values() if not m.left]
    return guild(it) | {
        "joined_at": iso(it.created),
        "large": False,
        "unavailable": False,
        "member_count": len(here),
        "members": [member(m) for m in here if everybody or m.user is world.bot],
        "channels": [channel(world.channels[c]) for c in it.channels.values()],
        "threads": [channel(t) for t in world.threads(it) if not t.archived],
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def application_flags(world: World) -> int:
    """Which privileged intents are switched on, and that there are commands."""
    return _HAS_COMMANDS | sum(PRIVILEGED[name] for name in world.intents)


def application(world: World) -> Object:
    """A `PrivateApplicationResponse`."""
    flags = application_flags(world)
    return {
        "id": world.application_id,
        "name": world.bot.name,
        "icon": None,
        "description": "",
        "type": None,
        "bot": user(world.bot),
        "bot_public": False,
        "bot_require_code_grant": False,
        "verify_key": world.public_key,
        "flags": flags,
        "flags_new": str(flags),
        "redirect_uris": [],
        "interactions_endpoint_url": world.interactions_url or None,
        "role_connections_verification_url": None,
        "owner": user(world.default.owner),
        "approximate_guild_count": len(world.guilds),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "team": None,
        "eligible_oauth2_scopes": [],
    }


def emoji(key: str) -> Object:
    """An emoji as it is in reactions: the character itself, or `name:id` for a custom one."""
    name, _, emoji_id = key.partition(":")
    return {"id": emoji_id or None, "name": name}


def poll(it: Poll, viewer: User) -> Object:
    """A `PollResponse` as `viewer` sees it."""
    counts = [
        {"id": answer_id, "count": len(voters), "me_voted": viewer.id in voters}
        for answer_id, voters in sorted(it.votes.items())
        if voters
    ]
    return {
        "question": it.question,
        "answers": it.answers,
        "expiry": iso(it.expiry),
        "allow_multiselect": it.multiselect,
        "layout_type": 1,
        "results": {"answer_counts": counts, "is_finalized": it.finalized},
    }


def basic_message(it: Message, viewer: User) -> Object:
    """A `BasicMessageResponse`: a message without what hangs on it."""
    shown: Object = {
        "type": it.kind,
        "content": it.content,
        "mentions": [user(u) for u in it.mentions],
        "mention_roles": list(it.mention_roles),
        "attachments": list(it.attachments),
        "embeds": [] if it.flags & 4 else list(it.embeds),
        "timestamp": iso(it.created),
        "edited_timestamp": None if it.edited is None else iso(it.edited),
        "flags": it.flags,
        "components": list(it.components),
        "id": it.id,
        "channel_id": it.channel.id,
        "author": user(it.author),
        "pinned": it.pinned is not None,
        "mention_everyone": it.mention_everyone,
        "tts": False,
        **it.interaction,
    }
    if it.reference:
        shown["message_reference"] = dict(it.reference)
    if it.poll:
        shown["poll"] = poll(it.poll, viewer)
    if it.thread:
        shown["thread"] = channel(it.thread)
    return shown


def message(world: World, it: Message, *, nonce: bool = False) -> Object:
    """A `MessageResponse` as the bot sees it; `nonce` when it answers or echoes the creation."""
    shown = basic_message(it, world.bot)
    if it.reactions:
        shown["reactions"] = [_reaction(key, users, world.bot) for key, users in it.reactions.items()]
    if it.kind == 19 and it.reference:
        quoted = it.channel.messages.get(it.reference["message_id"])
        shown["referenced_message"] = basic_message(quoted, world.bot) if quoted else None
    if nonce and it.nonce is not None:
        shown["nonce"] = it.nonce
    return shown


def _reaction(key: str, users: list[str], viewer: User) -> Object:
    return {
        "emoji": emoji(key),
        "count": len(users),
        "count_details": {"burst": 0, "normal": len(users)},
        "burst_colors": [],
        "me_burst": False,
        "me": viewer.id in users,
    }


def message_event(world: World, it: Message, *, nonce: bool = False) -> Object:
    """The body of MESSAGE_CREATE and MESSAGE_UPDATE: the message with its guild and the author's membership."""
    shown = message(world, it, nonce=nonce)
    shown["channel_type"] = it.channel.kind
    if it.channel.guild:
        shown["guild_id"] = it.channel.guild.id
        author = it.channel.guild.members.get(it.author.id)
        if author:
            shown["member"] = member(author, with_user=False)
    return shown


def interaction(world: World, it: Interaction) -> Object:
    """The body of INTERACTION_CREATE."""
    where, home = it.channel, it.channel.guild
    shown: Object = {
        "id": it.id,
        "application_id": world.application_id,
        "type": it.kind,
        "token": it.token,
        "version": 1,
        "data": it.data,
        "channel_id": where.id,
        "channel": channel(where),
        "locale": it.user.locale,
        "app_permissions": "0",
        "entitlements": [],
        "context": 0 if home else 1,
        "authorizing_integration_owners": {"0": home.id if home else "0"},
        "attachment_size_limit": 10 * 1024 * 1024,
    }
    if home:
        person = home.members[it.user.id]
        shown |= {
            "guild_id": home.id,
            "guild": {"id": home.id, "features": ["COMMUNITY"], "locale": "en-US"},
            "guild_locale": "en-US",
            "member": member(person) | {"permissions": str(world.permissions(home, person))},
            "app_permissions": str(world.permissions(home, home.members[world.bot.id])),
        }
    else:
        shown["user"] = user(it.user)
    if it.source:
        shown["message"] = message(world, it.source)
    return shown


def is_direct(it: Channel) -> bool:
    """Whether it is a direct conversation."""
    return it.kind == ChannelType.DM
