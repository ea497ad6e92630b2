"""From outgoing messages to the arguments of Web API methods. Pure.

Nothing made by people is ever mrkdwn: cards and notices hold it in `plain_text` objects, replies are escaped text sent
with `mrkdwn` off. What holds a moment is a `rich_text` block: its dates are shown in the reader's zone, and its texts
are as literal as `plain_text`. Limits: docs.slack.dev, reference/block-kit (checked in the tests by the SDK's models).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bot.chat import moments
from bot.chat.messages import Button, Card, Document, Field, Form, Line, NativePoll, Notice, Outgoing, Prompt, Reply
from bot.chat.moments import Moment
from bot.chat.pictures import usable
from bot.chat.ports import Refused
from bot.domain.places import Channel
from bot.integrations.slack.parse import DELIVERY, LINK, Opened
from bot.integrations.slack.text import chunks, escape, shorten, units

MAX_REPLY = 4000
"""Characters that Slack advises for one message (docs.slack.dev, chat.postMessage)."""
MAX_DRAFT = 3000
"""The longest draft on a card; an edit form's input takes no more either."""
FORM = "herald_form"
"""`callback_id` of our modals."""

UNSUPPORTED = "unsupported"
"""The `code` of a refusal because Slack has nothing of the kind."""

_SECTION, _HEADER, _INPUT, _METADATA = 3000, 150, 3000, 3000
_ADDRESS, _ALT = 3000, 2000
_TITLE, _LABEL, _BUTTON, _OPTION = 24, 2000, 75, 75
_ROW, _OPTIONS, _BLOCKS = 5, 100, 50
_DATE = "{date_short_pretty} {time}"
"""How a moment is shown, in the reader's zone: "tomorrow", "Nov 22nd" or "Nov 22nd, 2027", and the time."""

Block = dict[str, Any]


def post(message: Outgoing, to: Channel, key: str) -> Block:
    """The arguments of chat.postMessage; `key` travels in the metadata and comes back on our message.

    Raises Refused (`unsupported`) for what is no message on Slack.
    """
    thread = thread_of(message, to)
    return {
        "channel": to.channel_id,
        **_content(message),
        **({"thread_ts": thread} if thread else {}),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": marked(key),
    }


def marked(key: str) -> Block:
    """The metadata of a message that carries this delivery id."""
    return {"event_type": DELIVERY, "event_payload": {"id": key}}


def thread_of(message: Outgoing, to: Channel) -> str | None:
    """The root of the thread that a message goes to; None where it stands in the channel."""
    answers = message.reply_to if isinstance(message, Reply | Line | Prompt) else None
    return to.thread_id or answers


def fallback(message: Outgoing) -> str:
    """What stands in the field `text`, before escaping: all of it, or what a card is announced with."""
    match message:
        case Card():
            return moments.plain(message.header)
        case Line() | Prompt() | Document():
            return moments.plain(message.text)
        case Reply():
            return message.text
        case NativePoll():
            return message.question


def update(message: Outgoing, at: Channel, message_id: str) -> Block:
    """The arguments of chat.update. Blocks are always given: without them Slack would keep the old ones.

    Raises Refused as `post`.
    """
    return {"channel": at.channel_id, "ts": message_id, "blocks": [], **_content(message)}


def private(notice: Notice) -> Block:
    """The content of a notice, for chat.postEphemeral, chat.postMessage or a response_url."""
    blocks = _passages(notice.text)
    return {"text": escape(moments.plain(notice.text)), "blocks": blocks + _rows(notice.buttons, _ROW)}


def beside(document: Document) -> list[Block]:
    """The text beside a file, as blocks: `initial_comment` would make markup of it."""
    return _sections(moments.plain(document.text))


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
    inert: Block = {"text": escape(fallback(message)), "parse": "none", "link_names": False}
    match message:
        case Card():
            return inert | {"blocks": _card(message)}
        case Line() if _has_moment(message.text):
            return inert | {"blocks": _passages(message.text)}
        case NativePoll() | Document():
            raise Refused(f"Slack has no message for a {type(message).__name__}", UNSUPPORTED)
    return inert


