"""Who won what; what is handed over is kept beside (`prizes`)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from bot.domain.giveaways import Win, WinState
from bot.domain.places import Member
from bot.storage.dialects import insert
from bot.storage.drafts import Conflict
from bot.storage.entries import ERASED
from bot.storage.prizes import Code, Prizes
from bot.storage.tables import giveaway_wins, prize_addresses, prize_codes

__all__ = ["Code", "Conflict", "Wins"]

_LAST = 2**63 - 1
w = giveaway_wins.c


class Wins(Prizes):
    """The wins of one unit of work, with their prizes."""

    def add(self, win: Win) -> int:
        """Keep a win, whatever its `id` says; its number. Raises Conflict if this ticket has won already."""
        query = insert(giveaway_wins).values(_row(win)).on_conflict_do_nothing().returning(w.id)
        found: int | None = self._connection.execute(query).scalar_one_or_none()
        if found is None:
            raise Conflict(f"a ticket of giveaway {win.giveaway_id} has won already")
        return found

    def get(self, win_id: int) -> Win | None:
        """The win of this number."""
        return self._one(w.id == win_id)

    def of(self, giveaway_id: int) -> list[Win]:
        """All wins of a giveaway, those that were re-rolled too, in the order in which places were given."""
        query = sa.select(giveaway_wins).where(w.giveaway_id == giveaway_id).order_by(w.id)
        return [_win(row) for row in self._connection.execute(query)]

    def next_end(self, giveaway_id: int) -> float | None:
        """When the next claim runs out (UTC seconds); None where none does."""
        waits = (w.giveaway_id == giveaway_id, w.state == WinState.OFFERED.value, w.until > 0)
        found: float | None = self._connection.execute(sa.select(sa.func.min(w.until)).where(*waits)).scalar_one()
        return found

    def of_persons(self, giveaway_id: int, persons: Collection[str]) -> list[Win]:
        """The wins of these (names of persons or addresses of members), in the order in which places were given."""
        theirs = sa.or_(w.person.in_(persons), w.member.in_(persons))
        query = sa.select(giveaway_wins).where(w.giveaway_id == giveaway_id, theirs).order_by(w.id)
        return [_win(row) for row in self._connection.execute(query)]

    def swap(self, before: Win, after: Win) -> None:
        """Put `after` in the place of `before`; raises Conflict unless the state is still that of `before`.

        The number, the giveaway and the ticket stay as they are.
        """
        values = {name: value for name, value in _row(after).items() if name not in {"giveaway_id", "ticket"}}
        query = sa.update(giveaway_wins).where(w.id == before.id, w.state == before.state.value)
        if self._connection.execute(query.values(values)).rowcount != 1:
            raise Conflict(f"win {before.id} is no longer {before.state}")

    def last_won(self, persons: Collection[str], since: float) -> float:
        """When one of these (names of persons or addresses of members) last won since then, in UTC seconds; 0.0: never.

        A win that was re-rolled is none.
        """
        theirs = sa.or_(w.person.in_(persons), w.member.in_(persons))
        query = sa.select(sa.func.max(w.at)).where(theirs, w.at >= since, w.state != WinState.OUT.value)
        found: float | None = self._connection.execute(query).scalar_one()
        return found or 0.0

    def history(self, count: int, before: int = 0) -> list[Win]:
        """At most `count` wins of all giveaways, newest first, only those numbered below `before`, unless 0.

        Those that were re-rolled are left out.
        """
        query = sa.select(giveaway_wins).where(w.id < (before or _LAST), w.state != WinState.OUT.value)
        return [_win(row) for row in self._connection.execute(query.order_by(w.id.desc()).limit(count))]

    def erase(self, person: str) -> None:
        """Forget who this person or member was, and where a prize was sent to. Ticket, state and times stay."""
        query = sa.select(w.id).where(sa.or_(w.person == person, w.member == person))
        for win_id in self._connection.execute(query).scalars().all():
            values = {"person": f"{ERASED}{win_id}", "member": None, "name": ""}
            self._connection.execute(sa.update(giveaway_wins).where(w.id == win_id).values(values))
            self._connection.execute(sa.update(prize_codes).where(prize_codes.c.win_id == win_id).values(sealed=""))
            self._connection.execute(sa.delete(prize_addresses).where(prize_addresses.c.win_id == win_id))

    def _one(self, *where: sa.ColumnElement[bool]) -> Win | None:
        row = self._connection.execute(sa.select(giveaway_wins).where(*where)).one_or_none()
        return _win(row) if row else None


def _row(win: Win) -> dict[str, object]:
    return {
        "giveaway_id": win.giveaway_id,
        "ticket": win.ticket,
        "person": win.person,
        "member": None if win.member is None else str(win.member),
        "name": win.name,
        "state": win.state.value,
        "at": win.at,
        "until": win.until,
        "claimed_at": win.claimed_at,
        "handed_at": win.handed_at,
    }


def _win(row: Sequence[Any]) -> Win:
    number, giveaway_id, ticket, person, member, name, state, at, until, claimed_at, handed_at = row
    member = Member.parse(member) if member else None
    return Win(
        number, giveaway_id, ticket, person, member, name, WinState(state), at, until, claimed_at, handed_at
    )  # fmt: skip
