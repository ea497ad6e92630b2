"""Which of the outside's services cannot be reached, for `/status` and `herald status`: kept as facts in the database.

A process knows it only of itself, so whoever finds out writes it down and takes it back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from bot.chat.ports import StoreUnavailable
from bot.storage.people import LINK, Facts
from bot.storage.store import Store

LOOK = 1.0

log = logging.getLogger("herald.links")


def ago(seconds: Callable[[], float | None], now: Callable[[], float]) -> Callable[[], float | None]:
    """Since when, for what knows for how long."""

    def look() -> float | None:
        found = seconds()
        return None if found is None else now() - found

    return look


def since(holds: Callable[[], bool], now: Callable[[], float]) -> Callable[[], float | None]:
    """Since when something has held, for what only knows whether it does: since it was first seen."""
    seen: list[float] = []

    def look() -> float | None:
        if not holds():
            seen.clear()
        elif not seen:
            seen.append(now())
        return seen[0] if seen else None

    return look


class Links:
    """Watches the services of one process: by name, since when (UTC seconds) each cannot be reached, or None."""

    def __init__(self, store: Store, services: Mapping[str, Callable[[], float | None]]) -> None:
        self._store = store
        self._services = services
        self._told: dict[str, bool] = {}
        """Whether each was told to be out of reach; at first nothing is known, not even what was told before."""

    async def run(self) -> None:
        """Look every second until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Write down what has changed since the last look. While the store cannot be used, nobody could read it."""
        found = {name: since() for name, since in self._services.items()}
        changed = {name: at for name, at in found.items() if self._told.get(name) is not (at is not None)}
        if not changed:
            return
        try:
            await self._store.write(lambda connection: _keep(connection, changed))
        except StoreUnavailable as error:
            log.warning("the store cannot be used, the state of links waits: %s", error)
            return
        self._told |= {name: at is not None for name, at in changed.items()}


def _keep(connection: Connection, changed: Mapping[str, float | None]) -> None:
    facts = Facts(connection)
    for name, at in changed.items():
        if at is None:
            facts.forget(LINK + name)
        else:
            facts.set(LINK + name, str(at))
