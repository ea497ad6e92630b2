"""chat.*: docs.slack.dev/reference/methods/chat.postMessage and its neighbours."""

from __future__ import annotations

from bot.sandbox.frame import Json
from bot.sandbox.slack.core import Place
from bot.sandbox.slack.errors import SlackError
from bot.sandbox.slack.limits import Tier
from bot.sandbox.slack.methods.registry import Call, method
from bot.sandbox.slack.state import Message

TEXT_LIMIT = 40_000
_CONTENT = ("text", "blocks", "attachments", "markdown_text")


@method("chat.postMessage", tier=Tier.POSTING, scope="chat:write")
def post_message(call: Call) -> dict[str, Json]:
    """Post as the bot; a member's id posts into their direct conversation."""
    place = _destination(call)
    _check_content(call)
    thread = _thread(call, place)
    broadcast = bool(thread and call.args.get("reply_broadcast"))
    message = call.core.app_message(
        place,
        _text(call),
        thread_ts=thread,
        subtype="thread_broadcast" if broadcast else None,
        blocks=call.args.get("blocks"),
        attachments=call.args.get("attachments"),
        metadata=call.args.get("metadata"),
        username=call.args.get("username"),
    )
    call.core.post(place, message)
    return {"channel": place.channel.id, "ts": message.ts, "message": call.wire(place, message, metadata=True)}


@method("chat.postEphemeral", tier=Tier.FOUR, scope="chat:write")
def post_ephemeral(call: Call) -> dict[str, Json]:
    """Post something that one member of the channel sees."""
    place = _destination(call)
    if call.args["user"] not in place.channel.members:
        raise SlackError("user_not_in_channel")
    _check_content(call)
    content = {name: call.args.get(name) for name in ("blocks", "attachments", "username")}
    thread, member = _thread(call, place), call.args["user"]
    message = call.core.app_message(place, _text(call), thread_ts=thread, private_to=member, **content)
    call.core.post(place, message)
    return {"message_ts": message.ts}


@method("chat.update", tier=Tier.THREE, scope="chat:write")
def update(call: Call) -> dict[str, Json]:
    """Change one of the bot's own messages.

    Blocks and attachments that are not given are kept, but a text alone takes the blocks away; only a change of text
    shows as edited.
    """
    place = call.channel()
    message = call.message(place, "ts")
    _check_own(call, message, "cant_update_message")
    _check_content(call)
    given = {name: call.args[name] for name in ("blocks", "attachments", "metadata") if name in call.args}
    words = "text" in call.args or "markdown_text" in call.args
    if words and "blocks" not in given:
        given["blocks"] = None
    fields = {**given, "text": _text(call) if words else message.text}
    call.core.change(place, message, edited=not given.get("blocks"), **fields)
    wire = call.wire(place, message, metadata=True)
    return {"channel": place.channel.id, "ts": message.ts, "text": message.text, "message": wire}


@method("chat.delete", tier=Tier.THREE, scope="chat:write")
def delete(call: Call) -> dict[str, Json]:
    """Delete one of the bot's own messages."""
    place = call.channel()
    message = call.message(place, "ts")
    _check_own(call, message, "cant_delete_message")
    call.core.remove(place, message)
    return {"channel": place.channel.id, "ts": message.ts}


@method("chat.getPermalink", tier=Tier.SPECIAL)
def get_permalink(call: Call) -> dict[str, Json]:
    """The address of a message for people."""
    place = call.channel()
    message = call.message(place, "message_ts")
    link = f"https://{call.workspace.domain}.slack.com/archives/{place.channel.id}/p{message.ts.replace('.', '')}"
    if message.thread_ts and message.thread_ts != message.ts:
        link += f"?thread_ts={message.thread_ts}&cid={place.channel.id}"
    return {"channel": place.channel.id, "permalink": link}


def _destination(call: Call) -> Place:
    member = call.workspace.members.get(call.args["channel"])
    if member and not member.is_bot:
        return Place(call.workspace, call.workspace.direct(member))
    place = call.channel(joined=True)
    if place.channel.is_archived:
        raise SlackError("is_archived")
    return place


def _check_content(call: Call) -> None:
    if not any(call.args.get(name) for name in _CONTENT) and "blocks" not in call.args:
        raise SlackError("no_text")
    if len(_text(call)) > TEXT_LIMIT:
        raise SlackError("msg_too_long")


def _text(call: Call) -> str:
    return str(call.args.get("text") or call.args.get("markdown_text") or "")


def _thread(call: Call, place: Place) -> str | None:
    """The parent's ts. A reply's own ts leads to its parent's thread, as Slack does; an unknown one is refused."""
    thread = call.args.get("thread_ts")
    if not thread:
        return None
    parent = place.channel.find(thread)
    if not parent:
        raise SlackError("invalid_thread_ts" if "." not in thread else "thread_not_found")
    return parent.thread_ts or parent.ts


def _check_own(call: Call, message: Message, error: str) -> None:
    if message.bot_id != call.workspace.bot_id:
        raise SlackError(error)
