"""A backup is made beside a running bot, life goes on, and the backup is restored: nothing is sent a second time."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from faults.world import World, opened, until

from bot.rehearsal.processes import clean_environment

WISHES = {"review": {"undo_seconds": 3600, "card_lines": False}}
DELIVERED = "SELECT count(*) FROM outbox WHERE kind = 'reply' AND state = 'sent'"
PENDING = "SELECT count(*) FROM outbox WHERE kind = 'reply' AND state = 'pending'"
FATE = (
    "SELECT d.state, d.flags, d.error FROM drafts d JOIN comments c ON c.id = d.comment_id"
    " WHERE c.message_id = ? AND NOT c.early"
)


async def herald(world: World, *arguments: str, language: str = "en_GB.UTF-8") -> tuple[int, str]:
    """Run the command line on the world's installation; exit code and all that it said."""
    environment = clean_environment() | world.environment | {"LANG": language}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.parametrize("platform", ["telegram", "slack", "discord"])
async def test_a_restored_backup_sends_nothing_again(platform: str, tmp_path: Path) -> None:
    async with opened(tmp_path, platform, WISHES) as world:
        clock, file = tmp_path / "clock", tmp_path / "backup.db"
        clock.write_text("0")
        bot = world.bot(HERALD_CLOCK_FILE=str(clock))
        await bot.ready()
        texts = [f"When will the jasmine tea be restocked? I mean tin number {number}." for number in range(2)]
        on_its_way, open_then = [await world.say(text) for text in texts]
        cards = [await world.offering("approve", text) for text in texts]
        await world.click(cards[0], "approve")
        await until("the approved reply waits", lambda: world.count(PENDING))

        code, said = await herald(world, "db", "backup", str(file))
        assert code == 0, said
        assert "herald.key" in said
        code, said = await herald(world, "db", "restore", str(file))
        assert code == 1
        assert "Stop it first" in said

        await world.click(cards[1], "approve")
        await until("both wait", lambda: world.count(PENDING) == 2)
        clock.write_text("3700")
        await until("both are delivered", lambda: world.count(DELIVERED) == 2)
        if platform != "telegram":  # what Telegram has delivered it does not tell again
            await world.say("When will the green tea be restocked?")
        await until("all is settled", world.settled)
        await bot.stop()

        code, said = await herald(world, "db", "restore", str(file), language="zh_CN.UTF-8")
        assert code == 0, said
        assert "1 条回复当时正在发送" in said
        assert world.rows(FATE, on_its_way)[0][0::2] == ("uncertain", "restored from a backup")
        assert world.rows(FATE, open_then)[0][0] == "waiting"
        assert "restored" in json.loads(world.rows(FATE, open_then)[0][1])

        again = world.bot(HERALD_CLOCK_FILE=str(clock))
        await again.ready()
        await until("all is settled, and what came after the backup is there", world.settled)
        assert [len(world.replies(message)) for message in (on_its_way, open_then)] == [1, 1]
        await world.offering("drop", texts[0])
        await world.offering("again", texts[0])
        await world.click(await world.offering("arrived", texts[0]), "arrived")
        await until("a person has settled it", lambda: world.rows(FATE, on_its_way)[0][0] == "sent")
        await world.offering("approve", texts[1])
        await until("all is settled", world.settled)
        await again.stop()
        assert [len(world.replies(message)) for message in (on_its_way, open_then)] == [1, 1]


async def test_status_is_read_beside_a_running_bot(tmp_path: Path) -> None:
    async with opened(tmp_path, "telegram", {"review": {"undo_seconds": 0, "card_lines": False}}) as world:
        assert (await herald(world, "status"))[0] == 2
        bot = world.bot()
        await bot.ready()
        await until("it says that it is alive", (world.database.parent / "herald.alive").exists)
        text = "When will the jasmine tea be restocked?"
        await world.say(text)
        card = await world.offering("approve", text)
        await until("all is settled", world.settled)
        code, said = await herald(world, "status")
        assert (code, "All is well." in said) == (0, True), said
        code, said = await herald(world, "status", language="zh_CN.UTF-8")
        assert (code, "一切正常" in said) == (0, True), said
        match = {"platform": "telegram", "kind": "swallow_reply", "match": "sendMessage", "times": 1}
        await world.control.post("fault", match)
        await world.click(card, "approve")
        uncertain = "SELECT count(*) FROM outbox WHERE kind = 'reply' AND state = 'uncertain'"
        await until("the reply is in doubt", lambda: world.count(uncertain))
        code, said = await herald(world, "status", "--json")
        told = json.loads(said)
        assert code == 1
        assert told["wants_person"] == {"uncertain": 1}
        assert told["replies"] == {"telegram": {"uncertain": 1}}
        assert told["drafts"] == {"uncertain": 1}
        await bot.stop()
