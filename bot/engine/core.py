"""What all parts of the engine work with."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, NoReturn, Protocol, TypeVar

from sqlalchemy import Connection

from bot.chat.ports import StoreUnavailable
from bot.domain.roles import Role
from bot.engine.clock import Clock
from bot.engine.registry import Registry
from bot.storage.store import Store
from bot.storage.work import Work

C = TypeVar("C")


log = logging.getLogger("herald.engine")


async def keep_going(turn: Callable[[], Awaitable[None]], what: str) -> NoReturn:
    """Take turns until cancelled. While the store cannot be used, `what` waits, and goes on by itself afterwards."""
    while True:
        try:
            await turn()
        except StoreUnavailable as error:
            log.warning("the store cannot be used, %s wait: %s", what, error)
            await asyncio.sleep(1)


class Parts(Protocol):
    """Which parts of the work are this process's own at present."""

    def mine(self) -> frozenset[int] | None:
        """They; None stands for everything, where no other process works."""

    def listen(self, call: Callable[[], None]) -> None:
        """Have `call` run whenever there are others."""


class Everything:
    """A single process."""

    def mine(self) -> None:
        """All parts."""

    def listen(self, call: Callable[[], None]) -> None:
        """Nothing ever changes."""


EVERYTHING = Everything()


@dataclass(frozen=True, slots=True)
class Core(Generic[C]):
    """The store, the clock, the handlers, and how a handler's context is made: `(work, roles, prepared)`."""

    store: Store
    clock: Clock
    registry: Registry[C]
    make: Callable[[Work, frozenset[Role], object], C]

    def work(self, connection: Connection) -> Work:
        """A unit of work at this moment."""
        return Work(connection, self.clock.now())

    def context(self, work: Work) -> C:
        """A context for what no person asked for."""
        return self.make(work, frozenset(), None)
