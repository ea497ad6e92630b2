"""What happens later, as rows with a due time."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam
from sqlalchemy.dialects.sqlite import insert

from bot.storage.store import wake
from bot.storage.tables import timers


@dataclass(frozen=True, slots=True)
class Timer:
    """Something that is due: `kind` names its handler, `key` what it is about."""

    id: int
    kind: str
    key: str
    due_at: float
    tries: int


_values = insert(timers).values(kind=bindparam("kind"), key=bindparam("key"), due_at=bindparam("due_at"), tries=0)
_SET = _values.on_conflict_do_update(
    index_elements=["kind", "key"], set_={"due_at": _values.excluded.due_at, "tries": 0}
)
_DUE = (
    sa.select(timers.c.id, timers.c.kind, timers.c.key, timers.c.due_at, timers.c.tries)
    .where(timers.c.due_at <= bindparam("now"), timers.c.id.not_in(bindparam("busy", expanding=True)))
    .order_by(timers.c.due_at, timers.c.id)
    .limit(bindparam("count"))
)
_END = sa.delete(timers).where(timers.c.id == bindparam("row"), timers.c.due_at == bindparam("due"))
_LATER = (
    sa.update(timers).where(timers.c.id == bindparam("row")).values(due_at=bindparam("due"), tries=timers.c.tries + 1)
)


class Timers:
    """The timers of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def set(self, kind: str, key: str, due_at: float) -> None:
        """Have `kind` happen to `key` at this time; moves one that is set already."""
        self._connection.execute(_SET, {"kind": kind, "key": key, "due_at": due_at})
        wake(self._connection, "timers")

    def drop(self, kind: str, key: str) -> None:
        """Forget it."""
        self._connection.execute(sa.delete(timers).where(timers.c.kind == kind, timers.c.key == key))

    def due(self, now: float, busy: list[int], count: int) -> list[Timer]:
        """What is due and not under way, earliest first."""
        rows = self._connection.execute(_DUE, {"now": now, "busy": busy or [0], "count": count})
        return [Timer(*row) for row in rows]

    def next_due(self, busy: list[int]) -> float | None:
        """When the next one is due that is not under way."""
        query = sa.select(sa.func.min(timers.c.due_at)).where(timers.c.id.not_in(busy))
        due: float | None = self._connection.execute(query).scalar()
        return due

    def end(self, timer: Timer) -> None:
        """It has happened; one that was set anew meanwhile stays."""
        self._connection.execute(_END, {"row": timer.id, "due": timer.due_at})

    def later(self, timer: Timer, due_at: float) -> None:
        """It failed: once more at this time."""
        self._connection.execute(_LATER, {"row": timer.id, "due": due_at})