def _plain(text: str, limit: int) -> Block:
    return {"type": "plain_text", "text": shorten(text, limit) or "…", "emoji": False}


def _section(text: str) -> Block:
    return {"type": "section", "text": _plain(text, _SECTION)}


def _sections(text: str) -> list[Block]:
    return [_section(piece) for piece in chunks(text, _SECTION)]


def _passages(text: str) -> list[Block]:
    """A text with its moments."""
    return _rich(text) if _has_moment(text) else _sections(text)


def _has_moment(text: str) -> bool:
    return any(isinstance(part, Moment) for part in moments.split(text))


def _rich(text: str, **style: bool) -> list[Block]:
    """Blocks of literal text and dates; none holds more than a section may."""
    rows: list[list[Block]] = [[]]
    left = _SECTION
    for part in moments.split(text):
        for element, size in _elements(part):
            if size > left:
                rows, left = [*rows, []], _SECTION
            rows[-1].append(element | ({"style": style} if style else {}))
            left -= size
    return [
        {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}
        for elements in filter(None, rows)
    ]


def _elements(part: str | Moment) -> list[tuple[Block, int]]:
    if isinstance(part, str):
        return [({"type": "text", "text": piece}, units(piece)) for piece in chunks(part, _SECTION)]
    shown = shorten(part.shown, _HEADER)
    return [({"type": "date", "timestamp": part.at, "format": _DATE, "fallback": shown or "…"}, _HEADER)]


def _card(card: Card) -> list[Block]:
    blocks = _header(card.header) + _picture(card)
    if card.comment:
        blocks.append(_section(card.comment))
    blocks += _lines(card.details, _context)
    if card.draft:
        blocks += [{"type": "divider"}, *_sections(card.draft)]
    blocks += _lines(card.status, _section)
    most = 1 if card.stacked else _ROW
    return blocks + _rows(card.buttons, max(most, -(-len(card.buttons) // max(1, _BLOCKS - len(blocks)))))


def _picture(card: Card) -> list[Block]:
    """The picture, with the header for who cannot see it."""
    address = usable(card.picture, _ADDRESS)
    if not address:
        return []
    return [{"type": "image", "image_url": address, "alt_text": shorten(moments.plain(card.header), _ALT) or "…"}]


def _header(text: str) -> list[Block]:
    if _has_moment(text):
        return _rich(text, bold=True)
    if len(text) <= _HEADER and shorten(text, _HEADER) == text:
        return [{"type": "header", "text": _plain(text, _HEADER)}]
    return [_section(text)]


def _lines(lines: Sequence[str], quiet: Callable[[str], Block]) -> list[Block]:
    """Lines below each other: by `quiet`, or as rich text where one of them holds a moment."""
    if _has_moment(text := "\n".join(lines)):
        return _rich(text)
    return [quiet(piece) for piece in _packed(lines)]


def _packed(lines: Sequence[str]) -> list[str]:
    """The lines in few pieces, each of them short enough for a block."""
    pieces: list[str] = []
    for part in (part for line in lines for part in chunks(line, _SECTION) or [""]):
        if pieces and units(pieces[-1]) + 1 + units(part) <= _SECTION:
            pieces[-1] += f"\n{part}"
        else:
            pieces.append(part)
    return [piece for piece in pieces if piece.strip()]


def _context(text: str) -> Block:
    # One element for all lines: Slack puts the elements of a context beside each other.
    return {"type": "context", "elements": [_plain(text, _SECTION)]}


def _rows(buttons: Sequence[Button], most: int) -> list[Block]:
    """Rows of at most so many buttons."""
    elements = [_button(number, button) for number, button in enumerate(buttons)]
    return [{"type": "actions", "elements": elements[start : start + most]} for start in range(0, len(elements), most)]


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
