"""The paths under `/channels`: messages, reactions, pins, threads and polls."""

from __future__ import annotations

from bot.sandbox.discord import views
from bot.sandbox.discord.calls import Call, Reply, handles
from bot.sandbox.discord.compose import amend, compose
from bot.sandbox.discord.errors import ApiError, missing_permissions, unknown
from bot.sandbox.discord.model import Channel, ChannelType, Flag, Message, iso
from bot.sandbox.frame import Json

_CHANNEL = "/channels/{channel_id}"
_MESSAGES = _CHANNEL + "/messages"
_MESSAGE = _MESSAGES + "/{message_id}"
_REACTION = _MESSAGE + "/reactions/{emoji_name}"
_HOUR = 3600.0
_FORTNIGHT = 14 * 86_400.0


def _public(channel: Channel) -> list[Message]:
    return [m for m in channel.messages.values() if m.private_to is None]


@handles("GET", _CHANNEL)
def get_channel(call: Call) -> Reply:
    """Get Channel."""
    return 200, views.channel(call.channel())


@handles("PATCH", _CHANNEL)
def edit_channel(call: Call) -> Reply:
    """Modify Channel: threads only, since the bot has no permission to manage channels."""
    channel = call.channel()
    if not channel.is_thread:
        raise missing_permissions()
    body = call.body
    channel.name = body.get("name") or channel.name
    channel.archived = bool(body.get("archived", channel.archived))
    channel.locked = bool(body.get("locked", channel.locked))
    channel.archive_minutes = body.get("auto_archive_duration") or channel.archive_minutes
    shown = views.channel(channel)
    call.backend.dispatch(channel, "THREAD_UPDATE", shown)
    return 200, shown


@handles("DELETE", _CHANNEL)
def delete_channel(call: Call) -> Reply:
    """Delete/Close Channel: threads and direct conversations only."""
    channel = call.channel()
    if channel.kind == ChannelType.TEXT:
        raise missing_permissions()
    shown = views.channel(channel)
    if channel.parent and channel.guild:
        del call.world.channels[channel.id]
        gone = {"id": channel.id, "guild_id": channel.guild.id, "parent_id": channel.parent.id, "type": channel.kind}
        call.backend.dispatch(channel, "THREAD_DELETE", gone)
    return 200, shown


