"""What a platform told us to wait for, kept beyond a restart."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from bot.storage.dialects import insert
from bot.storage.tables import blocks


@dataclass(frozen=True, slots=True)
class Block:
    """Nothing goes to `destination` (empty: from the whole bot) before `until`, in UTC seconds."""

    destination: str
    until: float
    reason: str = ""


class Blocks:
    """The blocks of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def keep(self, platform: str, block: Block) -> None:
        """Remember it; one that lasts longer stays."""
        values = insert(blocks).values(
            platform=platform, destination=block.destination, until=block.until, reason=block.reason
        )
        new = values.excluded
        self._connection.execute(
            values.on_conflict_do_update(
                index_elements=["platform", "destination"],
                set_={"until": new.until, "reason": new.reason},
                where=blocks.c.until < new.until,
            )
        )

    def of(self, platform: str, now: float) -> list[Block]:
        """Those that hold at this moment, the longest first."""
        query = (
            sa.select(blocks.c.destination, blocks.c.until, blocks.c.reason)
            .where(blocks.c.platform == platform, blocks.c.until > now)
            .order_by(blocks.c.until.desc(), blocks.c.destination)
        )
        return [Block(*row) for row in self._connection.execute(query)]

    def forget(self, platform: str, now: float) -> None:
        """Drop those that are over."""
        self._connection.execute(sa.delete(blocks).where(blocks.c.platform == platform, blocks.c.until <= now))
