"""Starting: one process for each data directory, and a start that dies may be made again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.domain.failpoints import Point
from bot.rehearsal.errors import RehearsalError

from .ledger import doubled, lost, unstored
from .world import opened, until

QUESTION = "When will the jasmine tea be restocked?"


async def test_a_second_process_refuses_and_the_first_goes_on(tmp_path: Path) -> None:
    async with opened(tmp_path, "telegram") as world:
        first, second = world.bot(), world.bot()
        await first.ready()
        with pytest.raises(RehearsalError):
            await second.ready()
        assert second.code == 1
        folder = world.environment["HERALD_DATA_DIR"]
        assert second.last_lines() == (f"herald: another process (pid {first.pid}) uses {folder}",)
        await world.say("still there?")
        await until("the first stores it", world.settled)
        assert first.running
        await first.stop()
        assert first.code == 0
        assert lost(world) == unstored(world) == set()


async def test_a_first_start_may_die_anywhere(tmp_path: Path) -> None:
    async with opened(tmp_path, "telegram") as world:
        await world.say("is anybody there yet?")
        for point in (Point.LOCKED, Point.MIGRATING, Point.MIGRATED, Point.RECOVERED):
            bot = world.bot(f"{point.value}=kill")
            await bot.begin()
            await bot.killed_at(point)
        last = world.bot()
        await last.ready()
        await until("the comment is a row", world.settled)
        await last.stop()
        assert lost(world) == unstored(world) == set()
        assert world.rows("PRAGMA integrity_check") == [("ok",)]


async def test_taking_up_a_doubtful_reply_may_die_anywhere(tmp_path: Path) -> None:
    async with opened(tmp_path, "telegram", {"review": {"undo_seconds": 0}}) as world:
        sending = world.bot(f"{Point.OUTBOX_ANSWERED.value}/reply=kill")
        await sending.ready()
        asked = await world.say(QUESTION)
        card = await world.offering("approve", QUESTION)
        await asyncio.gather(world.click(card, "approve"), sending.killed_at(Point.OUTBOX_ANSWERED))
        for point in (Point.RECOVERING, Point.RECOVER_SETTLED, Point.RECOVERED):
            bot = world.bot(f"{point.value}=kill")
            await bot.begin()
            await bot.killed_at(point)
        last = world.bot()
        await last.ready()
        await world.offering("arrived", QUESTION)
        await until("all is settled", world.settled)
        await last.stop()
        assert world.rows("SELECT state FROM drafts") == [("uncertain",)]
        assert len(world.replies(asked)) == 1
        lines = [one for one in world.happened() if getattr(one, "answers", None) == card]
        assert len(lines) == len(set(lines)) >= 2, "what was decided and what is in doubt are told, each once"
        assert doubled(world) == []
