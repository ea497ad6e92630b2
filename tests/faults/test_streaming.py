"""kill -9 again and again while comments stream in: every one of them is a row in the end, exactly once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.domain.failpoints import Point

from .ledger import doubled, lost, undrafted, unfinished, unstored
from .world import Bot, World, opened, until

COMMENTS = 2000
SPEAKERS = 8
SEED = 20240611
QUESTIONS = (
    "When will the jasmine tea be restocked?",
    "茶什么时候补货？",
    "Do you ship to New Zealand?",
    "收到的盖碗碎了，怎么办？",
)
ASKED_EVERY = 20

KILLS: dict[str, tuple[tuple[Point, int], ...]] = {
    # Batches of a hundred updates: a point is passed a few times only.
    "telegram": (
        (Point.TELEGRAM_CONFIRMING, 2),
        (Point.HANDLER_AFTER, 90),
        (Point.OUTBOX_ANSWERED, 5),
    ),
    "slack": (
        (Point.SLACK_ACKNOWLEDGING, 60),
        (Point.ROUTER_PREPARED, 3),
        (Point.BACKFILLED, 2),
    ),
    "discord": (
        (Point.DISCORD_STORED, 3),
        (Point.OUTBOX_SENDING, 5),
        (Point.BACKFILLED, 1),
    ),
}
AT_RANDOM = 2


def text(number: int) -> str:
    if number % ASKED_EVERY == 0:
        return f"{QUESTIONS[number // ASKED_EVERY % len(QUESTIONS)]} ({number})"
    return f"What a lovely evening, cup {number} 🌙"


class Stream:
    """Members write, several at once, as many comments as are let through."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._left: Iterator[int] = iter(range(1, COMMENTS + 1))
        self._allowed = asyncio.Semaphore(0)

    def let(self, count: int) -> None:
        for _ in range(count):
            self._allowed.release()

    async def flow(self) -> None:
        async with asyncio.TaskGroup() as group:
            for speaker in range(SPEAKERS):
                group.create_task(self._speak(f"member{speaker}"))

    async def _speak(self, member: str) -> None:
        for number in self._left:
            await self._allowed.acquire()
            await self._world.say(text(number), member)


async def killed_in_the_middle(world: World, bot: Bot, after: int) -> None:
    """Kill it as soon as so many more comments are rows: that is in the middle, whatever the machine's speed."""
    await until(f"{after} comments are rows", lambda: world.comments() >= after)
    await bot.kill()


async def begun(world: World) -> None:
    """The first start notes where reading began: what is said from then on may not be missed."""
    bot = world.bot()
    await bot.ready()
    await world.say("good morning everybody")
    position = "SELECT count(*) FROM cursors"
    await until("the first position is kept", lambda: world.count(position) and world.comments())
    await bot.kill()


@pytest.mark.parametrize("platform", list(KILLS))
async def test_nothing_is_lost_or_doubled(platform: str, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    async with opened(tmp_path, platform, forked=True) as world:
        await begun(world)
        stream = Stream(world)
        flowing = asyncio.create_task(stream.flow())
        share = COMMENTS // (len(KILLS[platform]) + AT_RANDOM + 1)
        for point, turn in KILLS[platform]:
            bot = world.bot(f"{point.value}=kill:{turn}")
            stream.let(share // 2)  # some while it is away, some while it runs
            starting = asyncio.create_task(bot.begin())
            stream.let(share - share // 2)
            await starting
            await bot.killed_at(point)
        for _ in range(AT_RANDOM):
            bot = world.bot()
            await bot.ready()
            stream.let(share)
            await killed_in_the_middle(world, bot, world.comments() + chance.randrange(1, share // 2))
        last = world.bot()
        await last.ready()
        stream.let(COMMENTS)
        await flowing
        await until("all is settled", world.settled)
        assert last.running, "\n".join(last.last_lines())
        await last.stop()

        assert len(world.said) == COMMENTS + 1
        assert lost(world) == set()
        assert unstored(world) == set()
        assert doubled(world) == []
        assert undrafted(world) == []
        left = unfinished(world)
        left.pop("event new", None)  # all were handled above: these came again in the moment of the stop
        assert left == {}
        assert world.count("SELECT count(*) FROM drafts") >= COMMENTS // ASKED_EVERY
