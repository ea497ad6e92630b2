"""Whether anything is still going to happen by itself in a house."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.assembly import Sender
from bot.chat.ports import Platform
from bot.engine.core import Core
from bot.engine.reconciler import Reconciler
from bot.engine.settling import Settling
from bot.handlers.context import Context
from bot.storage.outbox import SKIP_SECONDS, Delivery
from bot.storage.tables import outbox


class Looker(Reconciler[Context]):
    """One that tells whether it is in the middle of a look-up: its row looks as if its time had not come."""

    looking = 0

    async def _look(self, row: Delivery) -> None:
        self.looking += 1
        try:
            await super()._look(row)
        finally:
            self.looking -= 1


def observed(core: Core[Context], platform: Platform, settling: Settling[Context], sender: Sender) -> Sender:
    """The same with a reconciler that tells what it does."""
    return replace(sender, reconciler=Looker(core, platform, settling))


def quiet(sender: Sender) -> bool:
    """Whether nothing happens that is not in the database."""
    assert isinstance(sender.reconciler, Looker)
    return sender.voice.idle and not sender.reconciler.looking


def moving(connection: Connection, now: float, held: str) -> list[int]:
    """Rows that a courier is about to take or has taken."""
    query = sa.select(outbox).where(outbox.c.state.in_(("pending", "claimed", "sending", "uncertain")))
    blocked: set[str] = set()
    found = []
    for row in connection.execute(query.order_by(outbox.c.id)):
        ready = row.state == "pending" and row.due_at <= now and row.kind != held and row.lane not in blocked
        ready = ready or (row.look_at is not None and row.look_at <= now)
        if ready or row.state in {"claimed", "sending"}:
            found.append(row.id)
        if row.state != "uncertain" or row.started_at >= now - SKIP_SECONDS:
            blocked.add(row.lane)
    return found
