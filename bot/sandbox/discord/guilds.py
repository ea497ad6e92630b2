"""The paths about the bot itself, its guilds and their members, and its commands."""

from __future__ import annotations

from bot.sandbox.discord import views
from bot.sandbox.discord.calls import Call, Reply, handles
from bot.sandbox.discord.errors import ApiError, invalid_form, missing_access, unknown
from bot.sandbox.discord.limits import MAX_CONCURRENCY, SESSIONS_PER_DAY
from bot.sandbox.discord.model import Member
from bot.sandbox.frame import Json

_GUILDS_A_SHARD = 1000
"""One shard is recommended for so many guilds."""
_GUILD = "/guilds/{guild_id}"
_COMMANDS = "/applications/{application_id}/commands"
_GUILD_COMMANDS = "/applications/{application_id}/guilds/{guild_id}/commands"


@handles("GET", "/users/@me")
def get_me(call: Call) -> Reply:
    """Get Current User."""
    return 200, views.me(call.world.bot)


@handles("GET", "/users/{user_id}")
def get_user(call: Call) -> Reply:
    """Get User."""
    user = call.world.users.get(call.path["user_id"])
    if user is None:
        raise unknown("User")
    return 200, views.user(user)


@handles("GET", "/oauth2/applications/@me")
@handles("GET", "/applications/@me")
def get_application(call: Call) -> Reply:
    """Get Current Application."""
    return 200, views.application(call.world)


def _gateway(call: Call) -> str:
    return call.backend.frame.base.replace("http", "ws", 1) + "/gateway/"


@handles("GET", "/gateway")
def get_gateway(call: Call) -> Reply:
    """Get Gateway."""
    return 200, {"url": _gateway(call)}


