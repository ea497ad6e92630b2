"""Giveaways; their draws and the notes about them are kept beside (`giveaway_draws`, `giveaway_notes`)."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from bot.domain.giveaways import Giveaway, State
from bot.domain.places import Channel, Member
from bot.storage.batches import known
from bot.storage.dialects import insert
from bot.storage.drafts import Conflict
from bot.storage.giveaway_draws import DrawnRow, Frozen, GiveawayDraws
from bot.storage.giveaway_notes import GiveawayNotes, Line, Signal, Witness
from bot.storage.hot import Hot
from bot.storage.offers import offer_json, read_offer
from bot.storage.tables import giveaway_seeds, giveaways

__all__ = ["Conflict", "DrawnRow", "Frozen", "Giveaways", "Line", "Signal", "Witness"]

_FIELDS = [column.name for column in giveaways.c if column.name != "id"]
_ADD = Hot(insert(giveaways).values({name: bindparam(name) for name in _FIELDS}).returning(giveaways.c.id))
_GET = Hot(sa.select(giveaways).where(giveaways.c.id == bindparam("row")))
_NAMED = Hot(sa.select(giveaways).where(giveaways.c.name == bindparam("key")))
_KEPT = {"name", "host", "made_at", "commitment"}
"""What of a giveaway never changes."""
_SWAP = Hot(
    sa.update(giveaways)
    .where(
        giveaways.c.id == bindparam("row"),
        giveaways.c.revision == bindparam("old_revision"),
        giveaways.c.state == bindparam("old_state"),
    )
    .values({name: bindparam(f"new_{name}") for name in _FIELDS if name not in _KEPT})
)
_PAGE = Hot(
    sa.select(giveaways)
    .where(giveaways.c.state == bindparam("its_state"), giveaways.c.id < bindparam("before"))
    .order_by(giveaways.c.id.desc())
    .limit(bindparam("count"))
)
_LAST = 2**63 - 1


class Giveaways(GiveawayDraws, GiveawayNotes):
    """The giveaways of one unit of work."""

    def add(self, giveaway: Giveaway, seed: bytes) -> int:
        """Keep a new giveaway, whatever its `id` says, and its seed; the number that it gets."""
        number = int(_ADD.value(self._connection, as_row(giveaway)))
        self._connection.execute(insert(giveaway_seeds).values(giveaway_id=number, seed=seed))
        return number

    def get(self, giveaway_id: int) -> Giveaway | None:
        """The giveaway of this number."""
        row = _GET.row(self._connection, {"row": giveaway_id})
        return as_stored(row) if row else None

    def named(self, name: str) -> Giveaway | None:
        """The giveaway whose buttons carry this name. Asked for every press."""
        batch = known(self._connection)
        found = batch.giveaways.get(name)
        if found is None and (row := _NAMED.row(self._connection, {"key": name})):
            found = batch.giveaways[name] = as_stored(row)
        return found

    def swap(self, before: Giveaway, after: Giveaway) -> None:
        """Put `after` in the place of `before`; raises Conflict unless state and revision are still those of `before`.

        The number, the name, the host, the commitment and the time of making stay as they are.
        """
        known(self._connection).giveaways.pop(before.name, None)
        values: dict[str, object] = {f"new_{name}": value for name, value in as_row(after).items()}
        values |= {"row": before.id, "old_revision": before.revision, "old_state": before.state.value}
        if _SWAP.count(self._connection, values) != 1:
            raise Conflict(f"giveaway {before.id} is no longer revision {before.revision}, {before.state}")

    def page(self, states: Collection[State], count: int, before: int = 0) -> list[Giveaway]:
        """At most `count` giveaways in these states, newest first; only those numbered below `before`, unless 0.

        Each state is a range of one index, so that it takes the same time however many others there are.
        """
        rows = []
        for state in set(states):
            values = {"its_state": state.value, "before": before or _LAST, "count": count}
            rows += _PAGE.rows(self._connection, values)
        return [as_stored(row) for row in sorted(rows, key=lambda row: -row[0])[:count]]


def as_row(giveaway: Giveaway) -> dict[str, object]:
    """A giveaway as the columns of its row, in their order, without its number."""
    return {
        "name": giveaway.name,
        "offer": offer_json(giveaway.offer),
        "state": giveaway.state.value,
        "host": str(giveaway.host),
        "host_name": giveaway.host_name,
        "language": giveaway.language,
        "channels": _json([asdict(channel) for channel in giveaway.channels]),
        "made_at": giveaway.made_at,
        "commitment": giveaway.commit,
        "chain": giveaway.chain,
        "round": giveaway.round,
        "announced_round": giveaway.announced_round,
        "opens_at": giveaway.opens_at,
        "closes_at": giveaway.closes_at,
        "opened_at": giveaway.opened_at,
        "closed_at": giveaway.closed_at,
        "frozen_at": giveaway.frozen_at,
        "published_at": giveaway.published_at,
        "drawn_at": giveaway.drawn_at,
        "lasts": giveaway.lasts,
        "revision": giveaway.revision,
        "delayed": giveaway.delayed,
        "void": giveaway.void,
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=256)
def as_stored(row: tuple[Any, ...]) -> Giveaway:
    """A row (the number, then the columns of `as_row`) as what it stands for.

    Remembered, since the same row is read for every press; by all its values, so that it never goes stale.
    """
    r = dict(zip(("id", *_FIELDS), row, strict=True))
    r |= {
        "offer": read_offer(r["offer"]),
        "state": State(r["state"]),
        "host": Member.parse(r["host"]),
        "channels": tuple(Channel(**channel) for channel in json.loads(r["channels"])),
        "commit": r.pop("commitment"),
    }
    return Giveaway(**r)
