"""What makes an old database safe to start: what may have happened since is put to people, nothing happens by itself.

Since the backup replies were sent, drafts decided, buttons pressed, and the database knows nothing of it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.domain.delivery import DeliveryState, Urgency
from bot.domain.review import DraftState
from bot.engine.sealing import MARK
from bot.operations.restored_giveaways import settle_giveaways
from bot.operations.restored_polls import settle_polls
from bot.storage.outbox import BLOCKING, Order
from bot.storage.tables import drafts, inbox, outbox, prompts, views
from bot.storage.work import Work

RESTORED = "restored from a backup"
"""The error of every row whose fate after the backup nobody here knows."""
FLAG = "restored"
_OPEN = (DraftState.WAITING.value, DraftState.UNCERTAIN.value, DraftState.FAILED.value)
"""Drafts that wait for a person, who may have decided since."""
_UNSHOWN = (*_OPEN, DraftState.DRAFTING.value)
_ORDERS = frozenset({"callback_query", "trigger_id", MARK})
"""Keys that only a pressed button, a sent form or a typed command has, on Telegram, on Slack, and sealed."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was made safe."""

    uncertain: int
    """Replies that were on their way: a person says whether they arrived."""
    waiting: int
    """Drafts that waited for a decision: somebody may have decided since."""
    orders: int
    """Clicks and commands that were not carried out yet: they count for nothing."""
    polls: int = 0
    """Polls that were open or about to open."""
    giveaways: int = 0
    """Giveaways that are paused or called off, that go on by themselves, or whose prizes wait for a person."""


def make_safe(connection: Connection, now: float) -> Made:
    """Settle all that a start would go on with. One transaction; `now` in UTC seconds."""
    work = Work(connection, now)
    waiting = _open_drafts(connection)
    uncertain = _doubt_replies(connection, now)
    changed = _cancel_others(connection, now)
    orders = _forget_orders(connection)
    _unbind(connection)
    _flag(work, _open_drafts(connection))
    for draft_id in sorted({*_open_drafts(connection), *changed}):
        _show(work, draft_id)
    polls, giveaways = settle_polls(connection, now), settle_giveaways(connection, now)
    return Made(len(uncertain), len(waiting - uncertain), orders, polls, giveaways)


def _open_drafts(connection: Connection) -> set[int]:
    return set(connection.execute(sa.select(drafts.c.id).where(drafts.c.state.in_(_OPEN))).scalars())


def _doubt_replies(connection: Connection, now: float) -> set[int]:
    """Every reply that was not final is in doubt, and its draft with it; the drafts."""
    query = sa.update(outbox).where(outbox.c.kind == "reply", outbox.c.state.in_(BLOCKING))
    values = {
        "state": DeliveryState.UNCERTAIN.value,
        "token": outbox.c.token + 1,
        "look_at": None,
        "started_at": sa.func.coalesce(outbox.c.started_at, now),
        "error": RESTORED,
    }
    found = connection.execute(query.values(values).returning(outbox.c.draft_id)).scalars()
    doubted = {draft_id for draft_id in found if draft_id is not None}
    _update_drafts(connection, doubted, {"state": DraftState.UNCERTAIN.value, "error": RESTORED, "updated_at": now})
    return doubted


def _cancel_others(connection: Connection, now: float) -> set[int]:
    """Cards are made anew, lines and notices are stale; corrections and removals are for a person to ask for again.

    The drafts whose cards were on their way or whose reply was to be changed.
    """
    query = sa.update(outbox).where(outbox.c.kind != "reply", outbox.c.state.in_(BLOCKING))
    values = {"state": DeliveryState.CANCELLED.value, "token": outbox.c.token + 1, "error": RESTORED}
    rows = connection.execute(query.values(values).returning(outbox.c.kind, outbox.c.draft_id)).all()
    unchanged = {row.draft_id for row in rows if row.kind in {"correct", "remove"}}
    _update_drafts(connection, unchanged, {"error": RESTORED, "updated_at": now})
    return {row.draft_id for row in rows if row.draft_id is not None}


def _update_drafts(connection: Connection, ids: Collection[int], values: dict[str, object]) -> None:
    for draft_id in ids:
        connection.execute(sa.update(drafts).where(drafts.c.id == draft_id).values(values))


def _forget_orders(connection: Connection) -> int:
    """Comments that were not handled yet are handled; clicks and commands were carried out long ago."""
    query = sa.select(inbox.c.id, inbox.c.raw).where(inbox.c.state == "new")
    orders = [row.id for row in connection.execute(query) if is_order(row.raw)]
    for row in orders:
        work = sa.update(inbox).where(inbox.c.id == row)
        connection.execute(work.values(state="ignored", error=RESTORED))
    return len(orders)


def is_order(raw: str) -> bool:
    """Whether a stored event is a click, a form or a command. Where that is not clear it counts as one."""
    try:
        return _holds_order(json.loads(raw))
    except (ValueError, RecursionError):
        return True


def _holds_order(value: object) -> bool:
    if isinstance(value, dict):
        if _ORDERS & value.keys() or value.get("t") == "INTERACTION_CREATE":
            return True
        return any(_holds_order(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_holds_order(inner) for inner in value)
    return isinstance(value, str) and value.lstrip().startswith("/")


def _unbind(connection: Connection) -> None:
    """Buttons and forms that people saw after the backup must not decide over what they did not see: new cards do."""
    unshown = sa.select(drafts.c.id).where(drafts.c.state.in_(_UNSHOWN))
    connection.execute(sa.delete(views).where(views.c.draft_id.in_(unshown)))
    connection.execute(sa.delete(prompts))


def _flag(work: Work, ids: Collection[int]) -> None:
    for draft_id in ids:
        draft = work.drafts.get(draft_id)
        if draft is not None:
            work.drafts.add_flag(draft, FLAG)


def _show(work: Work, draft_id: int) -> None:
    """Have every card of a draft show its state, once."""
    for card in work.cards.of_draft(draft_id):
        key, lane = secrets.token_urlsafe(16), f"card:{card.id}"
        work.outbox.add(Order(key, "card", lane, card.channel, Urgency.ALERT, card_id=card.id, draft_id=draft_id))