@handles("GET", "/gateway/bot")
def get_gateway_bot(call: Call) -> Reply:
    """Get Gateway Bot."""
    hub = call.backend.hub
    limit = {
        "total": SESSIONS_PER_DAY,
        "remaining": max(0, hub.starts_left(SESSIONS_PER_DAY)),
        "reset_after": hub.starts_reset_after(),
        "max_concurrency": MAX_CONCURRENCY,
    }
    shards = -(-len(call.world.guilds) // _GUILDS_A_SHARD)
    return 200, {"url": _gateway(call), "shards": shards, "session_start_limit": limit}


@handles("GET", "/users/@me/guilds")
def list_guilds(call: Call) -> Reply:
    """Get Current User Guilds."""
    return 200, [
        {
            "id": guild.id,
            "name": guild.name,
            "icon": None,
            "banner": None,
            "owner": False,
            "permissions": str(call.world.permissions(guild, guild.members[call.world.bot.id])),
            "features": ["COMMUNITY"],
        }
        for guild in call.world.guilds.values()
    ]


@handles("POST", "/users/@me/channels")
def open_direct(call: Call) -> Reply:
    """Create DM."""
    user_id = call.body.get("recipient_id")
    if not user_id:
        raise invalid_form(["recipient_id"], "BASE_TYPE_REQUIRED", "This field is required")
    user = call.world.users.get(user_id)
    if user is None:
        raise unknown("User")
    if user.bot:
        raise ApiError(400, 50007, "Cannot send messages to this user")
    return 200, views.channel(call.world.direct(user))


@handles("GET", _GUILD)
def get_guild(call: Call) -> Reply:
    """Get Guild."""
    guild = call.guild()
    shown = views.guild(guild)
    if call.query.get("with_counts"):
        here = sum(not m.left for m in guild.members.values())
        shown |= {"approximate_member_count": here, "approximate_presence_count": here}
    return 200, shown


@handles("GET", _GUILD + "/channels")
def list_channels(call: Call) -> Reply:
    """Get Guild Channels, threads not included."""
    return 200, [views.channel(call.world.channels[c]) for c in call.guild().channels.values()]


@handles("GET", _GUILD + "/roles")
def list_roles(call: Call) -> Reply:
    """Get Guild Roles."""
    return 200, [views.role(role) for role in call.guild().roles.values()]


@handles("GET", _GUILD + "/roles/{role_id}")
def get_role(call: Call) -> Reply:
    """Get Guild Role."""
    role = call.guild().roles.get(call.path["role_id"])
    if role is None:
        raise unknown("Role")
    return 200, views.role(role)


def _members(call: Call) -> list[Member]:
    return sorted((m for m in call.guild().members.values() if not m.left), key=lambda m: int(m.user.id))


@handles("GET", _GUILD + "/members/{user_id}")
def get_member(call: Call) -> Reply:
    """Get Guild Member."""
    member = call.guild().members.get(call.path["user_id"])
    if member is None or member.left:
        raise unknown("Member")
    return 200, views.member(member)


@handles("GET", _GUILD + "/members")
def list_members(call: Call) -> Reply:
    """List Guild Members: by id, `limit` (1) of them `after` an id; only with the privileged intent for members."""
    if "members" not in call.world.intents:
        raise missing_access()
    after, limit = call.query.get("after", 0), call.query.get("limit", 1)
    return 200, [views.member(m) for m in _members(call) if int(m.user.id) > after][:limit]


@handles("GET", _GUILD + "/members/search")
def search_members(call: Call) -> Reply:
    """Search Guild Members by the beginning of a name."""
    start, limit = call.query["query"].lower(), call.query.get("limit", 1)
    found = [m for m in _members(call) if start in (m.user.name.lower()[: len(start)], _shown(m)[: len(start)])]
    return 200, [views.member(m) for m in found[:limit]]


def _shown(member: Member) -> str:
    return (member.user.display or "").lower()


def _scope(call: Call) -> str | None:
    """Which commands are meant: a guild's or (None) the global ones; raises if they are not the bot's."""
    if call.path["application_id"] != call.world.application_id:
        raise ApiError(403, 20012, "You are not authorized to perform this action on this application")
    guild_id = call.path.get("guild_id")
    if guild_id is not None and guild_id not in call.world.guilds:
        raise missing_access()
    return guild_id


@handles("GET", _COMMANDS)
@handles("GET", _GUILD_COMMANDS)
def list_commands(call: Call) -> Reply:
    """Get Application Commands; translations only `with_localizations`."""
    listed = call.backend.commands.listed(_scope(call))
    return 200, listed if call.query.get("with_localizations") else _untranslated(listed)


def _untranslated(value: Json) -> Json:
    if isinstance(value, list):
        return [_untranslated(item) for item in value]
    if isinstance(value, dict):
        return {k: _untranslated(v) for k, v in value.items() if not k.endswith("_localizations")}
    return value


@handles("PUT", _COMMANDS)
@handles("PUT", _GUILD_COMMANDS)
def replace_commands(call: Call) -> Reply:
    """Bulk Overwrite Application Commands."""
    return 200, call.backend.commands.replace_all(_scope(call), call.body or [])


@handles("POST", _COMMANDS)
@handles("POST", _GUILD_COMMANDS)
def add_command(call: Call) -> Reply:
    """Create Application Command: 201 for a new name, 200 for one that is overwritten."""
    new, command = call.backend.commands.add(_scope(call), call.body)
    return 201 if new else 200, command


@handles("GET", _COMMANDS + "/{command_id}")
@handles("GET", _GUILD_COMMANDS + "/{command_id}")
def get_command(call: Call) -> Reply:
    """Get Application Command."""
    return 200, call.backend.commands.get(_scope(call), call.path["command_id"])


@handles("PATCH", _COMMANDS + "/{command_id}")
@handles("PATCH", _GUILD_COMMANDS + "/{command_id}")
def change_command(call: Call) -> Reply:
    """Edit Application Command."""
    return 200, call.backend.commands.change(_scope(call), call.path["command_id"], call.body)


@handles("DELETE", _COMMANDS + "/{command_id}")
@handles("DELETE", _GUILD_COMMANDS + "/{command_id}")
def delete_command(call: Call) -> Reply:
    """Delete Application Command."""
    call.backend.commands.remove(_scope(call), call.path["command_id"])
    return 204, None
