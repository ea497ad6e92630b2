"""A forked bot is a bot: what a process finds and what it says do not tell whether it was forked or started afresh."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bot.domain.failpoints import Point
from bot.rehearsal.processes import Process, clean_environment

from .forked import nursery
from .world import Bot, opened, until

PROBE = "tests.faults.probe"


async def probed(process: Process) -> dict[str, Any]:
    """What the probe says of the process that it runs in."""
    line = await process.start("{")
    await process.stop()
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


async def test_a_child_finds_what_a_fresh_process_finds(tmp_path: Path) -> None:
    environment = clean_environment() | {"HERALD_LANGUAGES": '["zh"]'}
    fresh = await probed(Process("probe", ("-m", PROBE, "a", "b"), environment, tmp_path / "fresh.log"))
    async with nursery() as nurse:
        spawned = [await nurse.spawn(("-m", PROBE, "a", "b"), environment) for _ in range(2)]
        told = [json.loads(await child.stdout.readline()) for child in spawned]
        assert [await child.wait() for child in spawned] == [7, 7]
    assert told[0].pop("random") != told[1].pop("random")
    fresh.pop("random")
    for one in told:
        assert one == fresh | {"session": True}


async def test_a_forked_bot_says_and_does_the_same(tmp_path: Path) -> None:
    """The ready line, a failpoint with its exit, a fault of the settings, a stop; with a fresh one in between."""
    async with nursery() as nurse, opened(tmp_path, "telegram") as world:

        async def seen(kind: str) -> list[Any]:
            good, killed, wrong = world.bot(), world.bot("inbox.committed=kill"), world.bot("nowhere=kill")
            await good.ready()
            line = next(one for one in good.last_lines() if one.startswith("herald ready"))
            await good.stop()
            await killed.ready()
            await world.say(f"is anybody there, {kind}?")
            await killed.killed_at(Point.INBOX_COMMITTED)
            await wrong.begin()
            return [line, good.code, killed.code, wrong.code, wrong.last_lines()]

        fresh = await seen("fresh")
        world.nursery = nurse
        forked = await seen("forked")
        assert forked == fresh
        assert forked[1:4] == [0, -9, 1]


async def test_what_was_forked_ends_with_its_nursery(tmp_path: Path) -> None:
    async with opened(tmp_path, "telegram") as world:
        async with nursery() as world.nursery:
            bot: Bot = world.bot()
            await bot.ready()
        assert await asyncio.wait_for(bot.exit_code(), 10) == -9


async def test_a_stop_and_a_kill_reach_a_forked_bot(tmp_path: Path) -> None:
    async with nursery() as nurse:
        child = await nurse.spawn(("-m", PROBE, "wait"), clean_environment())
        await child.stdout.readline()
        status = Path(f"/proc/{child.pid}/status")
        child.send_signal(19)
        await until("it is stopped", lambda: "State:\tT" in status.read_text())
        child.send_signal(18)
        await until("it goes on", lambda: "State:\tT" not in status.read_text())
        child.send_signal(9)
        assert await child.wait() == -9
        with pytest.raises(ProcessLookupError):
            child.send_signal(9)
