"""The paths for threads."""

from __future__ import annotations

from bot.sandbox.discord import views
from bot.sandbox.discord.calls import Call, Reply, handles
from bot.sandbox.discord.errors import ApiError, unknown
from bot.sandbox.discord.model import Channel, ChannelType
from bot.sandbox.frame import Json

_CHANNEL = "/channels/{channel_id}"


@handles("POST", _CHANNEL + "/messages/{message_id}/threads")
def start_on_message(call: Call) -> Reply:
    """Start Thread from Message; the thread has the message's id."""
    message, parent = call.message(), call.channel()
    if parent.kind != ChannelType.TEXT:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    if message.thread:
        raise ApiError(400, 160004, "A thread has already been created for this message")
    kind = ChannelType.PUBLIC_THREAD
    thread = call.backend.open_thread(parent, call.body["name"], call.world.bot, on=message, kind=kind)
    return 201, _opened(call, thread)


@handles("POST", _CHANNEL + "/threads")
def start(call: Call) -> Reply:
    """Start Thread without Message; private unless the body says otherwise."""
    parent = call.channel()
    if parent.kind != ChannelType.TEXT:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    kind = call.body.get("type") or ChannelType.PRIVATE_THREAD
    thread = call.backend.open_thread(parent, call.body["name"], call.world.bot, on=None, kind=kind)
    return 201, _opened(call, thread)


def _opened(call: Call, thread: Channel) -> Json:
    thread.archive_minutes = call.body.get("auto_archive_duration") or thread.archive_minutes
    thread.slowmode = call.body.get("rate_limit_per_user") or 0
    return views.channel(thread) | {"member": views.thread_member(thread, call.world.bot.id)}


def _thread(call: Call) -> Channel:
    channel = call.channel()
    if not channel.is_thread:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    return channel


@handles("GET", _CHANNEL + "/thread-members")
def list_members(call: Call) -> Reply:
    """List Thread Members."""
    thread = _thread(call)
    return 200, [views.thread_member(thread, user_id) for user_id in sorted(thread.thread_members, key=int)]


@handles("GET", _CHANNEL + "/thread-members/{user_id}")
def get_member(call: Call) -> Reply:
    """Get Thread Member."""
    thread, user_id = _thread(call), _user_id(call)
    if user_id not in thread.thread_members:
        raise unknown("Member")
    return 200, views.thread_member(thread, user_id)


@handles("PUT", _CHANNEL + "/thread-members/@me")
@handles("PUT", _CHANNEL + "/thread-members/{user_id}")
def add_member(call: Call) -> Reply:
    """Join Thread, Add Thread Member."""
    thread, user_id = _thread(call), _user_id(call)
    if user_id not in call.world.users:
        raise unknown("User")
    thread.thread_members.setdefault(user_id, call.backend.now())
    return 204, None


@handles("DELETE", _CHANNEL + "/thread-members/@me")
@handles("DELETE", _CHANNEL + "/thread-members/{user_id}")
def remove_member(call: Call) -> Reply:
    """Leave Thread, Remove Thread Member."""
    _thread(call).thread_members.pop(_user_id(call), None)
    return 204, None


def _user_id(call: Call) -> str:
    return call.path.get("user_id", call.world.bot.id)


@handles("GET", "/guilds/{guild_id}/threads/active")
def list_active(call: Call) -> Reply:
    """List Active Guild Threads."""
    threads = [t for t in call.world.threads(call.guild()) if not t.archived]
    return 200, _threads(call, threads)


@handles("GET", _CHANNEL + "/threads/archived/public")
def list_archived(call: Call) -> Reply:
    """List Public Archived Threads."""
    parent = call.channel()
    archived = [t for t in call.world.channels.values() if t.parent is parent and t.archived]
    return 200, _threads(call, [t for t in archived if t.kind == ChannelType.PUBLIC_THREAD])


def _threads(call: Call, threads: list[Channel]) -> Json:
    me = call.world.bot.id
    members = [views.thread_member(t, me) for t in threads if me in t.thread_members]
    return {"threads": [views.channel(t) for t in threads], "members": members, "has_more": False}
