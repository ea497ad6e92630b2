"""SIGTERM under load: the program ends by itself within ten seconds, and what it was sending is settled."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from .ledger import doubled, lost, undrafted, unstored
from .world import World, opened, until

PLATFORMS = ("telegram", "slack", "discord")
ANSWERING = {"telegram": "/sendMessage", "slack": "chat.postMessage", "discord": "message_reference"}
WISHES = {"review": {"undo_seconds": 0, "card_lines": False}}
REPLIES = 4
SENDING = "SELECT count(*) FROM outbox WHERE kind = 'reply' AND state = 'sending'"


async def chatter(world: World) -> None:
    """Members go on writing."""
    for number in range(200):
        await world.say(f"What a lovely evening, cup {number}", "member")


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_stop_in_the_middle_settles_everything(platform: str, tmp_path: Path) -> None:
    """The platform has made the replies and does not say so, and comments keep coming."""
    async with opened(tmp_path, platform, WISHES) as world:
        bot = world.bot()
        await bot.ready()
        texts = [f"When will the jasmine tea be restocked? I mean tin number {number}." for number in range(REPLIES)]
        asked = [await world.say(text) for text in texts]
        cards = [await world.offering("approve", text) for text in texts]
        await until("the cards are recorded", world.settled)
        fault = {"kind": "swallow_reply", "match": ANSWERING[platform], "times": 100}
        await world.control.post("fault", {"platform": platform, **fault})
        clicking = [asyncio.create_task(world.click(card, "approve")) for card in cards]
        talking = asyncio.create_task(chatter(world))
        await until("replies are being sent", lambda: world.count(SENDING) == REPLIES)

        await bot.stop()  # with SIGKILL after ten seconds, which the exit code would tell
        assert bot.code == 0, "\n".join(bot.last_lines())
        assert world.count("SELECT count(*) FROM outbox WHERE state = 'sending'") == 0
        await asyncio.gather(talking, *clicking, return_exceptions=True)

        await world.control.post("fault", {"platform": platform, **fault, "times": 0})
        last = world.bot()
        await last.ready()
        await until("all is settled", world.settled)
        await last.stop()
        assert last.code == 0
        assert lost(world) == unstored(world) == set()
        assert doubled(world) == undrafted(world) == []
        assert [len(world.replies(message)) for message in asked] == [1] * REPLIES
