"""Neutral messages as parameters of `sendMessage` and `editMessageText`. Pure; no text is ever parsed as markup.

Lengths and offsets are Telegram's: UTF-16 code units.
"""

from __future__ import annotations

import math
import unicodedata

from bot.chat.messages import PAYLOAD_BYTES, Button, Card, Line, Prompt, Reply
from bot.chat.pictures import usable
from bot.integrations.telegram.texts import (
    MAX_TEXT,
    Mark,
    Marked,
    Params,
    Unsendable,
    cut,
    lined,
    sendable,
    shortened,
    told,
    units,
)

MAX_LABEL = 100
"""Telegram names no limit; nobody's screen shows more in a row. Options of our polls are shorter."""
MAX_PLACEHOLDER = 64
MAX_ADDRESS = 2048
"""Telegram names no limit for the address of a picture."""
MAX_DRAFT = 3000
"""The longest draft a card promises to show whole; the rest of a message is for header, details, status, comment."""

PER_ROW = 3
NARROW = 10
"""Columns of a label that fits beside two others on a phone; a Chinese character or an emoji takes two."""
SHORT_QUOTE = 280
"""Comments beyond this are folded by Telegram until somebody opens them."""

RULE = "──────────"
STYLES = {"primary": "primary", "danger": "danger"}

Text = Reply | Card | Line | Prompt
"""What goes out as `sendMessage`."""


def create(message: Text, latest: float = math.inf) -> Params:
    """Parameters of `sendMessage`, but for the place; moments up to `latest` are marked. Raises Unsendable."""
    match message:
        case Reply(text=text, reply_to=reply_to):
            return sendable(Marked(text)) | _answering(reply_to)
        case Line(reply_to=reply_to):
            return _line(message, latest) | _answering(reply_to)
        case Card():
            keyboard = {"reply_markup": _keyboard(message)} if message.buttons else {}
            return _card(message, latest) | keyboard
        case Prompt():
            return _prompt(message) | _answering(message.reply_to) | {"reply_markup": _force_reply(message.placeholder)}


def change(message: Text, latest: float = math.inf) -> Params:
    """Parameters of `editMessageText`, but for the place. Buttons that are no longer there go away."""
    match message:
        case Reply(text=text):
            return sendable(Marked(text))
        case Line():
            return _line(message, latest)
        case Card():
            return _card(message, latest) | {"reply_markup": _keyboard(message)}
        case Prompt():
            return _prompt(message)


def mention(text: str, user_id: str, name: str) -> Params:
    """A text that notifies one person: their name is linked where it stands in the text, or put before it."""
    if not (user_id.isascii() and user_id.isdigit()) or not name.strip():
        return sendable(Marked(text))
    start = text.find(name)
    if start < 0:
        text, start = f"{name}\n{text}", 0
    user = {"id": int(user_id), "is_bot": False, "first_name": name}
    return sendable(Marked(text, (Mark("text_mention", units(text[:start]), units(name), (("user", user),)),)))


def _answering(reply_to: str | None) -> Params:
    if reply_to is None:
        return {}
    try:
        # Without the permission, a reply to a message that was deleted meanwhile would be refused.
        return {"reply_parameters": {"message_id": int(reply_to), "allow_sending_without_reply": True}}
    except ValueError:
        raise Unsendable(f"{reply_to[:40]!r} is not a message of Telegram") from None


def _line(line: Line, latest: float) -> Params:
    return sendable(shortened(told(line.text, latest), MAX_TEXT))


def _card(card: Card, latest: float) -> Params:
    fixed = _assemble(card, "", latest)[0]
    room = MAX_TEXT - units(fixed) - 1
    text, entities = _assemble(card, cut(card.comment, room) if room > 0 else "", latest)
    return sendable(Marked(text)) | {"entities": entities} | _pictured(card)


def _pictured(card: Card) -> Params:
    """The card's picture as the preview of its address, which is fetched later or not at all."""
    if not (address := usable(card.picture, MAX_ADDRESS)):
        return {}
    return {"link_preview_options": {"url": address, "prefer_large_media": True, "show_above_text": True}}


def _assemble(card: Card, comment: str, latest: float) -> tuple[str, list[Params]]:
    """The card's text with its marks. The draft stands between two rules, untouched and unmarked."""
    parts = [
        (told(card.header, latest), "bold"),
        (Marked(comment), "blockquote" if units(comment) <= SHORT_QUOTE else "expandable_blockquote"),
        (lined(told(line, latest) for line in card.details), ""),
        (Marked(f"{RULE}\n{card.draft}\n{RULE}" if card.draft else ""), ""),
        (lined(told(line, latest) for line in card.status), ""),
    ]
    text, entities = "", []
    for part, style in parts:
        if not part.text:
            continue
        text += "\n" if text else ""
        start = units(text)
        if style:
            entities.append(Mark(style, start, units(part.text)).entity())
        entities += [mark.entity(start) for mark in part.marks]
        text += part.text
    return text, entities


def _keyboard(card: Card) -> Params:
    keys = [_key(button) for button in card.buttons]
    is_wide = card.stacked and any(columns(button.label) > NARROW for button in card.buttons)
    step = 1 if is_wide else PER_ROW
    return {"inline_keyboard": [keys[start : start + step] for start in range(0, len(keys), step)]}


def columns(label: str) -> int:
    """How wide a label is, in the width of a Latin letter."""
    return sum(_columns(character) for character in label)


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _key(button: Button) -> Params:
    key: Params = {"text": cut(button.label, MAX_LABEL)}
    if button.style in STYLES:
        key["style"] = STYLES[button.style]
    if button.url:
        return key | {"url": button.url}
    if not 1 <= len(button.payload.encode()) <= PAYLOAD_BYTES:
        raise Unsendable(f"a button's payload has {len(button.payload.encode())} bytes, Telegram takes 1 to 64")
    return key | {"callback_data": button.payload}


def _prompt(prompt: Prompt) -> Params:
    # `selective` shows the reply box to those mentioned only, so the mention is not mere politeness.
    return mention(prompt.text, prompt.member.user_id, prompt.member_name)


def _force_reply(placeholder: str) -> Params:
    markup: Params = {"force_reply": True, "selective": True}
    if placeholder:
        markup["input_field_placeholder"] = cut(placeholder, MAX_PLACEHOLDER)
    return markup
