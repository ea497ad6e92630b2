"""Services that cannot be reached are facts that people can ask for, taken back when they can."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from engine.world import MortalStore
from sqlalchemy import Connection
from storage.backends import fresh

from bot.chat.ports import Incoming, Position
from bot.locales import Catalogue
from bot.operations.figures import gather
from bot.operations.links import Links, ago, since
from bot.operations.status import Status, lines
from bot.storage.blocks import Block
from bot.storage.people import LINK, Facts
from bot.storage.work import Work


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


@pytest.mark.parametrize(("language", "word"), [("en", "cannot be reached"), ("zh", "无法连接")])
async def test_herald_status_tells_the_same_in_a_terminal(store: MortalStore, language: str, word: str) -> None:
    def trouble(connection: Connection) -> None:
        work = Work(connection, 1000.0)
        work.facts.set(LINK + "model", "940")
        work.blocks.keep("slack", Block("C1", 1090.0))
        work.blocks.keep("slack", Block("C2", 999.0))
        work.inbox.add([Incoming("slack:T1", "1", "raw", None, Position("slack:T1:C9", 5))], 1000.0)
        work.inbox.gap("slack:T1:C9", 9)

    assert lines(Status(await store.read(partial(gather, now=1000.0)), 1.0, 1000.0), language)[-1][0] == "✓"
    await store.write(trouble)
    status = Status(await store.read(partial(gather, now=1000.0)), 1.0, 1000.0)
    said = lines(status, language)
    assert sum("Model" in line and word in line for line in said) == 1
    assert sum("slack:C1" in line for line in said) == 1
    gap = Catalogue().say(language, "status.gap", cursor="slack:T1:C9")
    assert said.count(gap) == 1
    assert not any("slack:C2" in line for line in said)
    assert status.wants_person() == {"unreachable": 1}
    told = status.as_json()
    assert told["unreachable_seconds"] == {"model": 60.0}
    assert told["told_to_wait"] == [{"platform": "slack", "channel": "C1", "seconds": 90.0}]
    assert told["gaps"] == ["slack:T1:C9"]
