"""One unit of work: the repositories over one connection and one moment."""

from __future__ import annotations

from functools import cached_property

from sqlalchemy import Connection

from bot.storage.cards import Cards
from bot.storage.comments import Comments
from bot.storage.drafts import Drafts
from bot.storage.inbox import Inbox
from bot.storage.outbox import Outbox
from bot.storage.people import Facts, People, Prompts
from bot.storage.timers import Timers


class Work:
    """What a unit of work reads and writes; `now` is its moment in UTC seconds."""

    def __init__(self, connection: Connection, now: float) -> None:
        self._connection = connection
        self.now = now

    @cached_property
    def inbox(self) -> Inbox:
        """Events."""
        return Inbox(self._connection)

    @cached_property
    def comments(self) -> Comments:
        """Comments."""
        return Comments(self._connection)

    @cached_property
    def drafts(self) -> Drafts:
        """Drafts and decisions."""
        return Drafts(self._connection)

    @cached_property
    def cards(self) -> Cards:
        """Cards and what they showed."""
        return Cards(self._connection)

    @cached_property
    def outbox(self) -> Outbox:
        """Messages on their way."""
        return Outbox(self._connection, self.now)

    @cached_property
    def timers(self) -> Timers:
        """What happens later."""
        return Timers(self._connection)

    @cached_property
    def people(self) -> People:
        """Members' choices."""
        return People(self._connection)

    @cached_property
    def prompts(self) -> Prompts:
        """Forms asked for by message."""
        return Prompts(self._connection)

    @cached_property
    def facts(self) -> Facts:
        """Facts about the installation."""
        return Facts(self._connection)
