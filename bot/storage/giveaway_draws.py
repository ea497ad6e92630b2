"""What the proof of a draw is made of: seed, frozen list, beacon, order, re-rolls. Each is written once.

A draw that broke off and begins again, after a crash or from a backup, finds the same seed, list and beacon, so it ends
the same; what would make it end otherwise raises Conflict.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.domain.fdraw import Reroll
from bot.storage.dialects import insert
from bot.storage.drafts import Conflict
from bot.storage.tables import giveaway_draws, giveaway_freezes, giveaway_rerolls, giveaway_seeds


@dataclass(frozen=True, slots=True)
class Frozen:
    """A frozen list: the freeze text, its SHA-256 and the list's root in hex, how many entries, what they weigh."""

    text: str
    hash: str
    root: str
    entries: int
    weight: int


@dataclass(frozen=True, slots=True)
class DrawnRow:
    """What is known of a draw: the beacon (hex; empty texts where there is none) and the tickets in their order."""

    signature: str
    value: str
    verified: bool
    """Whether the signature was checked against the chain's public key."""
    mirrors: tuple[str, ...]
    """Who told the same."""
    order: tuple[str, ...]
    """Winners, then alternates; empty until it was drawn."""


class GiveawayDraws:
    """The draws of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def seed(self, giveaway_id: int) -> bytes:
        """The 32 bytes that are secret until the freeze: for freezing and proofs only, never for a log.

        Raises LookupError for a giveaway that is not there.
        """
        query = sa.select(giveaway_seeds.c.seed).where(giveaway_seeds.c.giveaway_id == giveaway_id)
        found: bytes | None = self._connection.execute(query).scalar_one_or_none()
        if found is None:
            raise LookupError(f"giveaway {giveaway_id} has no seed")
        return bytes(found)

    def freeze(self, giveaway_id: int, text: str, root: str, entries: int, weight: int) -> None:
        """Keep the freeze text. Until the beacon is known it may be replaced by one that names a later round.

        Raises Conflict for another list than the one that was frozen, and once the beacon or the order is known.
        """
        before = self.frozen(giveaway_id)
        if before is not None and (
            (root, entries, weight) != (before.root, before.entries, before.weight)
            or (text != before.text and self.drawn(giveaway_id) is not None)
        ):
            raise Conflict(f"giveaway {giveaway_id} is frozen with another list")
        values = insert(giveaway_freezes).values(
            giveaway_id=giveaway_id,
            text=text,
            hash=hashlib.sha256(text.encode()).hexdigest(),
            root=root,
            entries=entries,
            weight=weight,
        )
        change = {"text": values.excluded.text, "hash": values.excluded.hash}
        self._connection.execute(values.on_conflict_do_update(index_elements=["giveaway_id"], set_=change))

    def frozen(self, giveaway_id: int) -> Frozen | None:
        """The frozen list; None before the freeze."""
        t = giveaway_freezes.c
        query = sa.select(t.text, t.hash, t.root, t.entries, t.weight).where(t.giveaway_id == giveaway_id)
        row = self._connection.execute(query).one_or_none()
        return Frozen(*row) if row else None

    def beacon(self, giveaway_id: int, signature: str, value: str, verified: bool, mirrors: Sequence[str]) -> None:
        """Keep the beacon, once: a second time is fine for the same value only, or raises Conflict."""
        values = {"signature": signature, "value": value, "verified": verified, "mirrors": _json(mirrors)}
        query = insert(giveaway_draws).values(giveaway_id=giveaway_id, **values).on_conflict_do_nothing()
        self._connection.execute(query)
        found = self.drawn(giveaway_id)
        if found is None or (found.signature, found.value) != (signature, value):
            raise Conflict(f"giveaway {giveaway_id} has another beacon")

    def order(self, giveaway_id: int, tickets: Sequence[str]) -> None:
        """Keep the order that was drawn, once: a second time is fine for the same only, or raises Conflict.

        Without a beacon (`none`) nothing has to be kept before.
        """
        found = self.drawn(giveaway_id)
        if found is not None and found.order and found.order != tuple(tickets):
            raise Conflict(f"giveaway {giveaway_id} is drawn already")
        row = {"signature": "", "value": "", "verified": False, "mirrors": "[]"}
        values = insert(giveaway_draws).values(giveaway_id=giveaway_id, tickets=_json(tickets), **row)
        change = {"tickets": values.excluded.tickets}
        self._connection.execute(values.on_conflict_do_update(index_elements=["giveaway_id"], set_=change))

    def drawn(self, giveaway_id: int) -> DrawnRow | None:
        """What is known of the draw; None while neither beacon nor order is."""
        t = giveaway_draws.c
        query = sa.select(t.signature, t.value, t.verified, t.mirrors, t.tickets).where(t.giveaway_id == giveaway_id)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        order = tuple(json.loads(row.tickets)) if row.tickets else ()
        return DrawnRow(row.signature, row.value, bool(row.verified), tuple(json.loads(row.mirrors)), order)

    def reroll(self, giveaway_id: int, reroll: Reroll) -> None:
        """Add a re-roll; raises Conflict if this ticket left before."""
        values = {"ticket": reroll.out, "reason": reroll.reason, "who": reroll.by, "at": reroll.at}
        query = insert(giveaway_rerolls).values(giveaway_id=giveaway_id, **values).on_conflict_do_nothing()
        if self._connection.execute(query.returning(giveaway_rerolls.c.id)).first() is None:
            raise Conflict(f"a ticket of giveaway {giveaway_id} is out already")

    def rerolls(self, giveaway_id: int) -> list[Reroll]:
        """All re-rolls, in their order."""
        t = giveaway_rerolls.c
        query = sa.select(t.ticket, t.reason, t.who, t.at).where(t.giveaway_id == giveaway_id).order_by(t.id)
        return [Reroll(*row) for row in self._connection.execute(query)]


def _json(values: Sequence[str]) -> str:
    return json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))
