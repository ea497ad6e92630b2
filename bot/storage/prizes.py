"""What winners get: codes, and the addresses that prizes are sent to. Both are sealed by the key of their giveaway."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.domain.giveaways import WinState
from bot.storage.dialects import insert
from bot.storage.drafts import Conflict
from bot.storage.tables import giveaway_wins, prize_addresses, prize_codes

w, c, a = giveaway_wins.c, prize_codes.c, prize_addresses.c


@dataclass(frozen=True, slots=True)
class Code:
    """A code that is or was a prize. `shown_at` in UTC seconds; 0.0: never."""

    id: int
    sealed: str = field(repr=False)
    """Empty once it was forgotten."""
    shown_at: float


class Prizes:
    """The prizes of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # ---- codes

    def add_code(self, giveaway_id: int, sealed: str) -> int:
        """Keep a code that is to be given; its number."""
        values = {"giveaway_id": giveaway_id, "sealed": sealed, "shown_at": 0.0}
        return int(self._connection.execute(insert(prize_codes).values(values).returning(c.id)).scalar_one())

    def free_code(self, giveaway_id: int) -> int | None:
        """The number of the first code that nobody has; None if there is none left."""
        query = sa.select(c.id).where(c.giveaway_id == giveaway_id, c.win_id.is_(None), c.sealed != "")
        found: int | None = self._connection.execute(query.order_by(c.id).limit(1)).scalar_one_or_none()
        return found

    def give_code(self, code_id: int, win_id: int) -> None:
        """This winner gets this code; raises Conflict if it is somebody's, or if they have one."""
        theirs = prize_codes.alias()
        has_one = sa.exists().where(theirs.c.win_id == win_id)
        query = sa.update(prize_codes).where(c.id == code_id, c.win_id.is_(None), ~has_one).values(win_id=win_id)
        if self._connection.execute(query).rowcount != 1:
            raise Conflict(f"code {code_id} cannot be given to win {win_id}")

    def take_back(self, win_id: int) -> bool:
        """The code of this win is free again; False if they have none, or have been shown it."""
        query = sa.update(prize_codes).where(c.win_id == win_id, c.shown_at == 0.0).values(win_id=None)
        return self._connection.execute(query).rowcount == 1

    def code_of(self, win_id: int) -> Code | None:
        """The code that was given to this winner."""
        row = self._connection.execute(sa.select(c.id, c.sealed, c.shown_at).where(c.win_id == win_id)).one_or_none()
        return Code(*row) if row else None

    def shown(self, code_id: int, at: float) -> bool:
        """It is shown to its winner now; False if it was before."""
        query = sa.update(prize_codes).where(c.id == code_id, c.shown_at == 0.0).values(shown_at=at)
        return self._connection.execute(query).rowcount == 1

    def codes(self, giveaway_id: int) -> tuple[int, int]:
        """How many codes there are, and how many can still be given."""
        left = sa.func.count().filter(c.win_id.is_(None), c.sealed != "")
        every, free = self._connection.execute(
            sa.select(sa.func.count(), left).where(c.giveaway_id == giveaway_id)
        ).one()
        return every, free

    def forget_codes(self, giveaway_id: int) -> int:
        """Forget what the codes are; how many were known. Who got one, and when it was shown, stays."""
        query = sa.update(prize_codes).where(c.giveaway_id == giveaway_id, c.sealed != "")
        return self._connection.execute(query.values(sealed="")).rowcount

    def forget_free_codes(self, giveaway_id: int) -> int:
        """Remove the codes that nobody has; how many there were."""
        query = sa.delete(prize_codes).where(c.giveaway_id == giveaway_id, c.win_id.is_(None))
        return self._connection.execute(query).rowcount

    # ---- addresses

    def keep_address(self, win_id: int, sealed: str, until: float) -> None:
        """Keep where a prize is sent to, in place of what was said before, until then (UTC seconds)."""
        values = insert(prize_addresses).values(win_id=win_id, sealed=sealed, until=until)
        change = {"sealed": values.excluded.sealed, "until": values.excluded.until}
        self._connection.execute(values.on_conflict_do_update(index_elements=["win_id"], set_=change))

    def address(self, win_id: int) -> str | None:
        """Where it is sent to, sealed; None if it is not known, or not any more."""
        query = sa.select(a.sealed).where(a.win_id == win_id)
        found: str | None = self._connection.execute(query).scalar_one_or_none()
        return found

    def forget_addresses(self, now: float) -> int:
        """Forget all addresses whose time is over; how many."""
        return self._connection.execute(sa.delete(prize_addresses).where(a.until <= now)).rowcount

    def needs_key(self, giveaway_id: int) -> bool:
        """Whether something of this giveaway is sealed, or a prize is not settled, so that something may come to be."""
        mine = w.giveaway_id == giveaway_id
        unsettled = sa.select(w.id).where(mine, w.state.in_((WinState.OFFERED.value, WinState.CLAIMED.value)))
        queries = (
            sa.select(c.id).where(c.giveaway_id == giveaway_id, c.sealed != ""),
            unsettled,
            sa.select(a.win_id).join(giveaway_wins, w.id == a.win_id).where(mine),
        )
        return any(self._connection.execute(query.limit(1)).first() is not None for query in queries)
