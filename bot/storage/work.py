"""One unit of work: the repositories over one connection and one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam

from bot.chat.events import ReplyHandle
from bot.chat.messages import Notice
from bot.domain.places import Channel, Member
from bot.domain.review import View
from bot.storage.ballots import Ballots
from bot.storage.blocks import Blocks
from bot.storage.cards import Cards, StoredCard, StoredView, read_card
from bot.storage.comments import Comments, StoredComment, read_comment
from bot.storage.doubts import Doubts
from bot.storage.drafts import Drafts, StoredDraft, read_draft
from bot.storage.entrants import Entrant, look
from bot.storage.entries import Entries
from bot.storage.faults import is_database
from bot.storage.giveaway_posts import GiveawayPosts
from bot.storage.giveaways import Giveaways
from bot.storage.hot import Hot
from bot.storage.inbox import Inbox
from bot.storage.linking import Links
from bot.storage.live import LivePosts
from bot.storage.once import once
from bot.storage.outbox import Outbox
from bot.storage.people import Facts, People, Prompts
from bot.storage.poll_posts import PollPosts
from bot.storage.polls import Polls
from bot.storage.store import attempt
from bot.storage.tables import cards, comments, drafts, views
from bot.storage.timers import Timers
from bot.storage.wins import Wins


@dataclass(frozen=True, slots=True)
class Passing:
    """What one person is told as the direct answer to what they did, or never (`Notice.passing`); in no table."""

    notice: Notice = field(repr=False)
    at: Channel
    reply: ReplyHandle = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything that a card shows."""

    card: StoredCard
    draft: StoredDraft
    comment: StoredComment
    view: StoredView | None
    """What its newest rendering showed."""


_newest = (
    sa.select(views.c.id)
    .where(views.c.card_id == cards.c.id)
    .order_by(views.c.created_at.desc(), views.c.version.desc())
    .limit(1)
    .correlate(cards)
    .scalar_subquery()
)
_PARTS = (("a", cards), ("b", drafts), ("c", comments), ("d", views))
_COLUMNS = [[column.name for column in table.c] for _, table in _PARTS]
_SHEET = Hot(
    sa.select(*(column.label(f"{mark}_{column.name}") for mark, table in _PARTS for column in table.c))
    .select_from(cards)
    .join(drafts, drafts.c.id == cards.c.draft_id)
    .join(comments, comments.c.id == drafts.c.comment_id)
    .outerjoin(views, views.c.id == _newest)
    .where(cards.c.id == bindparam("row"))
)


class Capabilities:
    """The repositories of polls, of giveaways, and of what both ask."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @once
    def polls(self) -> Polls:
        """Polls."""
        return Polls(self._connection)

    @once
    def poll_posts(self) -> PollPosts:
        """The messages that show polls."""
        return PollPosts(self._connection)

    @once
    def ballots(self) -> Ballots:
        """What was voted."""
        return Ballots(self._connection)

    @once
    def giveaways(self) -> Giveaways:
        """Giveaways, their draws, and what is noted of them."""
        return Giveaways(self._connection)

    @once
    def giveaway_posts(self) -> GiveawayPosts:
        """The messages of giveaways."""
        return GiveawayPosts(self._connection)

    @once
    def entries(self) -> Entries:
        """Who wants to win."""
        return Entries(self._connection)

    @once
    def wins(self) -> Wins:
        """Who won, and the prizes."""
        return Wins(self._connection)

    @once
    def links(self) -> Links:
        """Which members are one person."""
        return Links(self._connection)


class Work(Capabilities):
    """What a unit of work reads and writes; `now` is its moment in UTC seconds.

    `heard_at` is when the event that it handles was stored; where there is none, the moment. `passing` takes what is to
    be said after the commit, by whoever has the unit committed.
    """

    def __init__(
        self,
        connection: Connection,
        now: float,
        heard_at: float | None = None,
        passing: list[Passing] | None = None,
    ) -> None:
        super().__init__(connection)
        self._passing = passing
        self.now = now
        self.heard_at = now if heard_at is None else heard_at

    @once
    def inbox(self) -> Inbox:
        """Events."""
        return Inbox(self._connection)

    @once
    def comments(self) -> Comments:
        """Comments."""
        return Comments(self._connection)

    @once
    def drafts(self) -> Drafts:
        """Drafts and decisions."""
        return Drafts(self._connection)

    @once
    def cards(self) -> Cards:
        """Cards and what they showed."""
        return Cards(self._connection)

    @once
    def outbox(self) -> Outbox:
        """Messages on their way."""
        return Outbox(self._connection, self.now)

    @once
    def doubts(self) -> Doubts:
        """Messages that were left in the middle, or of which nobody knows whether they arrived."""
        return Doubts(self._connection, self.now)

    @once
    def blocks(self) -> Blocks:
        """What platforms told us to wait for."""
        return Blocks(self._connection)

    @once
    def live(self) -> LivePosts:
        """Messages that change often."""
        return LivePosts(self._connection)

    @once
    def timers(self) -> Timers:
        """What happens later."""
        return Timers(self._connection)

    @once
    def people(self) -> People:
        """Members' choices."""
        return People(self._connection)

    @once
    def prompts(self) -> Prompts:
        """Forms asked for by message."""
        return Prompts(self._connection)

    @once
    def facts(self) -> Facts:
        """Facts about the installation."""
        return Facts(self._connection)

    def say(self, passing: Passing) -> bool:
        """Have somebody told this once the unit is committed, and not if it is not; False: nobody here would say it.

        Whoever handles events does: what comes of a press only after some time is no direct answer to it.
        """
        if self._passing is None:
            return False
        self._passing.append(passing)
        return True

    def isolated(self, call: Callable[[], None]) -> Exception | None:
        """Do something that may fail without taking the rest of the unit with it; what it raised."""
        said = len(self._passing or ())
        error = attempt(self._connection, lambda _: call())[1]
        if error is not None and self._passing is not None:
            del self._passing[said:]
        return error

    def is_over(self, error: Exception) -> bool:
        """Whether an error is the database's: nothing more can be done in this unit, and it must be let through."""
        return is_database(error, self._connection)

    def entrant(self, name: str, member: Member) -> Entrant | None:
        """Who presses on the giveaway of this name, in one look; None: there is none. Asked for every press."""
        found = look(self._connection, name, member)
        if found is not None:
            self.people.remember_language(member, found.language)
        return found

    def sheet(self, card_id: int) -> Sheet:
        """A card with its draft, comment and newest rendering in one look; the card must exist."""
        row = _SHEET.row(self._connection, {"row": card_id})
        if row is None:
            raise LookupError(f"there is no card {card_id}")
        parts = iter(row)
        a, b, c, seen = ({name: next(parts) for name in names} for names in _COLUMNS)
        card = read_card(a)
        view = View(seen["version"], seen["comment_hash"], seen["comment_text"]) if seen["id"] else None
        shown = StoredView(seen["id"], card, view) if view else None
        return Sheet(card, read_draft(b), read_comment(c), shown)
