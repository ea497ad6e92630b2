"""What members see in the chats of the local Telegram."""

from __future__ import annotations

from collections.abc import Mapping

from bot.sandbox.frame import Content, ControlError, Json, Seen, SeenCache
from bot.sandbox.telegram.methods import polls
from bot.sandbox.telegram.world import Message, Toast, User, World


class Looks:
    """Shows chats to members."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cache = SeenCache()

    def seen(self, channel: str, member: str | None) -> list[Seen]:
        """What a member sees; without one, what everybody sees."""
        user = self._world.user(member) if member else None
        chat = self._world.channel(channel, user)
        shown: list[Seen] = []
        for entry in chat.timeline:
            if isinstance(entry, Toast):
                if entry.user is user:
                    shown.append(Seen(entry.id, self._world.bot.first_name, entry.text, private_to=user.first_name))
            elif not entry.deleted:
                shown.append(self._look(entry, user))
        return shown

    def file(self, identity: str, _tenant: str | None) -> Content:
        """A file by its `file_id`. Raises ControlError."""
        found = self._world.files.get(identity)
        if found is None:
            raise ControlError(f"Telegram has no file {identity}")
        return Content(found.name, found.mime, found.data)

    def _look(self, message: Message, user: User | None) -> Seen:
        if message.poll is not None or message.prompt is not None:
            return self._shown(message, user)
        quoted = message.reply_to is not None and message.reply_to.deleted
        parts = (message.body, message.author.first_name, quoted)
        return self._cache.look((message.chat.id, message.id), parts, lambda: self._shown(message, None))

    def _shown(self, message: Message, user: User | None) -> Seen:
        rows = message.body.get("reply_markup", {}).get("inline_keyboard", [])
        buttons = tuple({"id": button_id(button), "label": button["text"]} for row in rows for button in row)
        poll = message.poll
        return Seen(
            str(message.id),
            message.author.first_name,
            message.text if poll is None else "\n".join(line for line in (poll.description, poll.question) if line),
            reply_to=str(message.reply_to.id) if message.reply_to and not message.reply_to.deleted else None,
            private_to=message.chat.title if message.chat.type == "private" else None,
            buttons=buttons,
            poll=_poll_seen(poll) if poll is not None else None,
            form=form_of(message, user) if user else None,
            files=self._files(message),
        )

    def _files(self, message: Message) -> list[Json] | None:
        """The document or picture; Telegram keeps no name of a picture, so that it is the one it was sent with."""
        found = message.body.get("document") or (message.body.get("photo") or [None])[0]
        stored = self._world.files.get(found["file_id"]) if found else None
        return (
            [{"id": stored.id, "name": stored.name, "type": stored.mime, "size": len(stored.data)}] if stored else None
        )


def _poll_seen(poll: polls.Poll) -> Json:
    counts: list[int | None] = [None if poll.secret else count for count in poll.counts()]
    options = [{"text": text, "votes": count} for text, count in zip(poll.options, counts, strict=True)]
    shown = {"question": poll.question, "options": options, "closed": poll.closed, "multiple": poll.multiple}
    return {**shown, "total": len(poll.votes)}


def form_of(message: Message, user: User) -> Json:
    """The prompt as an open form of one field, where it asks that user; else None."""
    if message.prompt is None or message.deleted or not message.prompt.asks(user.id) or user.is_bot:
        return None
    field = {"id": "text", "label": message.prompt.label, "type": "text", "value": ""}
    return {"id": f"{message.chat.id}/{message.id}", "title": message.text, "fields": [field]}


def button_id(button: Mapping[str, Json]) -> str:
    """What the control interface calls a button."""
    return str(button.get("callback_data") or button.get("url") or button["text"])
