"""The messages that show polls: cards with buttons, and polls of the platforms' own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from bot.domain.places import Channel
from bot.domain.polls import State
from bot.storage.dialects import insert
from bot.storage.hot import Hot
from bot.storage.live import LivePosts, Post, among
from bot.storage.tables import poll_posts, polls


@dataclass(frozen=True, slots=True)
class PollPost:
    """One message that shows a poll. `message_id` is None until the platform has taken it."""

    id: int
    poll_id: int
    channel: Channel
    native: bool
    """It is the platform's own poll."""
    message_id: str | None


_POST_COLUMNS = [column for column in poll_posts.c if column.name != "native_name"]
_POSTS = Hot(sa.select(*_POST_COLUMNS).where(poll_posts.c.poll_id == bindparam("of_poll")).order_by(poll_posts.c.id))

_RESTING = among(
    sa.select(bindparam("kind", type_=sa.String) + ":" + sa.cast(poll_posts.c.id, sa.String)).where(
        poll_posts.c.poll_id == bindparam("number"), poll_posts.c.native.is_(False)
    )
)


class PollPosts:
    """The messages of all polls, in one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, poll_id: int, channel: Channel, native: bool) -> int:
        """Plan a message that shows this poll; its number."""
        values = asdict(channel) | {"poll_id": poll_id, "native": native}
        return int(self._connection.execute(insert(poll_posts).values(values).returning(poll_posts.c.id)).scalar_one())

    def resting(self, kind: str, poll_id: int) -> list[Post]:
        """Of those messages that we count in ourselves, live ones of this kind, the ones of which no edit waits.

        Asked for every vote.
        """
        return LivePosts(self._connection).resting_of(kind, poll_id, _RESTING)

    def of(self, poll_id: int) -> list[PollPost]:
        """All messages of a poll, in the order in which they were planned."""
        return [_post(row) for row in _POSTS.rows(self._connection, {"of_poll": poll_id})]

    def get(self, post_id: int) -> PollPost | None:
        """The message of this number."""
        query = sa.select(*_POST_COLUMNS).where(poll_posts.c.id == post_id)
        row = self._connection.execute(query).one_or_none()
        return _post(row) if row else None

    def posted(self, post_id: int, message_id: str) -> None:
        """The platform has taken it as this message; a native poll is called what the id ends in."""
        name = sa.case((poll_posts.c.native, message_id.rpartition(":")[2]), else_=None)
        query = sa.update(poll_posts).where(poll_posts.c.id == post_id)
        self._connection.execute(query.values(message_id=message_id, native_name=name))

    def gone(self, post_id: int) -> None:
        """Its message is no longer there: it can be posted anew."""
        query = sa.update(poll_posts).where(poll_posts.c.id == post_id)
        self._connection.execute(query.values(message_id=None, native_name=None))

    def not_native(self, post_id: int) -> None:
        """The platform does not take its own poll there: it is a card with buttons."""
        self._connection.execute(sa.update(poll_posts).where(poll_posts.c.id == post_id).values(native=False))

    def coming(self, platform: str) -> bool:
        """Whether a native poll may be on this platform that is open, and whose name is not known yet."""
        unnamed = (poll_posts.c.platform == platform, poll_posts.c.native.is_(True), poll_posts.c.message_id.is_(None))
        opened = sa.select(polls.c.id).where(polls.c.state == State.OPEN.value)
        query = sa.select(poll_posts.c.id).where(*unnamed, poll_posts.c.poll_id.in_(opened))
        return self._connection.execute(query.limit(1)).one_or_none() is not None

    def native(self, platform: str, poll: str) -> PollPost | None:
        """The message that is what this platform calls the poll `poll` (`PollVoted.poll`)."""
        query = sa.select(*_POST_COLUMNS).where(poll_posts.c.platform == platform, poll_posts.c.native_name == poll)
        row = self._connection.execute(query).one_or_none()
        return _post(row) if row else None


def _post(row: Sequence[Any]) -> PollPost:
    number, poll_id, platform, tenant, channel_id, thread_id, parent_id, native, message_id = row
    place = Channel(platform, tenant, channel_id, thread_id, parent_id)
    return PollPost(number, poll_id, place, bool(native), message_id)
