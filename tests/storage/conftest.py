"""A store of every backend, and units of work at a chosen moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from bot.storage.store import Store
from bot.storage.work import Work

from .backends import BACKENDS

T = TypeVar("T")
NOW = 1_700_000_000.0


class Bench:
    """Runs units of work in a store, each at the moment `now`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOW

    async def write(self, unit: Callable[[Work], T]) -> T:
        return await self.store.write(self._at_now(unit))

    async def read(self, unit: Callable[[Work], T]) -> T:
        return await self.store.read(self._at_now(unit))

    def _at_now(self, unit: Callable[[Work], T]) -> Callable[[Connection], T]:
        now = self.now
        return lambda connection: unit(Work(connection, now))


@pytest.fixture(params=list(BACKENDS))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with BACKENDS[request.param](tmp_path, request) as made:
        yield made


@pytest.fixture
def bench(store: Store) -> Bench:
    return Bench(store)
