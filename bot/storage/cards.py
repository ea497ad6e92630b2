"""Cards in review channels, and what each of their renderings showed (the rows behind button payloads)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row, bindparam

from bot.domain.places import Channel
from bot.domain.review import View
from bot.storage.dialects import insert
from bot.storage.hot import Hot
from bot.storage.tables import cards, views


@dataclass(frozen=True, slots=True)
class StoredCard:
    """One draft's card in one review channel; `message_id` is None until the platform has taken it."""

    id: int
    draft_id: int
    channel: Channel
    message_id: str | None


@dataclass(frozen=True, slots=True)
class StoredView:
    """What a rendering of a card showed."""

    id: str
    card: StoredCard
    view: View


_ADD = Hot(
    insert(cards)
    .values({name: bindparam(name) for name in "draft_id platform tenant channel_id thread_id parent_id".split()})
    .on_conflict_do_nothing()
    .returning(cards.c.id)
)
_OF_DRAFT = sa.select(cards).where(cards.c.draft_id == bindparam("row")).order_by(cards.c.id)
_GET = sa.select(cards).where(cards.c.id == bindparam("row"))
_SHOW = Hot(
    insert(views).values(
        {name: bindparam(name) for name in "id card_id draft_id version comment_hash comment_text created_at".split()}
    )
)
_VIEW = (
    sa.select(views.c.id.label("view_id"), views.c.version, views.c.comment_hash, views.c.comment_text, cards)
    .join(cards, cards.c.id == views.c.card_id)
    .where(views.c.id == bindparam("key"))
)
_LATEST = (
    sa.select(views.c.id.label("view_id"), views.c.version, views.c.comment_hash, views.c.comment_text, cards)
    .join(cards, cards.c.id == views.c.card_id)
    .where(views.c.card_id == bindparam("row"))
    .order_by(views.c.created_at.desc(), views.c.version.desc())
    .limit(1)
)
_POSTED = Hot(sa.update(cards).where(cards.c.id == bindparam("row")).values(message_id=bindparam("new_message")))


class Cards:
    """The cards of one unit of work."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, draft_id: int, channel: Channel) -> int | None:
        """Plan a card; its id, or None if the channel has one for this draft."""
        values = {
            "draft_id": draft_id,
            "platform": channel.platform,
            "tenant": channel.tenant,
            "channel_id": channel.channel_id,
            "thread_id": channel.thread_id,
            "parent_id": channel.parent_id,
        }
        new: int | None = _ADD.value(self._connection, values)
        return new

    def get(self, card_id: int) -> StoredCard:
        """The card of this id, which must exist."""
        return read_card(self._connection.execute(_GET, {"row": card_id}).one()._asdict())

    def of_draft(self, draft_id: int) -> list[StoredCard]:
        """All cards of a draft."""
        return [read_card(row._asdict()) for row in self._connection.execute(_OF_DRAFT, {"row": draft_id})]

    def of_message(self, channel: Channel, message_id: str) -> StoredCard | None:
        """The card that this message is."""
        query = sa.select(cards).where(
            cards.c.platform == channel.platform,
            cards.c.channel_id == channel.channel_id,
            cards.c.message_id == message_id,
        )
        row = self._connection.execute(query).one_or_none()
        return read_card(row._asdict()) if row else None

    def posted(self, card_id: int, message_id: str) -> None:
        """The platform has taken the card as this message; one that has a message keeps it."""
        _POSTED.count(self._connection, {"row": card_id, "new_message": message_id})

    def forget_message(self, card_id: int) -> None:
        """The card's message is gone: the next rendering makes a new one."""
        self._connection.execute(sa.update(cards).where(cards.c.id == card_id).values(message_id=None))

    def show(self, key: str, card_id: int, draft_id: int, view: View, now: float) -> None:
        """Remember what a rendering shows under the random id that its buttons will carry."""
        values = {
            "id": key,
            "card_id": card_id,
            "draft_id": draft_id,
            "version": view.version,
            "comment_hash": view.comment_hash,
            "comment_text": view.comment_text,
            "created_at": now,
        }
        _SHOW.count(self._connection, values)

    def view(self, key: str) -> StoredView | None:
        """What the rendering with this id showed."""
        row = self._connection.execute(_VIEW, {"key": key}).one_or_none()
        return _view(row) if row else None

    def latest_view(self, card_id: int) -> StoredView | None:
        """What the card's newest rendering shows."""
        row = self._connection.execute(_LATEST, {"row": card_id}).one_or_none()
        return _view(row) if row else None


def read_card(r: Mapping[str, Any]) -> StoredCard:
    """A row of the table as what it stands for."""
    place = Channel(r["platform"], r["tenant"], r["channel_id"], r["thread_id"], r["parent_id"])
    return StoredCard(r["id"], r["draft_id"], place, r["message_id"])


def _view(row: Row[tuple[object, ...]]) -> StoredView:
    r = row._mapping
    return StoredView(r["view_id"], read_card(row._asdict()), View(r["version"], r["comment_hash"], r["comment_text"]))
