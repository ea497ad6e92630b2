"""Telegram's updates read into the platform-neutral events. Pure: no network, no clock."""

from __future__ import annotations

import json
import re

from pydantic import ValidationError

from bot.chat.events import (
    Attachment,
    ButtonPressed,
    ChannelMoved,
    CommandInvoked,
    Event,
    MessageEdited,
    MessagePosted,
    PollVoted,
    ReplyHandle,
)
from bot.domain.places import Channel, Member
from bot.integrations.telegram.places import settled
from bot.integrations.telegram.shapes import CallbackQuery, Chat, File, Message, PollAnswer, Update, User

PLATFORM = "telegram"
STAMP = "herald_received_at"
"""The field of a stored update that says when it arrived, since a press on a button carries no time."""
HOME = "herald_home"
"""The field that says under which id its chat is known, where it is known under another one."""

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
MEDIA = {  # the kinds of files a message may carry, with the type that Telegram leaves out
    "animation": "video/mp4",
    "audio": "audio/mpeg",
    "document": "",
    "sticker": "image/webp",
    "video": "video/mp4",
    "video_note": "video/mp4",
    "voice": "audio/ogg",
}


class UpdateReader:
    """Reads updates for one bot. `username` is set once it is known; until then every `/name@bot` counts as ours."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.username: str | None = None

    def read(self, raw: str) -> Event | None:
        """Read a stored update; None where it is unreadable or of no use to us. Never raises."""
        try:
            update = json.loads(raw)
            return self.event(mended(update) if SURROGATE.search(raw) else update)
        except (ValueError, RecursionError):
            return None

    def event(self, update: object) -> Event | None:
        """Read a decoded update whose texts are sound (see `mended`). Never raises."""
        try:
            read = Update.model_validate(update)
        except (ValidationError, RecursionError):
            return None
        event = self._event(read)
        return event if read.herald_home is None else settled(event, read.herald_home)

    def _event(self, read: Update) -> Event | None:
        if read.callback_query:
            return self._button(read.callback_query, read.herald_received_at)
        if edited := read.edited_message or read.edited_channel_post:
            return self._edited(edited)
        if message := read.message or read.channel_post:
            return self._message(message)
        return self._voted(read.poll_answer) if read.poll_answer else None

    def _message(self, message: Message) -> Event | None:
        if message.migrate_to_chat_id is not None:
            return ChannelMoved(self._place(message.chat.id), self._place(message.migrate_to_chat_id))
        attachments = _attachments(message)
        if _text(message) is None and not attachments:
            return None  # somebody joined, a message was pinned, a place was shared, ...
        command = _command(message)
        return self._posted(message, attachments) if command is None else self._command(message, *command)

    def _posted(self, message: Message, attachments: tuple[Attachment, ...]) -> MessagePosted:
        author, name = self._author(message)
        return MessagePosted(
            channel=self._channel(message),
            message_id=str(message.message_id),
            author=author,
            author_name=name,
            text=_text(message) or "",
            sent_at=float(message.date),
            author_is_bot=_by_bot(message),
            reply_to=_reply_to(message),
            attachments=attachments,
            locale=message.sender.language_code if message.sender else None,
            url=link(message.chat, message.message_id),
        )

    def _command(self, message: Message, name: str, addressee: str, rest: str) -> CommandInvoked | None:
        if addressee and self.username is not None and addressee.lower() != self.username.lower():
            return None
        author, author_name = self._author(message)
        return CommandInvoked(
            channel=self._channel(message),
            member=author,
            member_name=author_name,
            name=name.lower(),
            text=rest,
            reply=_handle(message, author_name),
            locale=message.sender.language_code if message.sender else None,
            message_id=str(message.message_id),
            private=message.chat.type == "private",
        )

    def _edited(self, message: Message) -> MessageEdited | None:
        text = _text(message)
        if text is None and not _attachments(message):
            return None
        return MessageEdited(
            channel=self._channel(message),
            message_id=str(message.message_id),
            text=text or "",
            edited_at=float(message.edit_date or message.date),
            author=self._author(message)[0],
        )

    def _button(self, query: CallbackQuery, received_at: float | None) -> ButtonPressed | None:
        if query.data is None or query.message is None:
            return None
        handle = {"callback_query_id": query.id, "private_chat": str(query.sender.id), "name": query.sender.full_name}
        if received_at is not None:
            handle["received_at"] = repr(received_at)
        return ButtonPressed(
            channel=self._channel(query.message),
            member=Member(PLATFORM, self.tenant, str(query.sender.id)),
            member_name=query.sender.full_name,
            message_id=str(query.message.message_id),
            payload=query.data,
            reply=handle,
            locale=query.sender.language_code,
        )

    def _voted(self, answer: PollAnswer) -> PollVoted | None:
        # Votes in the name of a chat also carry a user, which stands for all such voters and is no person.
        if answer.voter_chat is not None or answer.user is None:
            return None
        return PollVoted(answer.poll_id, Member(PLATFORM, self.tenant, str(answer.user.id)), tuple(answer.option_ids))

    def _author(self, message: Message) -> tuple[Member, str]:
        """Who speaks. For anonymous administrators and channels that is the chat they speak as."""
        who: User | Chat = message.sender_chat or message.sender or message.chat
        name = who.full_name if isinstance(who, User) else who.title or who.first_name or who.username
        return Member(PLATFORM, self.tenant, str(who.id)), name

    def _channel(self, message: Message) -> Channel:
        # Outside of forums Telegram numbers threads of replies too; those are no places of their own.
        thread = message.message_thread_id if message.is_topic_message else None
        return self._place(message.chat.id, None if thread is None else str(thread))

    def _place(self, chat_id: int, thread_id: str | None = None) -> Channel:
        return Channel(PLATFORM, self.tenant, str(chat_id), thread_id)


def mended(update: object) -> object:
    """The same JSON value with lone surrogates replaced: they can be neither stored nor sent."""
    return json.loads(json.dumps(update, ensure_ascii=False).encode("utf-8", "replace"))


def link(chat: Chat, message_id: int) -> str | None:
    """Where people can open a message; None in basic groups and private chats, whose messages have no address."""
    if chat.type not in ("supergroup", "channel"):
        return None
    if chat.username:
        return f"https://t.me/{chat.username}/{message_id}"
    number = str(chat.id)
    return f"https://t.me/c/{number[4:]}/{message_id}" if number.startswith("-100") else None


def _text(message: Message) -> str | None:
    return message.text if message.text is not None else message.caption


def _command(message: Message) -> tuple[str, str, str] | None:
    """Name, addressee and the rest, where a person typed a command; forwarded and inline-made ones do not count."""
    text = message.text or ""
    made_elsewhere = message.forward_origin or message.forward_date or message.via_bot
    if not text.startswith("/") or made_elsewhere or _by_bot(message, anonymous=False):
        return None
    for entity in message.entities:
        if entity.type == "bot_command" and entity.offset == 0:
            word = text[1 : entity.length]  # commands are ASCII: UTF-16 units are characters
            name, _, addressee = word.partition("@")
            return name, addressee, text[entity.length :].lstrip()
    return None


def _by_bot(message: Message, *, anonymous: bool = True) -> bool:
    """Whether a bot wrote it, or (with `anonymous`) the chat itself: its administrators, its channel."""
    if message.sender_chat is None:
        return message.sender.is_bot if message.sender else anonymous
    return anonymous and (message.sender_chat.id == message.chat.id or message.is_automatic_forward)


def _reply_to(message: Message) -> str | None:
    target = message.reply_to_message
    if target is None or target.forum_topic_created is not None:
        return None  # every message of a forum topic formally answers the topic's first one
    if message.is_topic_message and target.message_id == message.message_thread_id:
        return None
    return str(target.message_id)


def _attachments(message: Message) -> tuple[Attachment, ...]:
    found = [Attachment("photo", "image/jpeg", message.photo[-1].file_size)] if message.photo else []
    for kind, media_type in MEDIA.items():
        file = getattr(message, kind)
        # An animation comes a second time as a document, for old clients.
        if isinstance(file, File) and not (kind == "document" and message.animation):
            name = file.file_name or " ".join(filter(None, (kind, file.emoji)))
            found.append(Attachment(name, file.mime_type or media_type, file.file_size))
    return tuple(found)


def _handle(message: Message, name: str) -> ReplyHandle:
    handle = {"message_id": str(message.message_id), "name": name}
    if message.sender and not message.sender_chat:
        handle["private_chat"] = str(message.sender.id)
    return handle
