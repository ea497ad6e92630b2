"""What people do on the local Telegram: write, press, vote, react, reply to prompts."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping
from typing import Any

from bot.sandbox.frame import ControlError, Json
from bot.sandbox.payloads import actions, by_word
from bot.sandbox.telegram.looks import button_id, form_of
from bot.sandbox.telegram.methods import ANSWER_SECONDS, Api, Press, files, polls
from bot.sandbox.telegram.text import TEXT_LIMIT, clean, found_entities, is_blank, trimmed
from bot.sandbox.telegram.world import BOT_ID, IN_CHAT, Chat, Message, User

TOAST_SECONDS = 3.0
"""How long a click waits for the bot's answer."""
_DATA_BYTES = 64
_EMOJI = {
    "+1": "👍", "thumbsup": "👍", "-1": "👎", "thumbsdown": "👎", "heart": "❤", "fire": "🔥", "tada": "🎉",
    "eyes": "👀", "100": "💯", "clap": "👏", "pray": "🙏", "ok_hand": "👌",
}  # fmt: skip
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

Call = Mapping[str, Json]


class People:
    """The members' actions. All raise `ControlError` for what a person could not do."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._world = api.world

    def _place(self, call: Call) -> tuple[User, Chat]:
        user = self._world.user(call["member"])
        chat = self._world.channel(call["channel"], user)
        if chat.status.get(user.id) not in IN_CHAT:
            raise ControlError(f"{user.key} is not in {call['channel']}")
        return user, chat

    def _message(self, chat: Chat, call: Call, field: str = "message_id") -> Message:
        text = call[field]
        found = chat.message(int(text)) if text.isdecimal() else None
        if found is None:
            raise ControlError(f"there is no message {text} in {chat.title}")
        return found

    def say(self, call: Call) -> Message:
        """A member writes. In a private chat the first message is what opens it."""
        user, chat = self._place(call)
        reply_to = self._message(chat, call, "reply_to") if call.get("reply_to") else None
        return self._write(user, chat, self._content(call), reply_to)

    def _write(self, user: User, chat: Chat, content: dict[str, Any], reply_to: Message | None) -> Message:
        message = self._world.post(chat, user, content, reply_to)
        if chat.type == "private":
            user.started = True
        if reply_to is not None and reply_to.prompt is not None and reply_to.prompt.asks(user.id):
            reply_to.prompt.answered_by.add(user.id)
        self._tell(chat, user, "message", message)
        return message

    def _tell(self, chat: Chat, user: User, kind: str, message: Message) -> None:
        """Bots hear people, not other bots, and only where they are."""
        if not user.is_bot and chat.status.get(BOT_ID) in IN_CHAT:
            self._api.updates.push(kind, message.api())

    def _content(self, call: Call) -> dict[str, Any]:
        text, _ = trimmed(clean(call.get("text", "")), [])
        if len(text) > TEXT_LIMIT:
            raise ControlError(f"Telegram's apps send at most {TEXT_LIMIT} characters in a message")
        entities = found_entities(text, [])
        if "attachment" in call:
            key, body = self._attached(call["attachment"])
            caption = {"caption": text} if text else {}
            return {key: body, **caption} | ({"caption_entities": entities} if entities else {})
        if is_blank(text):
            raise ControlError("Telegram's apps do not send an empty message")
        return {"text": text} | ({"entities": entities} if entities else {})

    def _attached(self, attachment: Json) -> tuple[str, Json]:
        """A file's name, or `{"name", "text" | "base64", "content_type"?}`; pictures become photos."""
        given = {"name": attachment} if isinstance(attachment, str) else attachment
        name = str(given.get("name") or given.get("filename") or "file.txt")
        picture = name.lower().endswith((".png", ".jpg", ".jpeg", ".gif"))
        try:
            data = base64.b64decode(given["base64"], validate=True) if "base64" in given else None
        except (binascii.Error, TypeError) as error:
            raise ControlError(f"attachment: base64 cannot be read: {error}") from error
        if data is None:
            data = str(given["text"]).encode() if "text" in given else (_PIXEL if picture else b"sandbox file\n")
        size = files.picture_size(data) if picture else None
        mime = str(given.get("content_type") or ("image/png" if picture else "text/plain"))
        stored = self._world.store(name, mime, data, "photos" if size else "documents")
        stored.size = size
        return ("photo", [files.photo_size(stored)]) if size else ("document", files.document(stored))

    async def click(self, call: Call) -> Json:
        """Press a button under a message and wait for what the bot answers."""
        user, chat = self._place(call)
        message = self._message(chat, call)
        button = _forged(call["button"]) if call.get("forged") else _button(message, call["button"])
        if "callback_data" not in button:
            return {"url": button["url"]} if "url" in button else {}
        press = self._press(user, message)
        first = chat.next_id
        query = {"id": press.id, "from": user.api(), "message": message.api(), "chat_instance": str(-chat.id)}
        self._api.updates.push("callback_query", query | {"data": button["callback_data"]})
        try:
            await asyncio.wait_for(press.answered.wait(), TOAST_SECONDS)
        except TimeoutError:
            return {}
        return _toast(press) | self._new_form(chat, user, first)

    def _press(self, user: User, message: Message) -> Press:
        """A new press; those that can be answered no more are forgotten."""
        known, now = self._api.presses, self._api.now()
        while known and (oldest := next(iter(known.values()))).at < now - ANSWER_SECONDS:
            del known[oldest.id]
        self._api.pressed += 1
        press = Press(f"{7000000 + self._api.pressed}{message.id:05}", user, message, now)
        known[press.id] = press
        return press

    def _new_form(self, chat: Chat, user: User, first: int) -> dict[str, Json]:
        for number in range(first, chat.next_id):
            message = chat.message(number)
            if message is not None and (form := form_of(message, user)):
                return {"form": form}
        return {}

    def submit(self, call: Call) -> Message:
        """Answer a prompt: a reply to it, as Telegram's apps send one."""
        user = self._world.user(call["member"])
        message = self._prompt(call["form_id"], user)
        values = call["values"]
        value = next((values[name] for name in ("text", "value") if name in values), None)
        if value is None:
            value = next(iter(values.values()), "")
        if message.chat.status.get(user.id) not in IN_CHAT:
            raise ControlError(f"{user.key} is not in {message.chat.title}")
        return self._write(user, message.chat, self._content({"text": str(value)}), message)

    def _prompt(self, form_id: str, user: User) -> Message:
        """The open prompt with the form's id (`chat/message`), or with that message id where only one has it."""
        chat_id, _, message_id = form_id.rpartition("/")
        open_ones = [
            message
            for chat in self._world.chats.values()
            if chat_id in ("", str(chat.id)) and message_id.isdecimal()
            if (message := chat.message(int(message_id))) is not None and form_of(message, user)
        ]
        if len(open_ones) != 1:
            raise ControlError(f"no prompt {form_id} is open for {user.key}")
        return open_ones[0]

    def vote(self, call: Call) -> Json:
        """Vote in a native poll; no options take the vote back."""
        user, chat = self._place(call)
        message = self._message(chat, call)
        if message.poll is None:
            raise ControlError(f"message {message.id} is not a poll")
        chosen = [_index(option, message.poll.options) for option in call["options"]]
        if problem := polls.vote(self._api, message.poll, user, chosen):
            raise ControlError(problem)
        return {}

    def react(self, call: Call) -> Json:
        """React to a message: one emoji each, a new one replaces the old."""
        user, chat = self._place(call)
        message = self._message(chat, call)
        asked = str(call["emoji"])
        emoji = _EMOJI.get(asked.strip(":"), asked).removesuffix("\ufe0f")
        if emoji not in self._api.tables.reactions:
            raise ControlError(f"Telegram has no reaction {asked!r}")
        old = message.reactions.get(user.id, [])
        if call.get("remove") and emoji not in old:
            raise ControlError(f"{user.key} has not reacted with {emoji}")
        new = message.reactions[user.id] = [] if call.get("remove") else [emoji]
        if old != new and chat.status.get(BOT_ID) == "administrator":
            body = {"chat": chat.api(), "message_id": message.id, "user": user.api(), "date": int(self._api.now())}
            self._api.updates.push(
                "message_reaction", body | {"old_reaction": _reactions(old), "new_reaction": _reactions(new)}
            )
        return {}

    def edit(self, call: Call) -> Json:
        """A member changes a message of theirs."""
        user, chat = self._place(call)
        message = self._own(chat, user, call)
        changed = self._content({"text": call["text"]})
        if "text" not in message.body:
            changed = {"caption" if k == "text" else "caption_entities": v for k, v in changed.items()}
        gone = ("text", "entities", "caption", "caption_entities")
        kept = {key: value for key, value in message.body.items() if key not in gone}
        message.body = {**kept, **changed, "edit_date": int(self._api.now())}
        self._tell(chat, user, "edited_message", message)
        return {}

    def delete(self, call: Call) -> Json:
        """A member deletes a message of theirs (administrators: any). Bots are not told."""
        user, chat = self._place(call)
        if chat.status[user.id] in ("administrator", "creator"):
            self._message(chat, call).deleted = True
        else:
            self._own(chat, user, call).deleted = True
        return {}

    def _own(self, chat: Chat, user: User, call: Call) -> Message:
        message = self._message(chat, call)
        if message.author is not user:
            raise ControlError(f"message {message.id} is not {user.key}'s")
        return message


