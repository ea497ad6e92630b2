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
REPLIES = 2
AHEAD = 0.5
"""Seconds from writing down that a request is about to be made to its being made, also on a busy machine."""
STATES = "SELECT reply_to, state FROM outbox WHERE kind = 'reply'"
SENDING = "SELECT count(*) FROM outbox WHERE kind = 'reply' AND state = 'sending'"


async def chatter(world: World) -> None:
    """Members go on writing."""
    for number in range(200):
        await world.say(f"What a lovely evening, cup {number}", "member")


async def approved_while(world: World, kind: str, **fault: float) -> list[str]:
    """Approve replies whose requests have this fault; the questions, while at least one reply is on its way."""
    texts = [f"When will the jasmine tea be restocked? I mean tin number {number}." for number in range(REPLIES)]
    asked = [await world.say(text) for text in texts]
    cards = [await world.offering("approve", text) for text in texts]
    await until("the cards are recorded", world.settled)
    told = {"platform": world.platform, "kind": kind, "match": ANSWERING[world.platform], "times": REPLIES}
    await world.control.post("fault", told | fault)
    async with asyncio.TaskGroup() as group:
        for card in cards:
            group.create_task(world.click(card, "approve"))
        await until("replies are being sent", lambda: world.count(SENDING))
    await asyncio.sleep(AHEAD)
    return asked


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_what_is_being_sent_is_sent_to_its_end(platform: str, tmp_path: Path) -> None:
    """A platform that takes a moment is waited for: nobody has to look whether the reply arrived."""
    async with opened(tmp_path, platform, WISHES) as world:
        bot = world.bot()
        await bot.ready()
        asked = await approved_while(world, "slow", seconds=2.0)
        await asyncio.gather(bot.stop(), chatter(world))
        assert bot.code == 0, "\n".join(bot.last_lines())
        replies = dict(world.rows(STATES))
        assert set(replies.values()) <= {"sent", "pending"}
        assert [len(world.replies(message)) for message in asked] == [replies[message] == "sent" for message in asked]
        assert "sent" in replies.values()
        assert unstored(world) == set()
        assert doubled(world) == []


@pytest.mark.parametrize("platform", ["discord"])  # whose client closes slowest
async def test_a_stop_does_not_wait_for_ever(platform: str, tmp_path: Path) -> None:
    """The platform has made the replies and never says so: they are in doubt, not left in the middle."""
    async with opened(tmp_path, platform, WISHES) as world:
        bot = world.bot()
        await bot.ready()
        asked = await approved_while(world, "swallow_reply")
        await bot.stop()  # with SIGKILL after ten seconds, which the exit code would tell
        assert bot.code == 0, "\n".join(bot.last_lines())
        assert set(dict(world.rows(STATES)).values()) <= {"uncertain", "sent", "pending"}
        last = world.bot()
        await last.ready()
        await until("all is settled", world.settled)
        await last.stop()
        assert last.code == 0
        assert lost(world) == unstored(world) == set()
        assert doubled(world) == undrafted(world) == []
        assert max(len(world.replies(message)) for message in asked) == 1
