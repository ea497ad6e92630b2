"""Messages to rooms and to the team that belong to no comment: lines, notes, files.

What is public is never sent twice by itself: an outcome that nobody knows is looked up, or told to the team.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from bot.chat.messages import Document, Line
from bot.chat.moments import inert
from bot.domain.delivery import Urgency
from bot.domain.places import Channel
from bot.domain.text import cut
from bot.engine.registry import Act, Create, Doubtful, Lost, Outcome, Registry
from bot.handlers.context import Context
from bot.handlers.payloads import new_id
from bot.handlers.wording import shown
from bot.locales import Value
from bot.storage.outbox import Delivery, Order

LINE, NOTE, FILE = "room_line", "team_note", "room_file"


def register(registry: Registry[Context]) -> None:
    """Declare lines, notes and files as outgoing messages."""
    registry.outgoing(LINE, _prepare_line, unclear, once=True)
    registry.outgoing(NOTE, _prepare_line)
    registry.outgoing(FILE, _prepare_file, unclear, once=True)


def tell_room(ctx: Context, lane: str, channel: Channel, key: str, values: Mapping[str, Value]) -> None:
    """A line into a room, in its language, after what waits in the same lane."""
    text = ctx.desk.texts.say(ctx.desk.language(channel), key, **values)
    ctx.work.outbox.add(Order(new_id(), LINE, f"{lane}:{channel}", channel, Urgency.ALERT, text=text))


def tell_team(ctx: Context, lane: str, key: str, values: Mapping[str, Value]) -> None:
    """A line into every review channel."""
    for channel in ctx.desk.review:
        tell_text(ctx, lane, channel, ctx.desk.texts.say(ctx.desk.language(channel), key, **values))


def tell_text(ctx: Context, lane: str, channel: Channel, text: str) -> None:
    """A text that is made already, for a room of the team's."""
    ctx.work.outbox.add(Order(new_id(), NOTE, f"{lane}:{channel}", channel, Urgency.ALERT, text=text))


def unclear(ctx: Context, row: Delivery, outcome: Outcome) -> None:
    """What the team hears of a public message that did not, or perhaps not, arrive."""
    if isinstance(outcome, Lost | Doubtful):
        key = "public.doubtful" if isinstance(outcome, Doubtful) else "public.lost"
        where = f"{row.to.platform} {row.to.channel_id}"
        values = {"where": where, "reason": outcome.reason, "text": shown(inert(cut(row.text, 100)))}
        tell_team(ctx, "public", key, values)


def send_file(ctx: Context, to: Channel, document: Document, lane: str) -> None:
    """Queue a file."""
    extra = {
        "name": document.name,
        "type": document.media_type,
        "data": base64.b64encode(document.content).decode(),
    }
    ctx.work.outbox.add(Order(new_id(), FILE, lane, to, Urgency.LIVE, text=document.text, extra=extra))


def _prepare_line(ctx: Context, row: Delivery) -> Act:
    return Create(Line(row.text), row.to)


def _prepare_file(ctx: Context, row: Delivery) -> Act:
    data = base64.b64decode(str(row.extra["data"]))
    return Create(Document(str(row.extra["name"]), str(row.extra["type"]), data, row.text), row.to)
