"""What the units of one batch have read and need not read again: a thousand presses on one card ask the same.

It lives as long as the batch, within one transaction. Whatever changes something of it says so, and a unit that is
taken back empties it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection

from bot.domain.giveaways import Giveaway
from bot.domain.polls import Poll

_KEY = "batch"


@dataclass(slots=True)
class Batch:
    """What is known."""

    polls: dict[str, Poll] = field(default_factory=dict)
    """By name."""
    giveaways: dict[str, Giveaway] = field(default_factory=dict)
    """By name."""
    waiting: set[tuple[str, int]] = field(default_factory=set)
    """Kind and number of what has no live message at rest: of each of its messages an edit waits."""

    def clear(self) -> None:
        """Nothing is known."""
        self.polls.clear()
        self.giveaways.clear()
        self.waiting.clear()


@contextmanager
def batch(connection: Connection) -> Iterator[None]:
    """The units that run here are one batch. Only where no other transaction has a part in it."""
    connection.info[_KEY] = Batch()
    try:
        yield
    finally:
        del connection.info[_KEY]


def known(connection: Connection) -> Batch:
    """What is known in the batch that runs; where none runs, nothing is, and nothing stays."""
    found = connection.info.get(_KEY)
    return found if isinstance(found, Batch) else Batch()
