"""The messages of giveaways: cards with buttons, freeze texts, lists and results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from bot.domain.places import Channel
from bot.storage.dialects import insert
from bot.storage.hot import Hot
from bot.storage.live import LivePosts, Post, among
from bot.storage.tables import giveaway_posts


@dataclass(frozen=True, slots=True)
class GiveawayPost:
    """One message of a giveaway. `message_id` and `at` (UTC seconds) are None until the platform has taken it."""

    id: int
    giveaway_id: int
    channel: Channel
    what: str
    """`card`, `freeze`, `list` or `result`."""
    message_id: str | None
    at: float | None


_posts = giveaway_posts.c
_RESTING = among(
    sa.select(bindparam("kind", type_=sa.String) + ":" + sa.cast(_posts.id, sa.String)).where(
        _posts.giveaway_id == bindparam("number"), _posts.what == "card"
    )
)
_OF = Hot(sa.select(giveaway_posts).where(_posts.giveaway_id == bindparam("of_giveaway")).order_by(_posts.id))


class GiveawayPosts:
    """The messages of all giveaways, in one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, giveaway_id: int, channel: Channel, what: str) -> int:
        """Plan a message of this giveaway; its number."""
        values = asdict(channel) | {"giveaway_id": giveaway_id, "what": what}
        query = insert(giveaway_posts).values(values).returning(_posts.id)
        return int(self._connection.execute(query).scalar_one())

    def resting(self, kind: str, giveaway_id: int) -> list[Post]:
        """Of its cards, live messages of this kind, those of which no edit waits. Asked for every press."""
        return LivePosts(self._connection).resting_of(kind, giveaway_id, _RESTING)

    def of(self, giveaway_id: int, what: str | None = None) -> list[GiveawayPost]:
        """The messages of a giveaway, or those of one kind, as they were planned."""
        found = [_post(row) for row in _OF.rows(self._connection, {"of_giveaway": giveaway_id})]
        return [post for post in found if what is None or post.what == what]

    def get(self, post_id: int) -> GiveawayPost | None:
        """The message of this number."""
        row = self._connection.execute(sa.select(giveaway_posts).where(_posts.id == post_id)).one_or_none()
        return _post(row) if row else None

    def posted(self, post_id: int, message_id: str, at: float) -> None:
        """The platform has taken it as this message, at this time."""
        query = sa.update(giveaway_posts).where(_posts.id == post_id)
        self._connection.execute(query.values(message_id=message_id, at=at))

    def gone(self, post_id: int) -> None:
        """Its message is no longer there: it can be posted anew."""
        query = sa.update(giveaway_posts).where(_posts.id == post_id)
        self._connection.execute(query.values(message_id=None, at=None))


def _post(row: Sequence[Any]) -> GiveawayPost:
    number, giveaway_id, platform, tenant, channel_id, thread_id, parent_id, what, message_id, at = row
    return GiveawayPost(
        number, giveaway_id, Channel(platform, tenant, channel_id, thread_id, parent_id), what, message_id, at
    )
