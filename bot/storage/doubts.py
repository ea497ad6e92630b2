"""Deliveries that somebody left in the middle, and those of which nobody knows whether they arrived.

A look-up is counted before it is made, and the count fences it like a token: whoever was suspended in the middle of
one changes nothing once another has looked.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from bot.domain.delivery import STEPS, DeliveryState, Step
from bot.storage.hot import Hot
from bot.storage.outbox import Delivery, read_delivery
from bot.storage.store import wake
from bot.storage.tables import outbox
from bot.storage.taking import in_states

_BUSY = sa.select(outbox).where(
    outbox.c.platform.in_(bindparam("platforms", expanding=True)),
    sa.text("outbox.state IN ('claimed', 'sending')"),
)
_OPEN = (
    sa.select(outbox)
    .where(outbox.c.platform == bindparam("p"), outbox.c.look_at.is_not(None))
    .order_by(outbox.c.look_at, outbox.c.id)
    .limit(bindparam("count"))
)


def _unknown(step: Step | None = None) -> sa.Update:
    statement = sa.update(outbox).where(
        outbox.c.id == bindparam("row"),
        outbox.c.token == bindparam("old_token"),
        outbox.c.looks == bindparam("old_looks"),
        outbox.c.look_at.is_not(None),
        in_states({DeliveryState.UNCERTAIN}),
    )
    return statement if step is None else statement.values(state=STEPS[step][1].value, look_at=None)


_LOOK = Hot(_unknown().values(looks=outbox.c.looks + 1, look_at=bindparam("at")))
_LATER = Hot(_unknown().values(look_at=bindparam("at"), error=bindparam("why")))
_ASK = Hot(_unknown().values(look_at=None, error=bindparam("why")))
_FOUND = Hot(
    _unknown(Step.FOUND).values(
        sent_at=bindparam("now"), message_id=bindparam("new_message"), confirmed_by="lookup", error=""
    )
)
# A new token: the answer to the request that did not arrive counts for nothing from now on.
_ABSENT = Hot(
    _unknown(Step.ABSENT).values(
        token=outbox.c.token + 1, due_at=bindparam("due"), tries=bindparam("new_tries"), error=bindparam("why")
    )
)
_GIVE_UP = Hot(_unknown(Step.HOPELESS).values(token=outbox.c.token + 1, error=bindparam("why")))


class Doubts:
    """What of one unit of work is about deliveries that were left, or whose fate is unknown."""

    def __init__(self, connection: Connection, now: float) -> None:
        self._connection = connection
        self._now = now

    def orphans(self) -> list[Delivery]:
        """Rows of every platform that are in the middle of being sent."""
        query = sa.select(outbox).where(outbox.c.state == DeliveryState.SENDING.value)
        return [read_delivery(row) for row in self._connection.execute(query)]

    def free_claims(self) -> None:
        """Put back what a single process claimed and did not begin: nothing was sent."""
        query = sa.update(outbox).where(outbox.c.state == DeliveryState.CLAIMED.value)
        self._connection.execute(query.values(state=DeliveryState.PENDING.value, token=outbox.c.token + 1))

    def held(self, platforms: Collection[str]) -> list[Delivery]:
        """Rows that a worker has claimed or is sending."""
        return [read_delivery(row) for row in self._connection.execute(_BUSY, {"platforms": list(platforms)})]

    def sought(self, platform: str, count: int) -> list[Delivery]:
        """Rows that are to be looked up, those that are due first first."""
        found = self._connection.execute(_OPEN, {"p": platform, "count": count})
        return [read_delivery(row) for row in found]

    def look(self, row: Delivery, until: float) -> Delivery | None:
        """Count a look-up that is about to be made; another may be made from `until`. None: it is not ours to make."""
        if not self._changed(_LOOK, row, at=until):
            return None
        return replace(row, looks=row.looks + 1, look_at=until)

    def later(self, row: Delivery, at: float, why: str) -> bool:
        """It could not be told now: another look-up at `at`."""
        return self._changed(_LATER, row, at=at, why=why)

    def ask(self, row: Delivery, why: str) -> bool:
        """It cannot be told: a person has to look."""
        return self._changed(_ASK, row, why=why)

    def found(self, row: Delivery, message_id: str) -> bool:
        """It is there."""
        return self._changed(_FOUND, row, now=self._now, new_message=message_id)

    def absent(self, row: Delivery, due: float, tries: int, why: str) -> bool:
        """It is not there: once more at `due`."""
        return self._changed(_ABSENT, row, due=due, new_tries=tries, why=why)

    def give_up(self, row: Delivery, why: str) -> bool:
        """It is not there, and was tried too often."""
        return self._changed(_GIVE_UP, row, why=why)

    def _changed(self, statement: Hot, row: Delivery, **values: object) -> bool:
        wake(self._connection, "outbox")
        old = {"row": row.id, "old_token": row.token, "old_looks": row.looks}
        return statement.count(self._connection, {**old, **values}) == 1
