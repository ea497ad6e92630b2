"""From our messages to Discord's JSON. Pure.

A card is one embed: header as title, then comment, details, draft and status as its description. Where that is too
long even with the comment shortened, draft and status move into a second embed below the first, so that the draft is
always shown whole (limits: Discord reference, "Embed Limits").
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bot.chat import moments
from bot.chat.messages import (
    Button,
    Card,
    Document,
    Field,
    FieldErrors,
    Form,
    Line,
    NativePoll,
    Outgoing,
    Prompt,
    Reply,
    Tone,
)
from bot.chat.pictures import usable
from bot.chat.ports import TOO_LARGE, TOO_LONG, PollLimits, Refused
from bot.domain.places import Channel
from bot.integrations.discord.markdown import cut, literal, quoted, shortened, spoken, units
from bot.integrations.discord.parse import ANSWERS

CONTENT = 2_000
DESCRIPTION = 4_096
TITLE = 256
MESSAGE_EMBEDS = 6_000
"""The most characters that all embeds of a message hold together."""
PICTURE = 2_048
MAX_FILE = 10 * 1024 * 1024
"""Bytes of a file in a server without boosts (reference, "Uploading Files")."""
ROW, ROWS = 5, 5
LABEL, FIELD_LABEL, FIELD_HELP, MODAL_TITLE = 80, 45, 100, 45
FIELD_VALUE, CHOICES, CHOICE, FIELDS = 4_000, 25, 100, 5
HOUR, LONGEST_HOURS = 3_600.0, 768
POLLS = PollLimits(
    question=300,
    option=55,
    options=ANSWERS,
    longest=LONGEST_HOURS * HOUR,
    shortest=60.0,
    hides=False,
    quiz=False,
    fixes=False,
)
"""Discord counts in hours, but a poll that closes earlier is ended by us: by a request that must find its turn, so that
a minute is the least.
"""

EPHEMERAL = 1 << 6
SUPPRESS_EMBEDS = 1 << 2
NO_MENTIONS: Mapping[str, object] = {"parse": [], "replied_user": False}
"""Sent with every message and every edit: an edit without it is parsed with all mentions allowed."""

MAX_DRAFT = 1_800
"""Escaped at worst 3,600 characters, which leaves details and status the room they need."""
_SHORTEST_COMMENT = 200
"""A comment is not cut below this as long as a second embed can help."""

_COLOURS: Mapping[Tone, int] = {
    "new": 0x3B82F6,
    "waiting": 0xF59E0B,
    "claimed": 0x8B5CF6,
    "good": 0x22C55E,
    "bad": 0xEF4444,
    "quiet": 0x9CA3AF,
}
_STYLES = {"primary": 1, "plain": 2, "danger": 4}
_LINK_STYLE = 5
_POLL_LAYOUT = 1
_ACTION_ROW, _BUTTON, _SELECT, _TEXT_INPUT, _LABEL = 1, 2, 3, 4, 18

Json = dict[str, object]


def message(outgoing: Outgoing, to: Channel, key: str) -> Json:
    """The body of Create Message; `key` is the nonce by which Discord knows a repeated request."""
    if isinstance(outgoing, NativePoll):
        beside = told(outgoing.description) if outgoing.description else {"allowed_mentions": NO_MENTIONS}
        made: Json = {**beside, "poll": _poll(outgoing)}
    else:
        made = content(outgoing)
    body = {**made, "nonce": key, "enforce_nonce": True}
    if isinstance(outgoing, Reply | Line | Prompt) and (reply_to := outgoing.reply_to):
        # A question that was deleted meanwhile must not keep its answer from arriving.
        body["message_reference"] = {
            "message_id": reply_to,
            "channel_id": to.channel_id,
            "fail_if_not_exists": False,
        }
    return _named(body)


def content(outgoing: Outgoing) -> Json:
    """The body of Edit Message: every part is named, so that nothing of the former message stays.

    Raises Refused for a poll, which cannot be edited.
    """
    match outgoing:
        case Card():
            return {
                "content": "",
                "embeds": embeds(outgoing),
                "components": rows(outgoing.buttons, stacked=outgoing.stacked),
                "attachments": [],
                "allowed_mentions": NO_MENTIONS,
            }
        case Document():
            if len(outgoing.content) > MAX_FILE:
                raise Refused(f"a file of {len(outgoing.content)} bytes, Discord takes {MAX_FILE}", TOO_LARGE)
            return {**told(outgoing.text), "attachments": [{"id": "0", "filename": outgoing.name}]}
        case NativePoll():
            raise Refused("a poll of Discord's cannot be edited", "poll")
        case Reply():
            return {**_plain(outgoing.text), "flags": SUPPRESS_EMBEDS}
        case Line() | Prompt():
            return told(outgoing.text)


def _poll(poll: NativePoll) -> Json:
    """Everybody sees who voted for what, at any time, and votes can be changed: Refused where that was not wanted."""
    if poll.hidden or poll.correct is not None or not poll.revoting:
        raise Refused("Discord's polls hide nothing, have no right option and let votes be changed", "unsupported")
    return {
        "question": {"text": poll.question},
        "answers": [{"poll_media": {"text": option}} for option in poll.options],
        "duration": min(max(1, math.ceil(poll.closes_in / HOUR)), LONGEST_HOURS),
        "allow_multiselect": poll.multiple,
        "layout_type": _POLL_LAYOUT,
    }


def told(text: str) -> Json:
    """A text shown character by character; longer than a message it goes into an embed, and is cut there."""
    shown = spoken(text, links=True)
    if units(shown) <= CONTENT:
        return {**_plain(shown), "flags": SUPPRESS_EMBEDS}
    return {**_plain(""), "embeds": [{"description": cut(spoken(text, most=DESCRIPTION + 1), DESCRIPTION)}]}


def _plain(text: str) -> Json:
    return {"content": text, "embeds": [], "components": [], "attachments": [], "allowed_mentions": NO_MENTIONS}


def embeds(card: Card) -> list[Json]:
    """The card's one embed, or two. Raises Refused when the draft could not be shown whole."""
    # Time stamps are not promised to work in a title: there a moment is written out.
    title = literal(moments.plain(card.header))
    top = [] if units(title) <= TITLE else [spoken(card.header)]
    title = "" if top else title
    details = "\n".join(spoken(line, links=True) for line in card.details)
    bottom = [literal(card.draft), "\n".join(spoken(line, links=True) for line in card.status)]
    one = _parts(top, card.comment, [details, *bottom], DESCRIPTION)
    if one is not None:
        return _pictured([_embed(card.tone, one, title)], card)
    second = _joined(bottom)
    room = min(DESCRIPTION, MESSAGE_EMBEDS - units(title) - units(second))
    first = _parts(top, card.comment, [details], room, shortest=0) or _parts(top, "", [details], room)
    if first is None or units(second) > DESCRIPTION:
        raise Refused("the card is longer than a Discord message can be", TOO_LONG)
    return _pictured(
        [_embed(card.tone, part, head) for part, head in ((first, title), (second, "")) if part or head], card
    )


