"""Who holds what among several processes. Time plays no part here: a holder raises `beat`, and others watch it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from bot.storage.dialects import insert
from bot.storage.store import wake
from bot.storage.tables import leases

PRESENCE = "worker:"
"""Begins the lease by which a worker shows that it lives; nobody else ever wants it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One row as it was read. An empty `holder` holds nothing: the lease is free."""

    name: str
    holder: str
    token: int
    beat: int
    about: str


_ALL = sa.select(leases.c.name, leases.c.holder, leases.c.token, leases.c.beat, leases.c.about).order_by(leases.c.name)
_BEAT = (
    sa.update(leases).where(leases.c.holder == bindparam("me")).values(beat=leases.c.beat + 1).returning(leases.c.name)
)
_NEW = (
    insert(leases)
    .values(name=bindparam("name"), holder=bindparam("me"), token=1, beat=0, about=bindparam("about"))
    .on_conflict_do_nothing()
)
_SEEN = (
    leases.c.name == bindparam("row"),
    leases.c.holder == bindparam("was"),
    leases.c.token == bindparam("token"),
    leases.c.beat == bindparam("beat_seen"),
)
_TAKE = (
    sa.update(leases)
    .where(*_SEEN)
    .values(holder=bindparam("me"), token=leases.c.token + 1, beat=leases.c.beat + 1, about=bindparam("about"))
)
_FORGET = sa.delete(leases).where(*_SEEN)
_GIVE = (
    sa.update(leases)
    .where(leases.c.holder == bindparam("me"), leases.c.name.in_(bindparam("names", expanding=True)))
    .values(holder="", about="")
)
_GIVE_ALL = sa.update(leases).where(leases.c.holder == bindparam("me")).values(holder="", about="")
_LEAVE = sa.delete(leases).where(leases.c.holder == bindparam("me"), leases.c.name.startswith(PRESENCE))


class Leases:
    """The leases of one unit of work. Those that change hands wake the topic `leases`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[Lease]:
        """Every lease, by name."""
        return [Lease(*row) for row in self._connection.execute(_ALL)]

    def beat(self, me: str) -> frozenset[str]:
        """Show that `me` lives; the names of everything it holds."""
        return frozenset(self._connection.execute(_BEAT, {"me": me}).scalars())

    def take(self, name: str, me: str, about: str, seen: Lease | None) -> bool:
        """Have `me` hold it, if it is as it was `seen` (None: there was none); with a new token."""
        if seen is None:
            taken = self._connection.execute(_NEW, {"name": name, "me": me, "about": about}).rowcount == 1
        else:
            taken = self._connection.execute(_TAKE, {**_key(seen), "me": me, "about": about}).rowcount == 1
        if taken:
            wake(self._connection, "leases")
        return taken

    def give(self, me: str, names: Collection[str]) -> None:
        """`me` holds these no longer; those that it does not hold stay as they are."""
        if names and self._connection.execute(_GIVE, {"me": me, "names": sorted(names)}).rowcount:
            wake(self._connection, "leases")

    def forget(self, dead: Sequence[Lease]) -> None:
        """Remove what belonged to dead processes alone, if it is as it was seen."""
        for lease in dead:
            self._connection.execute(_FORGET, _key(lease))

    def leave(self, me: str) -> None:
        """`me` goes: everything that it holds is free."""
        self._connection.execute(_LEAVE, {"me": me})
        self._connection.execute(_GIVE_ALL, {"me": me})
        wake(self._connection, "leases")


def _key(seen: Lease) -> dict[str, object]:
    return {"row": seen.name, "was": seen.holder, "token": seen.token, "beat_seen": seen.beat}
