"""A disk that takes no more: nothing is acknowledged, and all is stored by itself once there is room again."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from bot.rehearsal.processes import clean_environment

from .ledger import doubled, lost, unfinished, unstored
from .world import Bot, opened, until

pytestmark = pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux' limits on running processes")

TOLD = {
    "telegram": "updates cannot be stored and stay with Telegram",
    "slack": "an event could not be stored, so Slack keeps it",
    "discord": "events wait for the store",
}


def allow(bot: Bot, size: int) -> None:
    """The process may write to its files up to this many bytes from their beginning, and gets an error beyond."""
    assert bot.pid is not None
    _, hard = resource.prlimit(bot.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(bot.pid, resource.RLIMIT_FSIZE, (size, hard))


@pytest.mark.parametrize("platform", list(TOLD))
async def test_a_full_disk_costs_nothing(platform: str, tmp_path: Path) -> None:
    async with opened(tmp_path, platform) as world:
        first = world.bot()
        await first.ready()
        await world.say("good morning")
        await until("reading has begun", lambda: world.settled() and world.count("SELECT count(*) FROM cursors"))
        await first.stop()
        before = world.comments()

        bot = world.bot()
        await bot.ready()
        allow(bot, 1)
        await asyncio.gather(*(world.say(f"What a lovely evening, cup {number}", f"m{number}") for number in range(40)))
        await world.say("When will the jasmine tea be restocked?")
        await until("it says what is wrong", lambda: TOLD[platform] in bot.log.read_text(), seconds=10)
        assert world.comments() == before
        assert unstored(world) == set()

        assert bot.running
        allow(bot, resource.RLIM_INFINITY)
        await until("everything is a row", world.settled)
        await world.offering("approve", "restocked")
        await until("everything is settled", world.settled)
        assert bot.running
        await bot.stop()
        assert bot.code == 0
        assert lost(world) == unstored(world) == set()
        assert doubled(world) == []
        assert unfinished(world) == {}
        assert world.rows("PRAGMA integrity_check") == [("ok",)]


LANGUAGE = """
import resource
from bot.drafting.language import identify
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for size in (1, resource.RLIM_INFINITY):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    print(identify("When will the jasmine tea be restocked?"), flush=True)
"""


def test_a_language_that_cannot_be_told_for_want_of_room_is_told_later() -> None:
    """The model of languages is unpacked into a temporary file at its first use."""
    ran = subprocess.run(
        [sys.executable, "-c", LANGUAGE],
        env=clean_environment(),
        text=True,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert ran.stdout.split() == ["und", "en"]
    assert "languages stay unknown" in ran.stderr
