"""The key of a giveaway stays for as long as something that it sealed is there, or may come to be."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from engine.world import HandClock
from storage.backends import fresh

from bot.domain.giveaways import Giveaway, Offer, State, Win, WinState
from bot.domain.places import Member
from bot.handlers.shredding import Shredder
from bot.storage.keys import Keys
from bot.storage.sqlite import SqliteStore
from bot.storage.work import Work

ANA = Member("slack", "T1", "ana")
NAME = "w.prize_prize_"
GIVEAWAY = Giveaway(0, NAME, Offer("Tea"), State.OPEN, ANA, "Ana", "en", (), 1.0, "c0ffee")
WIN = Win(0, 1, "aa", str(ANA), ANA, "Ana", WinState.OFFERED, 1.0, 0.0)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(fresh(tmp_path / "herald.db"))
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """With the key of a giveaway that was made long ago."""
    made = Keys(tmp_path / "keys")
    made.make(NAME)
    os.utime(tmp_path / "keys" / f"{NAME}.key", (1, 1))
    return made


async def swept(store: SqliteStore, keys: Keys, *units: Callable[[Work], object]) -> bool:
    """Whether the key is still there after these changes and a sweep."""
    for unit in units:
        await store.write(lambda connection, unit=unit: unit(Work(connection, 1.0)))
    await Shredder(store, HandClock(), keys).sweep()
    return NAME in keys.names()


def keep(giveaway: Giveaway) -> Callable[[Work], object]:
    return lambda work: work.giveaways.add(giveaway, b"s" * 32)


async def test_the_key_of_no_giveaway_goes(store: SqliteStore, keys: Keys) -> None:
    keys.make("w.fresh")
    assert not await swept(store, keys)
    assert keys.names() == ["w.fresh"]  # its giveaway may be about to be written


@pytest.mark.parametrize("state", list(State))
async def test_the_key_goes_when_the_giveaway_is_over(store: SqliteStore, keys: Keys, state: State) -> None:
    stays = await swept(store, keys, keep(replace(GIVEAWAY, state=state)))
    assert stays is (state not in {State.DRAWN, State.CANCELLED})


async def test_the_key_stays_with_what_it_sealed(store: SqliteStore, keys: Keys) -> None:
    """A code, a claim that is open, an address: each of them keeps it, and none for ever."""
    over = keep(replace(GIVEAWAY, state=State.DRAWN))
    assert await swept(store, keys, over, lambda work: work.wins.add_code(1, "sealed"))
    assert await swept(store, keys, lambda work: work.wins.add(WIN), lambda work: work.wins.forget_codes(1))
    offered, handed = replace(WIN, id=1), replace(WIN, id=1, state=WinState.HANDED)

    def address(work: Work) -> None:
        work.wins.keep_address(1, "sealed", 1e12)
        work.wins.swap(offered, handed)

    assert await swept(store, keys, address)
    assert await swept(store, keys, lambda work: work.wins.keep_address(1, "sealed", HandClock().now() + 1.0))
    assert not await swept(store, keys, lambda work: work.wins.keep_address(1, "sealed", HandClock().now()))
    assert await store.read(lambda connection: Work(connection, 1.0).wins.address(1)) is None


async def test_a_key_that_was_just_made_stays(store: SqliteStore, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    keys.make(NAME)
    assert await swept(store, keys, keep(replace(GIVEAWAY, state=State.CANCELLED)))