@handles("GET", _MESSAGES)
def list_messages(call: Call) -> Reply:
    """Get Channel Messages: newest first; `before`, `after` or `around` a snowflake."""
    found, limit = _public(call.channel()), call.query.get("limit", 50)
    ids = {key: int(call.query[key]) for key in ("around", "before", "after") if key in call.query}
    if "around" in ids:
        older = [m for m in found if int(m.id) < ids["around"]]
        found = older[-(limit // 2) :] + [m for m in found if int(m.id) >= ids["around"]][: limit - limit // 2]
    elif "before" in ids:
        found = [m for m in found if int(m.id) < ids["before"]][-limit:]
    elif "after" in ids:
        found = [m for m in found if int(m.id) > ids["after"]][:limit]
    else:
        found = found[-limit:]
    return 200, [views.message(call.world, m) for m in reversed(found)]


@handles("POST", _MESSAGES)
def create_message(call: Call) -> Reply:
    """Create Message. With `enforce_nonce` a nonce of the past few minutes answers the message that it made, and
    10008 when that has been deleted."""
    channel, body, backend = call.channel(), call.body or {}, call.backend
    if channel.recipient and (channel.recipient.blocks_bot or not call.world.shares_guild(channel.recipient)):
        raise ApiError(403, 50007, "Cannot send messages to this user")
    nonce = body.get("nonce")
    if body.get("enforce_nonce") and nonce is not None and (before := backend.sent_before(call.world.bot, nonce)):
        message = before.channel.messages.get(before.message_id)
        if message is None:
            raise unknown("Message")
        return 200, views.message(call.world, message, nonce=True)
    _check_open(channel)
    message = compose(backend, channel, body, call.uploads)
    backend.publish(message)
    return 200, views.message(call.world, message, nonce=True)


def _check_open(channel: Channel) -> None:
    """Archived threads open again when something is said in them, unless they are locked."""
    if channel.archived and channel.locked:
        raise ApiError(400, 50083, "Thread is archived")
    channel.archived = False


@handles("GET", _MESSAGE)
def get_message(call: Call) -> Reply:
    """Get Channel Message."""
    return 200, views.message(call.world, call.message())


@handles("PATCH", _MESSAGE)
def edit_message(call: Call) -> Reply:
    """Edit Message: the bot's own; of others it may only suppress the embeds."""
    message, body = call.message(), call.body or {}
    if message.author is not call.world.bot:
        if set(body) != {"flags"}:
            raise ApiError(403, 50005, "Cannot edit a message authored by another user")
        suppress = (body["flags"] or 0) & Flag.SUPPRESS_EMBEDS
        message.flags = message.flags & ~Flag.SUPPRESS_EMBEDS | suppress
        call.backend.changed(message, edited=False)
        return 200, views.message(call.world, message)
    if call.backend.now() - message.created > _HOUR:
        call.limits.take_old_edit(message.channel.id)
    amend(call.backend, message, body, call.uploads)
    return 200, views.message(call.world, message)


@handles("DELETE", _MESSAGE)
def delete_message(call: Call) -> Reply:
    """Delete Message: the bot may delete others' too, but nobody's in a direct conversation."""
    message = call.message()
    if message.author is not call.world.bot and views.is_direct(message.channel):
        raise ApiError(403, 50003, "Cannot execute action on a DM channel")
    call.backend.remove(message)
    return 204, None


@handles("POST", _MESSAGES + "/bulk-delete")
def delete_messages(call: Call) -> Reply:
    """Bulk Delete Messages: none older than two weeks; unknown ids are passed over."""
    channel, oldest = call.channel(), call.backend.now() - _FORTNIGHT
    found = [channel.messages[i] for i in call.body["messages"] if i in channel.messages]
    if any(m.created < oldest for m in found):
        raise ApiError(400, 50034, "A message provided was too old to bulk delete")
    for message in found:
        del channel.messages[message.id]
    body: dict[str, Json] = {"ids": [m.id for m in found], "channel_id": channel.id}
    call.backend.dispatch(channel, "MESSAGE_DELETE_BULK", body | _guild_id(channel))
    call.backend.frame.changed.set()
    return 204, None


def _guild_id(channel: Channel) -> dict[str, Json]:
    return {"guild_id": channel.guild.id} if channel.guild else {}


def _emoji(call: Call) -> str:
    """The emoji of the path; the local guilds have no custom ones."""
    emoji = call.path["emoji_name"]
    if ":" in emoji or all(c.isascii() and not c.isdigit() for c in emoji):
        raise unknown("Emoji")
    return emoji


@handles("PUT", _REACTION + "/@me")
def add_reaction(call: Call) -> Reply:
    """Create Reaction."""
    call.backend.react(call.message(), call.world.bot, _emoji(call), remove=False)
    return 204, None


@handles("DELETE", _REACTION + "/@me")
def remove_own_reaction(call: Call) -> Reply:
    """Delete Own Reaction."""
    call.backend.react(call.message(), call.world.bot, _emoji(call), remove=True)
    return 204, None


@handles("DELETE", _REACTION + "/{user_id}")
def remove_reaction(call: Call) -> Reply:
    """Delete User Reaction."""
    user = call.world.users.get(call.path["user_id"])
    if user is None:
        raise unknown("User")
    call.backend.react(call.message(), user, _emoji(call), remove=True)
    return 204, None


@handles("GET", _REACTION)
def list_reactions(call: Call) -> Reply:
    """Get Reactions: users by id, `limit` (25) of them `after` an id."""
    ids = sorted(call.message().reactions.get(_emoji(call), []), key=int)
    return 200, _users_page(call, ids)


def _users_page(call: Call, ids: list[str]) -> list[Json]:
    after, limit = int(call.query.get("after", 0)), call.query.get("limit", 25)
    return [views.user(call.world.users[i]) for i in ids if int(i) > after][:limit]


@handles("DELETE", _MESSAGE + "/reactions")
def clear_reactions(call: Call) -> Reply:
    """Delete All Reactions."""
    message = call.message()
    message.reactions.clear()
    body = {"channel_id": message.channel.id, "message_id": message.id} | _guild_id(message.channel)
    call.backend.dispatch(message.channel, "MESSAGE_REACTION_REMOVE_ALL", body)
    return 204, None


@handles("GET", _CHANNEL + "/pins")
def list_pins_old(call: Call) -> Reply:
    """Get Pinned Messages (the older path)."""
    return 200, [views.message(call.world, m) for m in _pins(call.channel())]


def _pins(channel: Channel) -> list[Message]:
    return sorted((m for m in _public(channel) if m.pinned is not None), key=lambda m: m.pinned or 0, reverse=True)


@handles("GET", _MESSAGES + "/pins")
def list_pins(call: Call) -> Reply:
    """Get Channel Pins."""
    pins, limit = _pins(call.channel()), call.query.get("limit", 50)
    items = [{"pinned_at": iso(m.pinned or 0), "message": views.message(call.world, m)} for m in pins[:limit]]
    return 200, {"items": items, "has_more": len(pins) > limit}


@handles("PUT", _MESSAGES + "/pins/{message_id}")
@handles("PUT", _CHANNEL + "/pins/{message_id}")
def pin(call: Call) -> Reply:
    """Pin Message."""
    call.backend.pin(call.message(), pinned=True)
    return 204, None


@handles("DELETE", _MESSAGES + "/pins/{message_id}")
@handles("DELETE", _CHANNEL + "/pins/{message_id}")
def unpin(call: Call) -> Reply:
    """Unpin Message."""
    call.backend.pin(call.message(), pinned=False)
    return 204, None


@handles("POST", _CHANNEL + "/typing")
def typing(call: Call) -> Reply:
    """Trigger Typing Indicator."""
    call.channel()
    return 204, None


@handles("GET", _CHANNEL + "/polls/{message_id}/answers/{answer_id}")
def list_voters(call: Call) -> Reply:
    """Get Answer Voters: users by id, `limit` (25) of them `after` an id."""
    message = call.message()
    if message.poll is None:
        raise unknown("Message")
    ids = sorted(message.poll.votes.get(int(call.path["answer_id"]), []), key=int)
    return 200, {"users": _users_page(call, ids)}


@handles("POST", _CHANNEL + "/polls/{message_id}/expire")
def end_poll(call: Call) -> Reply:
    """End Poll: the bot's own."""
    message = call.message()
    if message.poll is None:
        raise ApiError(400, 520006, "Cannot expire a non-poll message")
    if message.author is not call.world.bot:
        raise ApiError(403, 50005, "Cannot edit a message authored by another user")
    if message.poll.finalized:
        raise ApiError(400, 520001, "Poll expired")
    call.backend.end_poll(message)
    return 200, views.message(call.world, message)
