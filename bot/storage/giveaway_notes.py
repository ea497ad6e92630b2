"""What is written down about giveaways: log, what was odd, public messages as witnesses; and templates for new ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.domain.giveaways import Offer
from bot.domain.places import Member
from bot.storage.dialects import insert
from bot.storage.offers import offer_json, read_offer
from bot.storage.polls import Entry as Line
from bot.storage.polls import Signal
from bot.storage.tables import giveaway_log, giveaway_signals, giveaway_templates, giveaway_witnesses

__all__ = ["GiveawayNotes", "Line", "Signal", "Witness"]


@dataclass(frozen=True, slots=True)
class Witness:
    """A public message: somebody else keeps it, and knows when it was posted (`at`, UTC seconds)."""

    what: str
    """`announcement`, `freeze`, `result` or `delayed`."""
    platform: str
    url: str
    at: float
    extra: Mapping[str, str]


class GiveawayNotes:
    """The notes of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def witness(
        self, giveaway_id: int, what: str, platform: str, url: str, at: float, extra: Mapping[str, str]
    ) -> None:
        """Keep a public message; once, the first that is told of it stays."""
        values = {"what": what, "platform": platform, "url": url, "at": at}
        text = json.dumps(dict(extra), ensure_ascii=False)
        query = insert(giveaway_witnesses).values(giveaway_id=giveaway_id, **values, extra=text)
        self._connection.execute(query.on_conflict_do_nothing())

    def witnesses(self, giveaway_id: int) -> list[Witness]:
        """All of them, in the order in which they came."""
        t = giveaway_witnesses.c
        query = sa.select(t.what, t.platform, t.url, t.at, t.extra).where(t.giveaway_id == giveaway_id)
        rows = self._connection.execute(query.order_by(t.id))
        return [Witness(row.what, row.platform, row.url, row.at, json.loads(row.extra)) for row in rows]

    def log(self, giveaway_id: int, at: float, who: str, what: str, detail: str = "") -> None:
        """Add a line to a giveaway's log: when, who (a member's address or nobody), a word, and what else there is."""
        values = {"giveaway_id": giveaway_id, "at": at, "who": who, "what": what, "detail": detail}
        self._connection.execute(insert(giveaway_log).values(values))

    def history(self, giveaway_id: int) -> list[Line]:
        """A giveaway's log, oldest line first."""
        t = giveaway_log.c
        query = sa.select(t.at, t.who, t.what, t.detail).where(t.giveaway_id == giveaway_id)
        return [Line(*row) for row in self._connection.execute(query.order_by(t.id))]

    def signal(self, giveaway_id: int, reason: str, who: str, detail: str) -> None:
        """Keep something odd for the host; one for each reason and `who`, with the newest detail."""
        values = insert(giveaway_signals).values(giveaway_id=giveaway_id, reason=reason, who=who, detail=detail)
        keys = ["giveaway_id", "reason", "who"]
        query = values.on_conflict_do_update(index_elements=keys, set_={"detail": values.excluded.detail})
        self._connection.execute(query)

    def signals(self, giveaway_id: int) -> list[Signal]:
        """All that was odd, by reason."""
        t = giveaway_signals.c
        query = sa.select(t.reason, t.who, t.detail).where(t.giveaway_id == giveaway_id)
        return [Signal(*row) for row in self._connection.execute(query.order_by(t.reason, t.who))]

    def forget_signals(self, giveaway_id: int) -> None:
        """It is over, and the host has seen them: they name people."""
        self._connection.execute(sa.delete(giveaway_signals).where(giveaway_signals.c.giveaway_id == giveaway_id))

    def erase(self, person: str) -> None:
        """Forget somebody in all logs and signals; what was done stays in the log."""
        self._connection.execute(sa.delete(giveaway_signals).where(giveaway_signals.c.who == person))
        self._connection.execute(sa.update(giveaway_log).where(giveaway_log.c.who == person).values(who=""))

    def save_template(self, name: str, offer: Offer, host: Member) -> None:
        """Keep an offer under this name, in place of what was under it; `host` is who said so."""
        values = insert(giveaway_templates).values(name=name, offer=offer_json(offer), host=str(host))
        change = {"offer": values.excluded.offer, "host": values.excluded.host}
        self._connection.execute(values.on_conflict_do_update(index_elements=["name"], set_=change))

    def template(self, name: str) -> Offer | None:
        """The offer under this name."""
        query = sa.select(giveaway_templates.c.offer).where(giveaway_templates.c.name == name)
        found = self._connection.execute(query).scalar_one_or_none()
        return None if found is None else read_offer(found)

    def templates(self) -> list[str]:
        """The names of all templates, by code point."""
        return sorted(self._connection.execute(sa.select(giveaway_templates.c.name)).scalars())
