"""Messages of ours that change often, and what each of them shows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from bot.domain.delivery import DeliveryState
from bot.domain.places import Channel
from bot.storage.batches import known
from bot.storage.dialects import insert
from bot.storage.hot import Hot, Row
from bot.storage.tables import live, outbox


@dataclass(frozen=True, slots=True)
class Post:
    """A live message. `edited_at` is when its last edit began, in UTC seconds."""

    name: str
    at: Channel
    message_id: str
    shown: str
    edited_at: float


_NAMES = tuple(column.name for column in live.c)
_GET = Hot(sa.select(live).where(live.c.name == bindparam("key")))
_PENDING = (
    sa.text("outbox.state IN ('pending', 'claimed', 'sending', 'uncertain')"),  # as its partial index says
    outbox.c.state == sa.literal_column(f"'{DeliveryState.PENDING.value}'"),
)
_WAITING = Hot(
    sa.select(outbox.c.id)
    .where(outbox.c.lane == bindparam("of_lane"), *_PENDING)
    .order_by(outbox.c.id)
    .limit(sa.literal_column("1"))
)


def among(names: sa.Select[str] | list[sa.BindParameter[str]]) -> Hot:
    """The live messages with these names that are posted and of which no edit waits."""
    waits = sa.exists().where(outbox.c.lane == live.c.name, *_PENDING).correlate(live)
    return Hot(sa.select(live).where(live.c.name.in_(names), live.c.message_id != "", ~waits))


@lru_cache(maxsize=256)
def _resting(count: int) -> Hot:
    """Among so many names (`name_0`, `name_1` ...)."""
    return among([bindparam(f"name_{number}", type_=live.c.name.type) for number in range(count)])


class LivePosts:
    """The live messages of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def follow(self, name: str, at: Channel, message_id: str, shown: str, now: float) -> None:
        """Remember a message that was just posted and shows this; in place of the one before of that name."""
        known(self._connection).waiting.clear()
        values = insert(live).values(
            name=name,
            platform=at.platform,
            tenant=at.tenant,
            channel_id=at.channel_id,
            thread_id=at.thread_id,
            parent_id=at.parent_id,
            message_id=message_id,
            shown=shown,
            begun="",
            edited_at=now,
        )
        columns = {column.name: values.excluded[column.name] for column in live.c if column.name != "name"}
        self._connection.execute(values.on_conflict_do_update(index_elements=["name"], set_=columns))

    def identify(self, name: str, message_id: str) -> None:
        """Which message it is."""
        self._set(name, message_id=message_id)

    def get(self, name: str) -> Post | None:
        """It, or None."""
        row = _GET.row(self._connection, {"key": name})
        return None if row is None else _post(row)

    def resting(self, names: Collection[str]) -> list[Post]:
        """Those of these that are posted and of which no edit waits."""
        values = {f"name_{number}": name for number, name in enumerate(names)}
        return [_post(row) for row in _resting(len(values)).rows(self._connection, values)] if values else []

    def resting_of(self, kind: str, number: int, query: Hot) -> list[Post]:
        """The same of all messages of something, live ones of this kind, as a query of `among` (`kind`, `number`) names
        them. Asked for every vote and every entry.
        """
        waiting = known(self._connection).waiting
        if (kind, number) in waiting:
            return []
        rows = query.rows(self._connection, {"kind": kind, "number": number})
        waiting.add((kind, number))  # whoever asks has those edited that rest
        return [_post(row) for row in rows]

    def begin(self, name: str, shows: str, now: float) -> None:
        """It is about to be edited: until that is done nobody knows what it shows."""
        self._set(name, shown="", begun=shows, edited_at=now)

    def done(self, name: str) -> None:
        """The edit that was begun last is done."""
        self._connection.execute(sa.update(live).where(live.c.name == name).values(shown=live.c.begun))

    def forget(self, name: str) -> None:
        """It is gone, or changes no more."""
        self._connection.execute(sa.delete(live).where(live.c.name == name))

    def waiting(self, lane: str) -> int | None:
        """The row of the outbox that waits in this lane, if any."""
        row: int | None = _WAITING.value(self._connection, {"of_lane": lane})
        return row

    def _set(self, name: str, **values: object) -> None:
        known(self._connection).waiting.clear()
        self._connection.execute(sa.update(live).where(live.c.name == name).values(**values))


def _post(row: Row) -> Post:
    r = dict(zip(_NAMES, row, strict=True))
    at = Channel(r["platform"], r["tenant"], r["channel_id"], r["thread_id"], r["parent_id"])
    return Post(r["name"], at, r["message_id"], r["shown"], r["edited_at"])
