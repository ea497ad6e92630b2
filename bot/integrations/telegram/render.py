"""Neutral messages as parameters of `sendMessage` and `editMessageText`. Pure; no text is ever parsed as markup.

Lengths and offsets are Telegram's: UTF-16 code units.
"""

from __future__ import annotations

from bot.chat.messages import PAYLOAD_BYTES, Button, Card, Line, Outgoing, Prompt, Reply

MAX_TEXT = 4096
MAX_LABEL = 64
MAX_PLACEHOLDER = 64
MAX_DRAFT = 3000
"""The longest draft a card promises to show whole; the rest of a message is for header, details, status, comment."""

PER_ROW = 3
SHORT_QUOTE = 280
"""Comments beyond this are folded by Telegram until somebody opens them."""

RULE = "──────────"
ELLIPSIS = "…"
NO_PREVIEW = {"is_disabled": True}
STYLES = {"primary": "primary", "danger": "danger"}

Params = dict[str, object]


class Unsendable(ValueError):
    """A message that Telegram cannot carry; the text says which limit it breaks."""


def units(text: str) -> int:
    """The length of a text as Telegram counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, limit: int) -> str:
    """The text if it fits into `limit` units, else its beginning with an ellipsis; never half a character."""
    if units(text) <= limit:
        return text
    if limit < 1:
        return ""
    kept = text.encode("utf-16-le", "surrogatepass")[: 2 * (limit - 1)].decode("utf-16-le", "ignore")
    return kept.rstrip("\u200d\ufe0f").rstrip() + ELLIPSIS


def create(message: Outgoing) -> Params:
    """Parameters of `sendMessage`, but for the place. Raises Unsendable."""
    match message:
        case Reply(text=text, reply_to=reply_to):
            return _plain(_whole(text)) | _answering(reply_to)
        case Line(text=text, reply_to=reply_to):
            return _plain(_whole(cut(text, MAX_TEXT))) | _answering(reply_to)
        case Card():
            keyboard = {"reply_markup": _keyboard(message.buttons)} if message.buttons else {}
            return _card(message) | keyboard
        case Prompt():
            return _prompt(message) | _answering(message.reply_to) | {"reply_markup": _force_reply(message.placeholder)}


def change(message: Outgoing) -> Params:
    """Parameters of `editMessageText`, but for the place. Buttons that are no longer there go away."""
    match message:
        case Reply(text=text):
            return _plain(_whole(text))
        case Line(text=text):
            return _plain(_whole(cut(text, MAX_TEXT)))
        case Card():
            return _card(message) | {"reply_markup": _keyboard(message.buttons)}
        case Prompt():
            return _prompt(message)


def mention(text: str, user_id: str, name: str) -> Params:
    """A text that notifies one person: their name is linked where it stands in the text, or put before it."""
    if not (user_id.isascii() and user_id.isdigit()) or not name.strip():
        return _plain(_whole(text))
    start = text.find(name)
    if start < 0:
        text, start = f"{name}\n{text}", 0
    user = {"id": int(user_id), "is_bot": False, "first_name": name}
    entity = {"type": "text_mention", "offset": units(text[:start]), "length": units(name), "user": user}
    return _plain(_whole(text)) | {"entities": [entity]}


def _plain(text: str) -> Params:
    return {"text": text, "link_preview_options": NO_PREVIEW}


def _whole(text: str) -> str:
    if not text.strip():
        raise Unsendable("an empty text cannot be sent")
    if (length := units(text)) > MAX_TEXT:
        raise Unsendable(f"the text has {length} UTF-16 units, Telegram takes {MAX_TEXT}")
    return text


def _answering(reply_to: str | None) -> Params:
    if reply_to is None:
        return {}
    try:
        # Without the permission, a reply to a message that was deleted meanwhile would be refused.
        return {"reply_parameters": {"message_id": int(reply_to), "allow_sending_without_reply": True}}
    except ValueError:
        raise Unsendable(f"{reply_to[:40]!r} is not a message of Telegram") from None


def _card(card: Card) -> Params:
    fixed = _assemble(card, "")[0]
    room = MAX_TEXT - units(fixed) - 1
    text, entities = _assemble(card, cut(card.comment, room) if room > 0 else "")
    return _plain(_whole(text)) | {"entities": entities}


def _assemble(card: Card, comment: str) -> tuple[str, list[Params]]:
    """The card's text with its marks. The draft stands between two rules, untouched and unmarked."""
    parts = [
        (card.header, "bold"),
        (comment, "blockquote" if units(comment) <= SHORT_QUOTE else "expandable_blockquote"),
        ("\n".join(card.details), ""),
        (f"{RULE}\n{card.draft}\n{RULE}" if card.draft else "", ""),
        ("\n".join(card.status), ""),
    ]
    text, entities = "", []
    for part, mark in parts:
        if not part:
            continue
        text += "\n" if text else ""
        if mark:
            entities.append({"type": mark, "offset": units(text), "length": units(part)})
        text += part
    return text, entities


def _keyboard(buttons: tuple[Button, ...]) -> Params:
    keys = [_key(button) for button in buttons]
    return {"inline_keyboard": [keys[start : start + PER_ROW] for start in range(0, len(keys), PER_ROW)]}


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
