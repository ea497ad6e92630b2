"""From outgoing messages to the arguments of Web API methods. Pure.

Nothing made by people is ever mrkdwn: cards and notices hold it in `plain_text` objects, replies are escaped text sent
with `mrkdwn` off. Limits: docs.slack.dev, reference/block-kit (checked in the tests by slack_sdk's models).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.chat.messages import Button, Card, Field, Form, Line, Notice, Outgoing, Prompt, Reply
from bot.domain.places import Channel
from bot.integrations.slack.parse import DELIVERY, LINK, Opened
from bot.integrations.slack.text import chunks, escape, shorten

MAX_REPLY = 4000
"""Characters that Slack advises for one message (docs.slack.dev, chat.postMessage)."""
MAX_DRAFT = 3000
"""The longest draft on a card; an edit form's input takes no more either."""
FORM = "herald_form"
"""`callback_id` of our modals."""

_SECTION, _HEADER, _INPUT, _METADATA = 3000, 150, 3000, 3000
_TITLE, _LABEL, _BUTTON, _OPTION = 24, 2000, 75, 75
_ROW, _CONTEXT, _OPTIONS = 5, 10, 100

Block = dict[str, Any]


def post(message: Outgoing, to: Channel, key: str) -> Block:
    """The arguments of chat.postMessage; `key` travels in the metadata and comes back on our message."""
    thread = thread_of(message, to)
    return {
        "channel": to.channel_id,
        **_content(message),
        **({"thread_ts": thread} if thread else {}),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": {"event_type": DELIVERY, "event_payload": {"id": key}},
    }


def thread_of(message: Outgoing, to: Channel) -> str | None:
    """The root of the thread that a message goes to; None where it stands in the channel."""
    return to.thread_id or (None if isinstance(message, Card) else message.reply_to)


def update(message: Outgoing, at: Channel, message_id: str) -> Block:
    """The arguments of chat.update. Blocks are always given: without them Slack would keep the old ones."""
    return {"channel": at.channel_id, "ts": message_id, "blocks": [], **_content(message)}


def private(notice: Notice) -> Block:
    """The content of a notice, for chat.postEphemeral, chat.postMessage or a response_url."""
    return {"text": escape(notice.text), "blocks": _sections(notice.text)}


def modal(form: Form, at: Channel) -> Block:
    """The view of a form that was asked for in this channel. Raises ValueError for a payload too long to carry."""
    metadata = Opened(form.payload, at.channel_id, at.thread_id).write()
    if len(metadata) > _METADATA:
        raise ValueError(f"a form's payload is {len(form.payload)} characters, too long for private_metadata")
    return {
        "type": "modal",
        "callback_id": FORM,
        "private_metadata": metadata,
        "title": _plain(form.title, _TITLE),
        "submit": _plain(form.submit, _TITLE),
        "close": _plain(form.cancel, _TITLE),
        "blocks": [_input(field) for field in form.fields],
    }


def _content(message: Outgoing) -> Block:
    match message:
        case Card():
            return {"text": escape(message.header), "blocks": _card(message), "parse": "none", "link_names": False}
        case Reply() | Line() | Prompt():
            return {"text": escape(message.text), "parse": "none", "link_names": False}


def _plain(text: str, limit: int) -> Block:
    return {"type": "plain_text", "text": shorten(text, limit) or "…", "emoji": False}


def _section(text: str) -> Block:
    return {"type": "section", "text": _plain(text, _SECTION)}


def _sections(text: str) -> list[Block]:
    return [_section(piece) for piece in chunks(text, _SECTION)]


def _card(card: Card) -> list[Block]:
    blocks = [_header(card.header)]
    if card.comment:
        blocks.append(_section(card.comment))
    blocks += [_context(card.details[start : start + _CONTEXT]) for start in range(0, len(card.details), _CONTEXT)]
    if card.draft:
        blocks += [{"type": "divider"}, *_sections(card.draft)]
    if card.status:
        blocks += _sections("\n".join(card.status))
    return blocks + _rows(card.buttons)


def _header(text: str) -> Block:
    if len(text) <= _HEADER and shorten(text, _HEADER) == text:
        return {"type": "header", "text": _plain(text, _HEADER)}
    return _section(text)


def _context(lines: Sequence[str]) -> Block:
    return {"type": "context", "elements": [_plain(line, _SECTION) for line in lines]}


def _rows(buttons: Sequence[Button]) -> list[Block]:
    elements = [_button(number, button) for number, button in enumerate(buttons)]
    return [{"type": "actions", "elements": elements[start : start + _ROW]} for start in range(0, len(elements), _ROW)]


def _button(number: int, button: Button) -> Block:
    out: Block = {"type": "button", "text": _plain(button.label, _BUTTON)}
    if button.url:
        return out | {"action_id": f"{LINK}{number}", "url": button.url}
    out |= {"action_id": f"button:{number}", "value": button.payload}
    return out if button.style == "plain" else out | {"style": button.style}


def _input(field: Field) -> Block:
    element = _select(field) if field.kind == "choice" else _text_input(field)
    return {
        "type": "input",
        "block_id": field.key,
        "label": _plain(field.label, _LABEL),
        "optional": not field.required,
        "element": element,
    }


def _text_input(field: Field) -> Block:
    limit = min(field.max_length or _INPUT, _INPUT)
    element: Block = {
        "type": "plain_text_input",
        "action_id": "value",
        "multiline": field.kind == "paragraph",
        "max_length": limit,
    }
    return element | {"initial_value": field.value[:limit]} if field.value else element


def _select(field: Field) -> Block:
    options = [{"text": _plain(label, _OPTION), "value": value} for value, label in field.choices[:_OPTIONS]]
    chosen = next((option for option in options if option["value"] == field.value), None)
    element: Block = {"type": "static_select", "action_id": "value", "options": options}
    return element | {"initial_option": chosen} if chosen else element