def _forged(data: str) -> Mapping[str, Json]:
    if len(data.encode()) > _DATA_BYTES:
        raise ControlError(f"callback data has at most {_DATA_BYTES} bytes")
    return {"callback_data": data}


def _button(message: Message, wanted: str) -> Mapping[str, Json]:
    """The button with that payload, label, or action in its payload."""
    buttons = [b for row in message.body.get("reply_markup", {}).get("inline_keyboard", []) for b in row]
    tests = (
        lambda b: wanted == button_id(b),
        lambda b: wanted == b["text"],
        lambda b: wanted in actions(b.get("callback_data", "")),
    )
    for fits in tests:
        for button in buttons:
            if fits(button):
                found: Mapping[str, Json] = button
                return found
    pairs: list[tuple[str, Mapping[str, Json]]] = [(b.get("callback_data", ""), b) for b in buttons]
    if (only := by_word(pairs, wanted)) is not None:
        return only
    labels = ", ".join(repr(button["text"]) for button in buttons) or "none"
    raise ControlError(f"message {message.id} has no button {wanted!r}; it has {labels}")


def _toast(press: Press) -> dict[str, Json]:
    answer = press.answer or {}
    if not answer.get("text"):
        return {}
    return {"toast": answer["text"], "alert": bool(answer.get("show_alert"))}


def _index(option: Json, options: list[str]) -> int:
    if isinstance(option, int) and not isinstance(option, bool):
        return option
    if option in options:
        return options.index(option)
    raise ControlError(f"the poll has no option {option!r}")


def _reactions(emoji: list[str]) -> Json:
    return [{"type": "emoji", "emoji": one} for one in emoji]
