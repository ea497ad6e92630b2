"""Events as they came, and how far each source has been read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from bot.chat.events import ChannelMoved, PollVoted
from bot.chat.ports import Incoming, Position
from bot.domain.parts import part_of
from bot.storage.dialects import insert
from bot.storage.hot import Hot
from bot.storage.tables import cursors, inbox

_ADD = Hot(
    insert(inbox)
    .values(
        source=bindparam("source"),
        external_id=bindparam("external_id"),
        raw=bindparam("raw"),
        state=bindparam("state"),
        received_at=bindparam("received_at"),
        part=bindparam("part"),
    )
    .on_conflict_do_nothing()
    .returning(inbox.c.id)
)
_STATE = (
    sa.update(inbox)
    .where(inbox.c.id == bindparam("row"), sa.text("state = 'new'"))
    .values(state=bindparam("new"), error=bindparam("why"))
)
_DONE = Hot(sa.update(inbox).where(inbox.c.id == bindparam("row"), sa.text("state = 'new'")).values(state="done"))
_TRIED = (
    sa.update(inbox)
    .where(inbox.c.id == bindparam("row"), sa.text("state = 'new'"))
    .values(tries=inbox.c.tries + 1, error=bindparam("why"))
    .returning(inbox.c.tries)
)
_RAWS = sa.select(inbox.c.id, inbox.c.raw).where(inbox.c.id.in_(bindparam("rows", expanding=True)))
_OLDEST = sa.select(sa.func.min(inbox.c.received_at)).where(sa.text("state = 'new'"))
_NEW = (
    sa.select(inbox.c.id, inbox.c.source, inbox.c.part, inbox.c.received_at)
    .where(sa.text("state = 'new'"))  # literal: a partial index is used
    .order_by(inbox.c.id)
    .limit(bindparam("count"))
)
_NEW_OF = _NEW.where(inbox.c.part.in_(bindparam("parts", expanding=True)))
_upsert = insert(cursors).values(
    name=bindparam("name"), position=bindparam("position"), last_seen_at=bindparam("last_seen_at")
)
_MOVE = Hot(
    _upsert.on_conflict_do_update(
        index_elements=["name"],
        set_={
            "position": sa.case(
                (cursors.c.position < _upsert.excluded.position, _upsert.excluded.position), else_=cursors.c.position
            ),
            "last_seen_at": _upsert.excluded.last_seen_at,
        },
    )
)


@dataclass(frozen=True, slots=True)
class Stored:
    """An event in the inbox that waits for its handlers."""

    id: int
    source: str
    part: int
    received_at: float


class Inbox:
    """The inbox of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, batch: Sequence[Incoming], now: float) -> list[int | None]:
        """Store events and positions; the new rows' ids, None for those that were there before."""
        ids = [self._add_one(item, now) for item in batch]
        self._advance((item.position for item in batch if item.position), now)
        return ids

    def _add_one(self, item: Incoming, now: float) -> int | None:
        values = {
            "source": item.source,
            "external_id": item.external_id,
            "raw": item.raw,
            "state": "ignored" if item.event is None else "new",
            "received_at": now,
            "part": part_of(_place(item)),
        }
        new: int | None = _ADD.value(self._connection, values)
        return new

    def _advance(self, positions: Iterable[Position], now: float) -> None:
        newest: dict[str, int] = {}
        for position in positions:
            newest[position.cursor] = max(newest.get(position.cursor, 0), position.value)
        for name, value in newest.items():
            _MOVE.count(self._connection, {"name": name, "position": value, "last_seen_at": now})

    def position(self, cursor: str) -> int | None:
        """How far this cursor was read, or None."""
        query = sa.select(cursors.c.position).where(cursors.c.name == cursor)
        return self._connection.execute(query).scalar_one_or_none()

    def gap(self, cursor: str, until: int | None) -> None:
        """From its position to `until` it is being read back; None: it is whole again."""
        start = None if until is None else cursors.c.position
        self._connection.execute(
            sa.update(cursors).where(cursors.c.name == cursor).values(gap_from=start, gap_to=until)
        )

    def gaps(self) -> list[str]:
        """The cursors that are being read back."""
        query = sa.select(cursors.c.name).where(cursors.c.gap_to.is_not(None)).order_by(cursors.c.name)
        return list(self._connection.execute(query).scalars())

    def acknowledge(self) -> int:
        """Somebody knows of all gaps, whether they can be filled or not; how many there were."""
        query = sa.update(cursors).where(cursors.c.gap_to.is_not(None)).values(gap_from=None, gap_to=None)
        return self._connection.execute(query).rowcount

    def oldest(self) -> float | None:
        """When the oldest event came that is not handled yet."""
        at: float | None = self._connection.execute(_OLDEST).scalar()
        return at

    def new(self, busy: Collection[int], count: int, parts: Collection[int] | None = None) -> list[Stored]:
        """The oldest unhandled events but the `busy` ones; of these parts, or of all.

        It always looks from the beginning: on a server a row may become visible after rows that have later numbers.
        """
        values: dict[str, object] = {"count": count + len(busy)}
        if parts is None:
            found = self._connection.execute(_NEW, values)
        else:
            found = self._connection.execute(_NEW_OF, values | {"parts": list(parts)})
        return [Stored(*row) for row in found if row.id not in busy][:count]

    def raws(self, rows: Collection[int]) -> dict[int, str]:
        """What the platform sent, by row."""
        found = self._connection.execute(_RAWS, {"rows": list(rows)})
        return {row.id: row.raw for row in found}

    def done(self, row: int) -> bool:
        """Its handlers run in this transaction; False if they have run before."""
        return _DONE.count(self._connection, {"row": row}) == 1

    def ignored(self, row: int, why: str) -> None:
        """We have no use for it; unless somebody else has handled it meanwhile."""
        self._connection.execute(_STATE, {"row": row, "new": "ignored", "why": why})

    def failed(self, row: int, why: str) -> None:
        """Its handlers failed for good; unless somebody else has handled it meanwhile."""
        self._connection.execute(_STATE, {"row": row, "new": "failed", "why": why})

    def tried(self, row: int, why: str) -> int | None:
        """Count a failed try; how many there were, or None when it is handled by now."""
        tries: int | None = self._connection.execute(_TRIED, {"row": row, "why": why}).scalar_one_or_none()
        return tries

    def counts(self) -> dict[str, int]:
        """Rows by state."""
        query = sa.select(inbox.c.state, sa.func.count()).group_by(inbox.c.state)
        return {row.state: row[1] for row in self._connection.execute(query)}

    def seen(self) -> list[tuple[str, float]]:
        """Each cursor with the time of its last event."""
        query = sa.select(cursors.c.name, cursors.c.last_seen_at).order_by(cursors.c.name)
        return [(name, at) for name, at in self._connection.execute(query)]


def _place(item: Incoming) -> str:
    """Whose order counts for an event: that of its channel, or of its source where it is about none."""
    if item.event is None:
        return item.source
    if isinstance(item.event, PollVoted):  # platforms do not say in which channel the poll is
        return f"{item.event.member.platform}:{item.event.poll}"
    channel = item.event.old if isinstance(item.event, ChannelMoved) else item.event.channel
    return f"{channel.platform}:{channel.channel_id}"
