"""Services that cannot be reached are facts that people can ask for, taken back when they can."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engine.world import MortalStore
from storage.backends import fresh

from bot.operations.links import Links, ago, since
from bot.storage.people import LINK, Facts


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MortalStore]:
    made = MortalStore(fresh(tmp_path / "herald.db"))
    await made.open()
    yield made
    await made.close()


async def told(store: MortalStore) -> dict[str, str]:
    return await store.read(lambda connection: Facts(connection).beginning(LINK))


async def test_what_cannot_be_reached_is_told_while_it_is_so(store: MortalStore) -> None:
    down: dict[str, float | None] = {"slack": None, "model": None}
    links = Links(store, {"slack": lambda: down["slack"], "model": lambda: down["model"]})
    await links.look()
    assert await told(store) == {}
    down["slack"] = 100.5
    await links.look()
    assert await told(store) == {"slack": "100.5"}
    down |= {"slack": None, "model": 7.0}
    await links.look()
    assert await told(store) == {"model": "7.0"}


async def test_what_was_told_before_a_restart_is_taken_back(store: MortalStore) -> None:
    await store.write(lambda connection: Facts(connection).set(LINK + "slack", "1"))
    await store.write(lambda connection: Facts(connection).set(LINK + "redis", "1"))
    await Links(store, {"slack": lambda: None}).look()
    assert await told(store) == {"redis": "1"}


async def test_it_writes_only_what_has_changed(store: MortalStore) -> None:
    links = Links(store, {"slack": lambda: 1.0})
    await links.look()
    store.full = True
    await links.look()
    store.full = False
    assert await told(store) == {"slack": "1.0"}


async def test_a_store_that_cannot_be_used_hears_of_it_later(store: MortalStore) -> None:
    links = Links(store, {"slack": lambda: 1.0})
    store.full = True
    await links.look()
    store.full = False
    await links.look()
    assert await told(store) == {"slack": "1.0"}


async def test_names_that_only_look_alike_are_not_taken(store: MortalStore) -> None:
    await store.write(lambda connection: Facts(connection).set("linkX", "1"))
    assert await told(store) == {}


def test_since_when_something_holds_and_for_how_long() -> None:
    now, down = [100.0], [False]
    look = since(lambda: down[0], lambda: now[0])
    assert look() is None
    down[0] = True
    assert look() == 100
    now[0] = 130
    assert look() == 100
    down[0] = False
    assert look() is None
    down[0] = True
    assert look() == 130
    assert ago(lambda: 30.0, lambda: 100.0)() == 70
    assert ago(lambda: None, lambda: 100.0)() is None
