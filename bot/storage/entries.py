"""Entries of giveaways: one for each person who wants to win, with where they stand. The list that is drawn from."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from bot.domain.giveaways import Entry, EntryState
from bot.domain.places import Member
from bot.storage import tallies
from bot.storage.dialects import insert
from bot.storage.hot import Hot
from bot.storage.linking import PERSON
from bot.storage.tables import giveaway_entries, giveaway_freezes, giveaways
from bot.storage.tallies import Counts, Tally

ERASED = "erased:"
"""Begins the names of persons who are erased from a list that was frozen with them. No platform is called so."""
ERASE_PAGE = 1000
"""Entries that are erased in one transaction: some milliseconds."""
_OUT = (EntryState.REFUSED.value, EntryState.EXCLUDED.value)


t = giveaway_entries.c
_COLUMNS = [column.name for column in t]
_SAME = (t.giveaway_id == bindparam("of_giveaway"), t.person == bindparam("of_person"))
_GET = Hot(sa.select(giveaway_entries).where(*_SAME))
_values = insert(giveaway_entries).values({name: bindparam(name) for name in _COLUMNS})
_PUT = Hot(
    _values.on_conflict_do_update(
        index_elements=["giveaway_id", "person"],
        set_={name: _values.excluded[name] for name in _COLUMNS if name not in {"giveaway_id", "person"}},
    )
)
_FIND = Hot(
    sa.select(giveaway_entries)
    .where(t.giveaway_id == bindparam("of_giveaway"), t.ticket == bindparam("of_ticket"))
    .limit(1)
)
_COUNTS = Hot(
    sa.select(t.state, t.rule, t.place, t.granted, sa.func.count(), sa.func.sum(t.weight))
    .where(t.giveaway_id == bindparam("of_giveaway"))
    .group_by(t.state, t.rule, t.place, t.granted)
)
_PAGE = Hot(
    sa.select(giveaway_entries)
    .where(t.giveaway_id == bindparam("of_giveaway"), t.person > bindparam("after"), t.state == bindparam("its_state"))
    .order_by(t.person)
    .limit(bindparam("count"))
)
_LIST = Hot(
    sa.select(t.ticket, t.weight)
    .where(t.giveaway_id == bindparam("of_giveaway"), t.ticket > bindparam("after"), t.state == EntryState.IN.value)
    .order_by(t.ticket)
    .limit(bindparam("count"))
)
_DECIDE = Hot(
    sa.update(giveaway_entries)
    .where(*_SAME)
    .values(state=bindparam("new_state"), rule=bindparam("new_rule"), weight=bindparam("new_weight"))
)
_MOVE = Hot(sa.update(giveaway_entries).where(*_SAME).values(person=bindparam("new_person")))
_DELETE = Hot(sa.delete(giveaway_entries).where(*_SAME))
_BLANK = Hot(
    sa.update(giveaway_entries)
    .where(*_SAME)
    .values(
        person=bindparam("new_person"),
        member=None,
        name="",
        place="",
        salt=b"",
        appealed=False,
        at=0.0,
        joined_at=None,
        account_made=None,
    )
)


class Entries:
    """The entries of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, giveaway_id: int, person: str) -> Entry | None:
        """This person's entry. Asked for every press."""
        row = _GET.row(self._connection, _key(giveaway_id, person))
        return as_entry(row) if row else None

    def change(self, before: Entry | None, entry: Entry) -> None:
        """Keep an entry in place of the person's earlier one as it was read in this unit. Done for every press."""
        if (tally := tallies.kept(self._connection, entry.giveaway_id)) is not None:
            tally.change(before, entry)
        member = None if entry.member is None else str(entry.member)
        values = {
            "giveaway_id": entry.giveaway_id,
            "person": entry.person,
            "member": member,
            "name": entry.name,
            "place": entry.place,
            "ticket": entry.ticket,
            "salt": entry.salt,
            "weight": entry.weight,
            "state": entry.state.value,
            "rule": entry.rule,
            "granted": entry.granted,
            "appealed": entry.appealed,
            "at": entry.at,
            "joined_at": entry.joined_at,
            "account_made": entry.account_made,
        }
        _PUT.count(self._connection, values)

    def find(self, giveaway_id: int, ticket: str) -> Entry | None:
        """The entry with this ticket."""
        row = _FIND.row(self._connection, {"of_giveaway": giveaway_id, "of_ticket": ticket})
        return as_entry(row) if row else None

    def beginning(self, giveaway_id: int, mark: str) -> Entry | None:
        """The entry whose ticket begins with these characters; None where there is none, or more than one."""
        query = sa.select(giveaway_entries).where(t.giveaway_id == giveaway_id, t.ticket >= mark)
        rows = self._connection.execute(query.where(t.ticket < _behind(mark)).limit(2)).all() if mark else []
        return as_entry(rows[0]) if len(rows) == 1 else None

    def appealing(self, giveaway_id: int, count: int) -> list[Entry]:
        """At most `count` entries whose appeal waits, oldest first."""
        waits = (t.giveaway_id == giveaway_id, t.appealed.is_(True), t.state.in_(_OUT))
        query = sa.select(giveaway_entries).where(*waits).order_by(t.at, t.ticket).limit(count)
        return [as_entry(row) for row in self._connection.execute(query)]

    def crowd(self, giveaway_id: int) -> dict[int, int]:
        """How many are in with how many tickets each."""
        query = sa.select(t.weight, sa.func.count()).where(t.giveaway_id == giveaway_id, t.state == EntryState.IN.value)
        return {row[0]: row[1] for row in self._connection.execute(query.group_by(t.weight))}

    def counts(self, giveaway_id: int) -> Counts:
        """How many stand where: as this connection has kept it, or counted in one pass."""
        tally = tallies.kept(self._connection, giveaway_id)
        if tally is None:
            rows = _COUNTS.rows(self._connection, {"of_giveaway": giveaway_id})
            tally = Tally(((row[0], row[1], row[2], bool(row[3])), row[4], int(row[5])) for row in rows)
            tallies.remember(self._connection, giveaway_id, tally)
        return tally.counts()

    def page(self, giveaway_id: int, state: EntryState, after: str, count: int) -> list[Entry]:
        """At most `count` entries in this state, by person (by code point), only those behind `after`."""
        values = {"of_giveaway": giveaway_id, "its_state": state.value, "after": after, "count": count}
        return [as_entry(row) for row in _PAGE.rows(self._connection, values)]

    def list_page(self, giveaway_id: int, after_ticket: str, count: int) -> list[tuple[str, int]]:
        """Ticket and weight of at most `count` who are in, by ticket, only those behind `after_ticket`."""
        values = {"of_giveaway": giveaway_id, "after": after_ticket, "count": count}
        return [(row[0], row[1]) for row in _LIST.rows(self._connection, values)]

    def decide(self, entry: Entry, state: EntryState, rule: str, weight: int) -> None:
        """Keep what a check found of an entry that was read in this unit."""
        if (tally := tallies.kept(self._connection, entry.giveaway_id)) is not None:
            tally.change(entry, replace(entry, state=state, rule=rule, weight=weight))
        values = {"new_state": state.value, "new_rule": rule, "new_weight": weight}
        _DECIDE.count(self._connection, {**_key(entry.giveaway_id, entry.person), **values})

    def move(self, giveaway_id: int, old_person: str, new_person: str) -> bool:
        """Somebody has another name from now on. False, and all is as it was, if an entry has that name already."""
        if old_person != new_person and self.get(giveaway_id, new_person) is not None:
            return self.get(giveaway_id, old_person) is None
        _MOVE.count(self._connection, {**_key(giveaway_id, old_person), "new_person": new_person})
        return True

    # ---- all that is kept of somebody

    def of_person(self, person: str) -> list[Entry]:
        """All entries under this name, oldest giveaway first."""
        query = sa.select(giveaway_entries).where(t.giveaway_id == giveaways.c.id, t.person == person)
        rows = self._connection.execute(query.order_by(giveaways.c.id))
        return [as_entry(row) for row in rows]

    def of_member(self, member: Member) -> list[Entry]:
        """All entries that this member made, under whatever name, oldest giveaway first.

        An entry has the name of its member, or that of a person with several: nothing else has to be looked through.
        """
        address = str(member)
        several = sa.and_(t.person >= PERSON, t.person < _behind(PERSON), t.member == address)
        found = []
        for mine in (t.person == address, several):
            query = sa.select(giveaway_entries).where(t.giveaway_id == giveaways.c.id, mine)
            found += [as_entry(row) for row in self._connection.execute(query)]
        return sorted(found, key=lambda entry: entry.giveaway_id)

    def erase(self, giveaway_id: int, person: str) -> None:
        """Forget somebody. Before the freeze nothing stays; after it the ticket and what it weighs, and nobody's name.

        The salt is gone too: nobody can tell any more whose ticket it was.
        """
        tallies.forget(self._connection, giveaway_id)
        query = sa.select(sa.literal(1)).where(giveaway_freezes.c.giveaway_id == giveaway_id)
        if self._connection.execute(query).first() is None:
            _DELETE.count(self._connection, _key(giveaway_id, person))
        elif not person.startswith(ERASED):
            self._blank(giveaway_id, person)

    def erase_all(self, giveaway_id: int) -> int:
        """Forget some of those who are not forgotten yet, as `erase` does after a freeze; how many.

        Called again, each time in a transaction of its own, until it says 0.
        """
        tallies.forget(self._connection, giveaway_id)
        found: list[str] = []
        for theirs in (t.person < ERASED, t.person >= _behind(ERASED)):
            query = sa.select(t.person).where(t.giveaway_id == giveaway_id, theirs).order_by(t.person)
            rows = self._connection.execute(query.limit(ERASE_PAGE - len(found)))
            found += rows.scalars()
        for person in found:
            self._blank(giveaway_id, person)
        return len(found)

    def _blank(self, giveaway_id: int, person: str) -> None:
        values = {**_key(giveaway_id, person), "new_person": ERASED + secrets.token_hex(8)}
        _BLANK.count(self._connection, values)


def _key(giveaway_id: int, person: str) -> dict[str, object]:
    return {"of_giveaway": giveaway_id, "of_person": person}


def _behind(prefix: str) -> str:
    """The first text that sorts behind all that begin with this."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def as_entry(row: Sequence[Any]) -> Entry:
    """A row of the table."""
    number, person, member, name, place, ticket, salt, weight, state, rule, granted, appealed, at, *since = row
    return Entry(
        number,
        person,
        Member.parse(member) if member else None,
        name,
        place,
        ticket,
        bytes(salt),
        weight,
        EntryState(state),
        rule,
        bool(granted),
        bool(appealed),
        at,
        *since,
    )
