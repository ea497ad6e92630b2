"""Ballots: one for each voter of a poll, the last one given. Anonymous polls keep neither its member nor its time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from bot.domain.tally import Group
from bot.storage.dialects import insert
from bot.storage.hot import Hot
from bot.storage.tables import ballots


@dataclass(frozen=True, slots=True)
class Cast:
    """A ballot as it is kept: `place` is `platform:channel_id`, `at` in UTC seconds."""

    voter: str
    choice: tuple[int, ...]
    place: str
    member: str | None
    at: float | None


_SAME = (ballots.c.poll_id == bindparam("of_poll"), ballots.c.voter == bindparam("of_voter"))
_GET = Hot(sa.select(ballots.c.choice).where(*_SAME))
_CAST = Hot(sa.select(ballots.c.voter, ballots.c.choice, ballots.c.place, ballots.c.member, ballots.c.at).where(*_SAME))
_values = insert(ballots).values({column.name: bindparam(column.name) for column in ballots.c})
_PUT = Hot(
    _values.on_conflict_do_update(
        index_elements=["poll_id", "voter"],
        set_={name: _values.excluded[name] for name in ("choice", "place", "member", "at")},
    )
)
_REMOVE = Hot(sa.delete(ballots).where(*_SAME))
_GROUPS = Hot(
    sa.select(ballots.c.choice, ballots.c.place, sa.func.count())
    .where(ballots.c.poll_id == bindparam("of_poll"))
    .group_by(ballots.c.choice, ballots.c.place)
)
_RENAME = Hot(sa.update(ballots).where(*_SAME).values(voter=bindparam("new_voter")))


class Ballots:
    """The ballots of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, poll_id: int, voter: str) -> tuple[int, ...]:
        """What this voter chose; nothing where they have no ballot."""
        found = _GET.value(self._connection, _key(poll_id, voter))
        return _choice(found) if found is not None else ()

    def cast(self, poll_id: int, voter: str) -> Cast | None:
        """This voter's ballot with all that is known of it."""
        row = _CAST.row(self._connection, _key(poll_id, voter))
        return Cast(row[0], _choice(row[1]), row[2], row[3], row[4]) if row else None

    def put(
        self, poll_id: int, voter: str, choice: tuple[int, ...], place: str, member: str | None, at: float | None
    ) -> None:
        """Keep this ballot in place of the voter's earlier one; an empty choice takes it back."""
        if not choice:
            self.remove(poll_id, voter)
            return
        values = {"poll_id": poll_id, "voter": voter, "choice": _text(choice), "place": place}
        _PUT.count(self._connection, {**values, "member": member, "at": at})

    def remove(self, poll_id: int, voter: str) -> None:
        """Take a ballot back; it leaves nothing behind."""
        _REMOVE.count(self._connection, _key(poll_id, voter))

    def rename(self, poll_id: int, old: str, new: str) -> None:
        """The voter has another name from now on. A ballot that is kept under that name already makes way."""
        if old != new and self.cast(poll_id, old) is not None:
            self.remove(poll_id, new)
            _RENAME.count(self._connection, {**_key(poll_id, old), "new_voter": new})

    def groups(self, poll_id: int) -> list[Group]:
        """How many ballots of each choice came from each place."""
        rows = _GROUPS.rows(self._connection, {"of_poll": poll_id})
        return [Group(_choice(choice), place, count) for choice, place, count in rows]

    def voters(self, poll_id: int) -> int:
        """How many have voted."""
        query = sa.select(sa.func.count()).select_from(ballots).where(ballots.c.poll_id == poll_id)
        return int(self._connection.execute(query).scalar_one())

    def any(self, poll_id: int) -> bool:
        """Whether anybody has voted."""
        query = sa.select(sa.literal(1)).select_from(ballots).where(ballots.c.poll_id == poll_id).limit(1)
        return self._connection.execute(query).first() is not None

    def listed(self, poll_id: int) -> list[tuple[str, tuple[int, ...]]]:
        """All ballots by voter, in the order of the voters' names (by code point)."""
        query = sa.select(ballots.c.voter, ballots.c.choice).where(ballots.c.poll_id == poll_id)
        return sorted((voter, _choice(choice)) for voter, choice in self._connection.execute(query))

    def members(self, poll_id: int) -> set[str]:
        """The members whose ballots are kept, as far as that is known: nobody in an anonymous poll."""
        query = sa.select(ballots.c.member).where(ballots.c.poll_id == poll_id, ballots.c.member.is_not(None))
        return set(self._connection.execute(query).scalars())

    def of_any(self, poll_id: int, names: Collection[str]) -> Cast | None:
        """A ballot under one of these voters' names, or given by one of these members: for polls that are over."""
        columns = (ballots.c.voter, ballots.c.choice, ballots.c.place, ballots.c.member, ballots.c.at)
        theirs = sa.or_(ballots.c.voter.in_(names), ballots.c.member.in_(names))
        query = sa.select(*columns).where(ballots.c.poll_id == poll_id, theirs).order_by(ballots.c.voter).limit(1)
        row = self._connection.execute(query).first()
        return Cast(row[0], _choice(row[1]), row[2], row[3], row[4]) if row else None


def _key(poll_id: int, voter: str) -> dict[str, object]:
    return {"of_poll": poll_id, "of_voter": voter}


def _text(choice: tuple[int, ...]) -> str:
    return "[" + ",".join(map(str, choice)) + "]"


@lru_cache(maxsize=4096)
def _choice(text: str) -> tuple[int, ...]:
    """What `_text` wrote; not by a parser of JSON, which takes as long again as counting does."""
    return tuple(map(int, text[1:-1].split(","))) if len(text) > 2 else ()
