"""What is wrong with the set-up: each fault with what to do about it (catalogue keys `doctor.<key>`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import discord
from discord.http import Route

from bot.chat.ports import Refused, SetupFault
from bot.domain.places import Channel
from bot.integrations.discord.fields import Json, mappings, number, snowflake, text
from bot.integrations.discord.rest import Rest

_CONTENT_INTENT: Final = (1 << 18) | (1 << 19)
"""Application flags: the message content intent, granted or (below 100 servers) switched on."""
_MEMBERS_INTENT: Final = (1 << 14) | (1 << 15)
"""The same for the intent of members, with which their list can be read."""

NEEDED: Mapping[str, int] = {
    "View Channels": discord.Permissions(view_channel=True).value,
    "Send Messages": discord.Permissions(send_messages=True).value,
    "Read Message History": discord.Permissions(read_message_history=True).value,
    "Embed Links": discord.Permissions(embed_links=True).value,
    "Attach Files": discord.Permissions(attach_files=True).value,
    "Create Polls": discord.Permissions(send_polls=True).value,
}
"""The permissions that the bot needs in its channels, by the names that Discord's settings show."""
_ADMINISTRATOR: Final = discord.Permissions(administrator=True).value


async def faults(rest: Rest, channels: Sequence[Channel], public_key: str = "") -> list[SetupFault]:
    """Faults of the application and of the bot's rights in these channels. Raises NotSent, Unclear.

    With `public_key` interactions may come over HTTP.
    """
    try:
        application = _object(await rest.call(Route("GET", "/applications/@me")))
        me = _object(await rest.call(Route("GET", "/users/@me")))
    except Refused:
        return [SetupFault("discord.token", {})]
    found = _application(application, public_key)
    for place in dict.fromkeys(channel.home for channel in channels):
        found += await _channel(rest, place, snowflake(me, "id") or "")
    return found


def _application(application: Json, public_key: str) -> list[SetupFault]:
    found = []
    if not (number(application, "flags") or 0) & _CONTENT_INTENT:
        found.append(SetupFault("discord.intent", {}))
    if not (number(application, "flags") or 0) & _MEMBERS_INTENT:
        found.append(SetupFault("discord.members", {}, hint=True))
    url, key = text(application, "interactions_endpoint_url"), text(application, "verify_key")
    if url and not public_key:
        found.append(SetupFault("discord.endpoint", {"url": url}))
    if public_key and key and key.lower() != public_key.lower():
        found.append(SetupFault("discord.public_key", {"key": key}))
    return found


async def _channel(rest: Rest, place: Channel, me: str) -> list[SetupFault]:
    try:
        channel = _object(await rest.call(Route("GET", "/channels/{channel_id}", channel_id=place.channel_id)))
        guild_id = snowflake(channel, "guild_id") or place.tenant
        guild = _object(await rest.call(Route("GET", "/guilds/{guild_id}", guild_id=guild_id)))
        member = _object(
            await rest.call(Route("GET", "/guilds/{guild_id}/members/{user_id}", guild_id=guild_id, user_id=me))
        )
    except Refused as refused:
        return [SetupFault("discord.channel", {"channel": place.channel_id, "code": refused.code})]
    held = permissions(guild, channel, me, [item for item in _list(member, "roles") if isinstance(item, str)])
    missing = [name for name, bit in NEEDED.items() if not held & bit]
    if not missing:
        return []
    args = {"channel": place.channel_id, "name": text(channel, "name"), "permissions": ", ".join(missing)}
    return [SetupFault("discord.permission", args)]


def permissions(guild: Json, channel: Json, me: str, roles: Sequence[str]) -> int:
    """The bits that a member holds in a channel (Discord reference, "Permissions", "Permission Overwrites")."""
    everyone = snowflake(guild, "id") or ""
    mine = {everyone, *roles}
    held = 0
    for role in mappings(guild, "roles"):
        if snowflake(role, "id") in mine:
            held |= _bits(role, "permissions")
    if held & _ADMINISTRATOR:
        return held | sum(NEEDED.values())
    overwrites = {snowflake(item, "id"): item for item in mappings(channel, "permission_overwrites")}
    for group in ([everyone], roles, [me]):
        asked = [overwrites[name] for name in group if name in overwrites]
        denied = allowed = 0
        for item in asked:
            denied |= _bits(item, "deny")
            allowed |= _bits(item, "allow")
        held = (held & ~denied) | allowed
    return held if held & NEEDED["View Channels"] else 0


def _bits(holder: Json, key: str) -> int:
    value = text(holder, key)
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 40 else 0


def _object(answer: object) -> Json:
    return answer if isinstance(answer, dict) else {}


def _list(holder: Json, key: str) -> list[object]:
    value = holder.get(key)
    return value if isinstance(value, list) else []
