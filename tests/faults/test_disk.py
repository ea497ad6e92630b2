"""A disk that takes no more: nothing is acknowledged, and all is stored by itself once there is room again."""

from __future__ import annotations

import asyncio
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bot.locales import Catalogue
from bot.rehearsal.journal import Created
from bot.rehearsal.processes import clean_environment

from .ledger import doubled, lost, unfinished, unstored
from .world import Bot, World, opened, until

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


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of this size at this folder."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Leave no room on it; the file that takes it all."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs the system's mount to make a small file system")
async def test_a_disk_without_room_is_told_once_and_forgiven(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", "6m"):
        async with opened(tmp_path, "telegram") as world:
            bot = world.bot()
            await bot.ready()
            await world.say("good morning")
            await until("reading has begun", lambda: world.settled() and world.count("SELECT count(*) FROM cursors"))
            before = world.comments()
            ballast = fill(tmp_path / "data")
            await asyncio.gather(*(world.say(f"A long evening, cup {n} " + "x" * 900, f"m{n}") for n in range(40)))
            await world.say("When will the jasmine tea be restocked?")
            await until("it says what is wrong", lambda: TOLD["telegram"] in bot.log.read_text(), seconds=10)
            await until("the team is told", lambda: len(_told(world, "alarm.store")) == 1)
            assert world.comments() == before

            ballast.unlink()
            await until("everything is a row", world.settled)
            await world.offering("approve", "restocked")
            await until("the team is told that it is over", lambda: len(_told(world, "alarm.store_works")) == 1)
            await until("everything is settled", world.settled)
            assert len(_told(world, "alarm.store")) == 1
            await bot.stop()
            assert bot.code == 0
            assert lost(world) == unstored(world) == set()
            assert doubled(world) == []
            assert world.rows("PRAGMA integrity_check") == [("ok",)]


def _told(world: World, key: str) -> list[str]:
    """The notices of this kind that the bot has written."""
    begin = Catalogue().say("en", key, reason="|").partition("|")[0]
    begins = {begin, Catalogue().say("zh", key, reason="|").partition("|")[0]}
    texts = [one.text for one in world.happened() if isinstance(one, Created)]
    return [text for text in texts if text.startswith(tuple(begins))]


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
