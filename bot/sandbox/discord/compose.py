"""Messages made and changed from request bodies: the same rules for channels, interactions and follow-ups."""

from __future__ import annotations

from bot.sandbox.discord import components as parts
from bot.sandbox.discord import content
from bot.sandbox.discord.backend import Backend, reference_to
from bot.sandbox.discord.content import Upload
from bot.sandbox.discord.errors import ApiError, invalid_form
from bot.sandbox.discord.model import Channel, Flag, Message
from bot.sandbox.frame import Json


def compose(backend: Backend, channel: Channel, body: Json, uploads: list[Upload], *, flags: int = 0) -> Message:
    """A message of the bot as the body wants it, not yet published; `flags` may be set besides the usual ones."""
    message = backend.new_message(channel, backend.world.bot)
    message.flags = content.settable_flags(body.get("flags"), flags)
    _fill(message, body)
    if body.get("sticker_ids"):
        raise ApiError(404, 10060, "Unknown Sticker")
    if body.get("poll"):
        message.poll = content.make_poll(body["poll"], backend.now())
    message.nonce = body.get("nonce")
    if body.get("message_reference"):
        _reply(message, body["message_reference"])
    message.attachments = content.attach(backend.world, backend.frame.base, channel, uploads, body.get("attachments"))
    content.check_v2(message)
    content.check_not_empty(message)
    _mention(backend, message, body)
    return message


def amend(backend: Backend, message: Message, body: Json, uploads: list[Upload]) -> None:
    """Change a message as the body wants it. Mentions are worked out anew when the text changes, by the body's
    `allowed_mentions` or else by default, whatever the first request allowed."""
    if message.poll and not message.flags & Flag.LOADING and not set(body) <= {"components", "flags"}:
        raise ApiError(400, 520003, "Cannot edit a poll message")
    draft = Message(message.id, message.channel, message.author, message.created)
    draft.content, draft.embeds, draft.components = message.content, message.embeds, message.components
    draft.attachments, draft.poll, draft.reference = list(message.attachments), message.poll, message.reference
    draft.flags = message.flags & ~Flag.LOADING
    if body.get("flags") is not None:
        draft.flags = draft.flags & ~Flag.SUPPRESS_EMBEDS | content.settable_flags(body["flags"])
    _fill(draft, body)
    if body.get("poll"):
        draft.poll = content.make_poll(body["poll"], backend.now())
    _amend_attachments(backend, draft, body, uploads)
    content.check_v2(draft)
    content.check_not_empty(draft)
    if "content" in body or "components" in body:
        _mention(backend, draft, body)
        message.mentions, message.mention_roles = draft.mentions, draft.mention_roles
        message.mention_everyone = draft.mention_everyone
    if draft.poll and not message.poll:
        backend.world.polls.append((message, draft.poll))
    message.content, message.embeds, message.components = draft.content, draft.embeds, draft.components
    message.attachments, message.flags, message.poll = draft.attachments, draft.flags, draft.poll
    backend.changed(message)


def _fill(message: Message, body: Json) -> None:
    """Content, embeds and components, checked; what the body does not name stays."""
    if "content" in body:
        message.content = body["content"] or ""
        content.check_content(message.content)
    if "embeds" in body:
        embeds = body["embeds"] or []
        content.check_embeds(embeds)
        message.embeds = content.stored_embeds(embeds)
    if "components" in body:
        components = body["components"] or []
        parts.check(components, v2=bool(message.flags & Flag.IS_COMPONENTS_V2))
        message.components = parts.stored(components)


def _reply(message: Message, reference: Json) -> None:
    """Make the message a reply; without `fail_if_not_exists` a reply to nothing becomes an ordinary message."""
    quoted = message.channel.messages.get(reference["message_id"])
    elsewhere = reference.get("channel_id") not in (None, message.channel.id)
    if quoted is None or quoted.private_to is not None or elsewhere:
        if reference.get("fail_if_not_exists") is not False:
            raise invalid_form(["message_reference"], "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        return
    if quoted.kind not in (0, 19, 20, 23):
        words = "Cannot reply to a system message"
        raise invalid_form(["message_reference"], "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE", words)
    message.kind, message.reference = 19, reference_to(quoted)


def _mention(backend: Backend, message: Message, body: Json) -> None:
    allowed = body.get("allowed_mentions")
    content.check_allowed_mentions(allowed)
    backend.resolve_mentions(message, allowed)


def _amend_attachments(backend: Backend, message: Message, body: Json, uploads: list[Upload]) -> None:
    if body.get("attachments") is not None:
        kept = {str(entry["id"]) for entry in body["attachments"]}
        message.attachments = [a for a in message.attachments if a["id"] in kept]
    base = backend.frame.base
    message.attachments += content.attach(backend.world, base, message.channel, uploads, body.get("attachments"))