def _pictured(made: list[Json], card: Card) -> list[Json]:
    """The embeds, with the card's picture under the first. Discord fetches it later, or shows none."""
    if made and (address := usable(card.picture, PICTURE)):
        made[0]["image"] = {"url": address}
    return made


def _parts(top: list[str], comment: str, rest: list[str], room: int, shortest: int = _SHORTEST_COMMENT) -> str | None:
    """All parts in order in at most `room` units, the comment cut to what is left; None when that is too little."""
    left = room - units(_joined([*top, "x", *rest])) + 1
    if not comment:
        whole = _joined([*top, *rest])
        return whole if units(whole) <= room else None
    shown = quoted(comment[: left + 1] if left > 0 else comment)
    if units(shown) > left < max(shortest, len("> …")):
        return None
    return _joined([*top, cut(shown, left), *rest])


def _joined(parts: Sequence[str]) -> str:
    return "\n\n".join(part for part in parts if part)


def _embed(tone: Tone, description: str, title: str) -> Json:
    embed: Json = {"color": _COLOURS[tone]}
    if title:
        embed["title"] = title
    if description:
        embed["description"] = description
    return embed


def rows(buttons: Sequence[Button], *, stacked: bool = False) -> list[Json]:
    """Buttons in rows of five, or `stacked` in rows as short as five rows allow. Raises Refused for too many."""
    if len(buttons) > ROW * ROWS:
        raise Refused(f"{len(buttons)} buttons do not fit into a Discord message", TOO_LONG)
    made = [_button(button) for button in buttons]
    row = max(1, -(-len(made) // ROWS)) if stacked else ROW
    return [{"type": _ACTION_ROW, "components": made[at : at + row]} for at in range(0, len(made), row)]


def _button(button: Button) -> Json:
    label = shortened(button.label, LABEL)
    if button.url:
        return {"type": _BUTTON, "style": _LINK_STYLE, "label": label, "url": button.url}
    return {"type": _BUTTON, "style": _STYLES[button.style], "label": label, "custom_id": button.payload}


def modal(form: Form) -> Json:
    """The data of an interaction answer that opens a form; Discord names its two buttons itself."""
    return {
        "custom_id": form.payload,
        "title": shortened(form.title, MODAL_TITLE),
        "components": [_labelled(field) for field in form.fields[:FIELDS]],
    }


def _labelled(field: Field) -> Json:
    label: Json = {"type": _LABEL, "label": shortened(field.label, FIELD_LABEL), "component": _input(field)}
    if label["label"] != field.label:
        label["description"] = shortened(field.label, FIELD_HELP)
    return label


def _input(field: Field) -> Json:
    if field.kind == "choice":
        options = [_option(value, label, value == field.value) for value, label in field.choices[:CHOICES]]
        return {"type": _SELECT, "custom_id": field.key, "options": options, "required": field.required}
    box: Json = {
        "type": _TEXT_INPUT,
        "custom_id": field.key,
        "style": 2 if field.kind == "paragraph" else 1,
        "required": field.required,
        "max_length": max(1, min(field.max_length or FIELD_VALUE, FIELD_VALUE)),
    }
    if field.value:
        box["value"] = field.value[:FIELD_VALUE]
    return box


def _option(value: str, label: str, chosen: bool) -> Json:
    option: Json = {"label": shortened(label, CHOICE), "value": value}
    if chosen:
        option["default"] = True
    return option


def faults(refused: FieldErrors) -> Json:
    """The data of a private answer that lists what is wrong with a form: Discord cannot show it in the form."""
    return {**_named(told("\n".join(refused.errors.values()))), "flags": EPHEMERAL}


def private(text: str, buttons: Sequence[Button] = ()) -> Json:
    """The data of a message that only one person sees. Raises Refused for more buttons than it holds."""
    body = told(text)
    flags = body.get("flags", 0)
    shown = {**body, "components": rows(buttons), "flags": EPHEMERAL | (flags if isinstance(flags, int) else 0)}
    return _named(shown)


def direct(text: str, buttons: Sequence[Button], key: str) -> Json:
    """The body of Create Message for a text in a direct conversation.

    Only links stay of the buttons: a press there would come from another place, and from nobody of the server.
    """
    shown = {**told(text), "components": rows([button for button in buttons if button.url])}
    return {**_named(shown), "nonce": key, "enforce_nonce": True}


def letter(text: str, key: str) -> Json:
    """The body of Create Message for a text that must arrive whole in a direct conversation. Raises Refused."""
    if units(spoken(text, links=True)) > CONTENT and units(spoken(text)) > DESCRIPTION:
        raise Refused("the text is longer than a Discord message can be", TOO_LONG)
    return direct(text, (), key)


def hint(text: str, user_id: str, key: str) -> Json:
    """The body of Create Message for a line that calls one member in a public channel; only they are notified."""
    body = told(text)
    body["content"] = f"<@{user_id}> {body['content']}".rstrip()
    body["allowed_mentions"] = {"users": [user_id], "replied_user": False}
    return {**_named(body), "nonce": key, "enforce_nonce": True}


def _named(body: Json) -> Json:
    """Without the empty parts: what is created has no former parts to clear."""
    return {name: value for name, value in body.items() if value not in ([], "")}
