"""A store that cannot be used: people are told once, in their language, and once more when it is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from engine.world import HandClock, MortalStore, Recorder, failing
from sqlalchemy import Connection
from storage.backends import fresh

from bot.chat.messages import Line
from bot.chat.ports import Refused, StoreUnavailable, Unclear
from bot.domain.places import Channel
from bot.locales import Catalogue
from bot.operations.alarm import PATIENCE, QUIET, Alarm, NoticedStore

TEAM = [(Channel("slack", "", "C1"), "en"), (Channel("telegram", "", "-1"), "zh"), (Channel("mastodon", "", "9"), "en")]


class Trouble:
    """A bot's store, its clock, and what its team reads."""

    def __init__(self, path: Path) -> None:
        self.clock = HandClock()
        self.disk = MortalStore(path)
        self.store = NoticedStore(self.disk, self.clock.monotonic)
        self.platforms = {name: Recorder(name) for name in ("slack", "telegram")}
        self.alarm = Alarm(self.store, self.platforms, TEAM, Catalogue(), self.clock.monotonic)

    async def writes(self, seconds: float = 0.0) -> None:
        """Somebody writes once a second for so long, and the alarm looks each time."""
        for _ in range(int(seconds) + 1):
            with suppress(StoreUnavailable):
                await self.store.write(one)
            await self.alarm.look()
            self.clock.at += 1

    def read(self, platform: str) -> list[str]:
        return [call.message.text for call in self.platforms[platform].done if isinstance(call.message, Line)]


def one(connection: Connection) -> int:
    return connection.exec_driver_sql("SELECT 1").scalar_one()


@pytest.fixture
async def trouble(tmp_path: Path) -> AsyncIterator[Trouble]:
    made = Trouble(fresh(tmp_path / "herald.db"))
    await made.store.open()
    yield made
    await made.store.close()


def told(key: str, language: str) -> str:
    return Catalogue().say(language, key, reason="database or disk is full")


async def test_trouble_is_told_once_and_its_end_once(trouble: Trouble) -> None:
    trouble.disk.full = True
    await trouble.writes(120)
    assert trouble.read("slack") == [told("alarm.store", "en")]
    assert trouble.read("telegram") == [told("alarm.store", "zh")]
    trouble.disk.full = False
    await trouble.writes(2 * QUIET)
    assert trouble.read("slack") == [told("alarm.store", "en"), told("alarm.store_works", "en")]
    assert trouble.read("telegram") == [told("alarm.store", "zh"), told("alarm.store_works", "zh")]
    trouble.disk.full = True
    await trouble.writes(2 * PATIENCE)
    assert len(trouble.read("slack")) == 3


async def test_a_short_lock_is_nobodys_business(trouble: Trouble) -> None:
    trouble.disk.full = True
    await trouble.writes(PATIENCE - 2)
    trouble.disk.full = False
    await trouble.writes(60)
    assert trouble.read("slack") == []


async def test_it_is_not_over_while_nothing_was_tried(trouble: Trouble) -> None:
    """Silence is no proof: before the end is told, something is written."""
    trouble.disk.full = True
    await trouble.writes(2 * PATIENCE)
    trouble.clock.at += 10 * QUIET
    await trouble.alarm.look()
    assert len(trouble.read("slack")) == 1


async def test_that_some_writes_go_through_does_not_end_it(trouble: Trouble) -> None:
    trouble.disk.full = True
    await trouble.writes(2 * PATIENCE)
    for _ in range(10):
        trouble.disk.full = False
        await trouble.writes(QUIET / 3)
        trouble.disk.full = True
        await trouble.writes()
    assert len(trouble.read("slack")) == 1


@pytest.mark.parametrize("error", [Refused("no rights"), Unclear("cut off")])
async def test_a_platform_that_does_not_take_it_keeps_nobody_else_from_reading(
    trouble: Trouble, error: Exception
) -> None:
    trouble.platforms["slack"].fates.append(failing(error))
    trouble.disk.full = True
    await trouble.writes(60)
    assert (trouble.read("slack"), len(trouble.read("telegram"))) == ([], 1)


async def test_what_a_unit_raises_is_no_trouble_of_the_store(trouble: Trouble) -> None:
    def wrong(connection: Connection) -> None:
        raise ValueError("a fault of ours")

    for _ in range(20):
        with pytest.raises(ValueError, match="ours"):
            await trouble.store.write(wrong)
        (result,) = await trouble.store.write_many([wrong])
        assert isinstance(result, ValueError)
        await trouble.writes()
    assert trouble.read("slack") == []
