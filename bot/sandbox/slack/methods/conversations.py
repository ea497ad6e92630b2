"""conversations.* and users.conversations."""

from __future__ import annotations

from bot.sandbox.frame import Json
from bot.sandbox.slack.core import Place
from bot.sandbox.slack.errors import SlackError
from bot.sandbox.slack.limits import Tier
from bot.sandbox.slack.methods.registry import Call, method, of_types, page, timestamp
from bot.sandbox.slack.state import Channel, Message

_LATEST = 999


@method("conversations.history", tier=Tier.THREE, scope="channels:history")
def history(call: Call) -> dict[str, Json]:
    """A channel's messages, newest first, without replies that stayed in their threads."""
    place = call.channel(joined=True)
    top = [m for m in place.channel.messages.values() if not m.private_to and _is_top(m)]
    messages, following = page(_between(top, call)[::-1], call.args, 100, _LATEST)
    pins = sum(message.pinned for message in place.channel.messages.values())
    return _messages(call, place, messages, following) | {"pin_count": pins}


@method("conversations.replies", tier=Tier.THREE, scope="channels:history")
def replies(call: Call) -> dict[str, Json]:
    """A thread, oldest first, with its parent; a reply's own ts gives that reply alone."""
    place = call.channel(joined=True)
    parent = call.message(place, "ts", "thread_not_found")
    within = _between(place.channel.replies(parent.ts), call)
    messages, following = page([parent, *within], call.args, 1000)
    return _messages(call, place, messages, following)


@method("conversations.info", tier=Tier.THREE, scope="channels:read")
def info(call: Call) -> dict[str, Json]:
    """One channel."""
    described = call.channel().channel.describe(call.workspace.bot.id)
    if not call.args.get("include_num_members"):
        described.pop("num_members", None)
    return {"channel": described}


@method("conversations.list", tier=Tier.TWO, scope="channels:read")
def list_conversations(call: Call) -> dict[str, Json]:
    """The public channels, and those that the bot is in."""
    bot = call.workspace.bot.id
    visible = [c for c in call.workspace.channels.values() if not c.is_private or bot in c.members]
    return _channels(call, visible)


@method("users.conversations", tier=Tier.THREE, scope="channels:read")
def of_user(call: Call) -> dict[str, Json]:
    """The channels that a member (the bot, where none is named) is in."""
    bot = call.workspace.bot.id
    member = call.member().id if call.args.get("user") else bot
    both = [c for c in call.workspace.channels.values() if member in c.members]
    return _channels(call, [c for c in both if not c.is_private or bot in c.members])


@method("conversations.members", tier=Tier.FOUR, scope="channels:read")
def members(call: Call) -> dict[str, Json]:
    """The ids of a channel's members."""
    listed, following = page([*call.channel().channel.members], call.args, 100)
    return {"members": listed, "response_metadata": {"next_cursor": following}}


@method("conversations.join", tier=Tier.THREE, scope="channels:join")
def join(call: Call) -> dict[str, Json]:
    """Put the bot into a public channel."""
    place = call.channel()
    if place.channel.kind != "channel":
        raise SlackError("method_not_supported_for_channel_type")
    if place.channel.is_archived:
        raise SlackError("is_archived")
    bot = call.workspace.bot.id
    answer: dict[str, Json] = {}
    if bot in place.channel.members:
        answer = {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
    place.channel.members[bot] = None
    return {"channel": place.channel.describe(bot), **answer}


@method("conversations.open", tier=Tier.THREE, scope="im:write")
def open_direct(call: Call) -> dict[str, Json]:
    """The direct conversation with one member (`users`), or one that exists (`channel`)."""
    channel = call.channel().channel if call.args.get("channel") else _direct(call)
    full = call.args.get("return_im")
    described = channel.describe(call.workspace.bot.id) if full else {"id": channel.id}
    return {"channel": described, "no_op": bool(call.args.get("channel")), "already_open": bool(channel.messages)}


def _direct(call: Call) -> Channel:
    users = [user for user in call.args["users"].split(",") if user]
    if not users:
        raise SlackError("users_list_not_supplied")
    if len(users) > 1:
        raise SlackError("method_not_supported_in_sandbox", "only conversations with one member are kept here")
    member = call.workspace.members.get(users[0])
    if not member:
        raise SlackError("user_not_found")
    if member.left:
        raise SlackError("user_disabled")
    return call.workspace.direct(member)


def _is_top(message: Message) -> bool:
    return not message.thread_ts or message.thread_ts == message.ts or message.subtype == "thread_broadcast"


def _between(messages: list[Message], call: Call) -> list[Message]:
    oldest, latest = timestamp(call.args, "oldest") or 0.0, timestamp(call.args, "latest") or float("inf")
    if call.args.get("inclusive"):
        return [m for m in messages if oldest <= float(m.ts) <= latest]
    return [m for m in messages if oldest < float(m.ts) < latest]


def _messages(call: Call, place: Place, messages: list[Message], following: str) -> dict[str, Json]:
    metadata = bool(call.args.get("include_all_metadata"))
    listed = [call.wire(place, message, metadata=metadata) for message in messages]
    answer: dict[str, Json] = {"messages": listed, "has_more": bool(following)}
    return answer | ({"response_metadata": {"next_cursor": following}} if following else {})


def _channels(call: Call, channels: list[Channel]) -> dict[str, Json]:
    listed, following = page(of_types(channels, call.args), call.args, 100)
    described = [channel.describe(call.workspace.bot.id) for channel in listed]
    return {"channels": described, "response_metadata": {"next_cursor": following}}
