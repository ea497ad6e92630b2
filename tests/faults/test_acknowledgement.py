"""kill -9 exactly before and exactly after each platform is told that an event is ours."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.domain.failpoints import Point

from .ledger import doubled, lost, unfinished, unstored
from .world import World, opened, until

BEFORE_AND_AFTER = {
    # At a start the first poll confirms what the run before had stored: the new comments' is the second.
    "telegram": ((Point.TELEGRAM_CONFIRMING, 2), (Point.TELEGRAM_CONFIRMED, 2)),
    "slack": ((Point.SLACK_ACKNOWLEDGING, 1), (Point.SLACK_ACKNOWLEDGED, 1)),
    # Discord is told nothing: before and after the store has them.
    "discord": ((Point.DISCORD_TAKEN, 1), (Point.DISCORD_STORED, 1)),
}


async def said(world: World, kind: str, count: int = 6) -> None:
    """So many members write at the same moment."""
    await asyncio.gather(*(world.say(f"{kind}: cup {number} of the evening", f"m{number}") for number in range(count)))


@pytest.mark.parametrize("platform", list(BEFORE_AND_AFTER))
async def test_no_comment_is_lost_at_the_acknowledgement(platform: str, tmp_path: Path) -> None:
    async with opened(tmp_path, platform, forked=True) as world:
        first = world.bot()
        await first.ready()
        await said(world, "start")
        position = "SELECT count(*) FROM cursors"
        await until("the first comments are rows", lambda: world.settled() and world.count(position))
        await first.kill()
        for point, turn in BEFORE_AND_AFTER[platform]:
            bot = world.bot(f"{point.value}=kill:{turn}")
            await bot.ready()
            await said(world, point.value)
            await bot.killed_at(point)
        last = world.bot()
        await last.ready()
        await until("every comment is a row", world.settled)
        await last.stop()
        assert lost(world) == set()
        assert unstored(world) == set()
        assert doubled(world) == []
        assert unfinished(world) == {}


AT_THE_CLICK = {
    "telegram": (Point.TELEGRAM_CONFIRMING, 2),
    "slack": (Point.SLACK_ACKNOWLEDGED, 1),
    "discord": (Point.DISCORD_ANSWERED, 1),
}
QUESTION = "When will the jasmine tea be restocked?"
DECISIONS = "SELECT count(*) FROM decisions WHERE action = 'approve'"


@pytest.mark.parametrize("platform", list(AT_THE_CLICK))
async def test_a_click_counts_from_the_moment_it_is_stored(platform: str, tmp_path: Path) -> None:
    """One that died before it was on disk has changed nothing; one that was acknowledged is carried out."""
    async with opened(tmp_path, platform, {"review": {"undo_seconds": 1}}) as world:
        first = world.bot()
        await first.ready()
        asked = await world.say(QUESTION)
        card = await world.offering("approve", QUESTION)
        await until("the card is recorded", world.settled)
        await first.kill()

        unwritten = world.bot(f"{Point.INBOX_WRITTEN.value}=kill")
        await unwritten.ready()
        await asyncio.gather(world.click(card, "approve"), unwritten.killed_at(Point.INBOX_WRITTEN))
        assert world.count(DECISIONS) == 0

        point, turn = AT_THE_CLICK[platform]
        acknowledged = world.bot(f"{point.value}=kill:{turn}")
        if platform == "telegram":  # which delivers the unacknowledged press again by itself
            await acknowledged.begin()
        else:
            await acknowledged.ready()
            await world.click(card, "approve")
        await acknowledged.killed_at(point)

        last = world.bot()
        await last.ready()
        await until("the reply is recorded", lambda: world.settled() and world.count(DECISIONS))
        await last.stop()
        assert world.count(DECISIONS) == 1
        assert unstored(world) == set()
        assert len(world.replies(asked)) == 1
