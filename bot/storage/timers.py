"""What happens later, as rows with a due time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, CursorResult, Select, bindparam

from bot.domain.parts import part_of
from bot.storage.dialects import insert
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


_values = insert(timers).values(
    kind=bindparam("kind"), key=bindparam("key"), due_at=bindparam("due_at"), tries=0, part=bindparam("part")
)
_SET = _values.on_conflict_do_update(
    index_elements=["kind", "key"], set_={"due_at": _values.excluded.due_at, "tries": 0}
)
_ENSURE = _values.on_conflict_do_nothing(index_elements=["kind", "key"])
_DUE = (
    sa.select(timers.c.id, timers.c.kind, timers.c.key, timers.c.due_at, timers.c.tries)
    .where(timers.c.due_at <= bindparam("now"), timers.c.id.not_in(bindparam("busy", expanding=True)))
    .order_by(timers.c.due_at, timers.c.id)
    .limit(bindparam("count"))
)
_of = timers.c.part.in_(bindparam("parts", expanding=True))
_DUE_OF = _DUE.where(_of)
_NEXT = sa.select(sa.func.min(timers.c.due_at)).where(timers.c.id.not_in(bindparam("busy", expanding=True)))
_NEXT_OF = _NEXT.where(_of)
_SAME = (  # by name, too: SQLite gives the number of a row that is gone to the next one
    timers.c.id == bindparam("row"),
    timers.c.kind == bindparam("its_kind"),
    timers.c.key == bindparam("its_key"),
    timers.c.due_at == bindparam("was"),
)
_END = sa.delete(timers).where(*_SAME)
_LATER = sa.update(timers).where(*_SAME).values(due_at=bindparam("due"), tries=timers.c.tries + 1)


class Timers:
    """The timers of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def set(self, kind: str, key: str, due_at: float) -> None:
        """Have `kind` happen to `key` at this time; moves one that is set already."""
        self._connection.execute(_SET, {"kind": kind, "key": key, "due_at": due_at, "part": part_of(f"{kind}:{key}")})
        wake(self._connection, "timers")

    def ensure(self, kind: str, key: str, due_at: float) -> None:
        """Have `kind` happen to `key` by this time, unless it is to happen anyway: one that is under way goes on.

        With `set`, what is asked for again and again would begin anew each time, and never end.
        """
        self._connection.execute(
            _ENSURE, {"kind": kind, "key": key, "due_at": due_at, "part": part_of(f"{kind}:{key}")}
        )
        wake(self._connection, "timers")

    def drop(self, kind: str, key: str) -> None:
        """Forget it."""
        self._connection.execute(sa.delete(timers).where(timers.c.kind == kind, timers.c.key == key))

    def due(self, now: float, busy: list[int], count: int, parts: Collection[int] | None = None) -> list[Timer]:
        """What is due and not under way, earliest first; of these parts, or of all."""
        values: dict[str, object] = {"now": now, "busy": busy or [0], "count": count}
        rows = self._of(_DUE, _DUE_OF, values, parts)
        return [Timer(row.id, row.kind, row.key, row.due_at, row.tries) for row in rows]

    def next_due(self, busy: list[int], parts: Collection[int] | None = None) -> float | None:
        """When the next one of these parts, or of all, is due that is not under way."""
        due: float | None = self._of(_NEXT, _NEXT_OF, {"busy": busy or [0]}, parts).scalar()
        return due

    def _of(
        self, all_parts: Select[Any], some: Select[Any], values: dict[str, object], parts: Collection[int] | None
    ) -> CursorResult[Any]:
        if parts is None:
            return self._connection.execute(all_parts, values)
        return self._connection.execute(some, values | {"parts": list(parts)})

    def end(self, timer: Timer) -> bool:
        """It happens in this transaction; False if it has happened before, or was set anew and stays."""
        return self._connection.execute(_END, _named(timer)).rowcount == 1

    def later(self, timer: Timer, due_at: float) -> None:
        """It failed: once more at this time, unless it was set anew."""
        self._connection.execute(_LATER, {**_named(timer), "due": due_at})


def _named(timer: Timer) -> dict[str, object]:
    return {"row": timer.id, "its_kind": timer.kind, "its_key": timer.key, "was": timer.due_at}
