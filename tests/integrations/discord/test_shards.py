"""Several gateway connections of one bot: each hears its servers, logs in in its turn, and is watched by itself."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from discord.http import Route

from bot.chat.events import MessagePosted
from bot.chat.messages import Reply
from bot.chat.ports import PlatformDown
from bot.integrations.discord import DiscordConfig, DiscordPlatform
from bot.integrations.discord.logins import DAY, IDENTIFY_APART, MOST_A_DAY, LogIns, Turns
from bot.integrations.discord.progress import Progress, shard_of
from tests.integrations.discord.conftest import RecordingSink, Sandbox, running
from tests.integrations.discord.scripted import BOT, Said, scripted, worker
from tests.integrations.discord.test_logins import BEGUN, Time
from tests.integrations.discord.test_wire_sessions import heard, said

OF_0, OF_1 = str(6 << 22), str(7 << 22)
"""Guilds of the first and the second of two shards."""


@pytest.fixture
def time() -> Time:
    return Time()


# ---- the local Discord


async def home(sandbox: Sandbox, shards: int) -> int:
    """The shard that hears the community."""
    async with worker(sandbox.config()) as platform:
        channel = await platform._api.get(Route("GET", "/channels/{channel}", channel=sandbox.channel().channel_id))
    return shard_of(str(channel["guild_id"]), shards)


async def test_every_shard_logs_in_and_everything_is_heard_once(
    sandbox: Sandbox, sink: RecordingSink, time: Time
) -> None:
    async with running(sandbox.config(shards=3), sink, time.clocks) as platform:
        texts = await said(sandbox, "to all shards", 3)
        await sink.until(lambda: heard(sink, texts) == texts)
        await platform.send(Reply(f"hello {uuid.uuid4().hex}"), sandbox.channel(), uuid.uuid4().hex[:25])
        last = await said(sandbox, "last", 1)
        await sink.until(lambda: heard(sink, last) == last)
    assert heard(sink, texts) == texts
    assert sink.again == []
    kept = {name: len(json.loads(value)) for name, value in sink.facts.items() if "logins" in name}
    assert sorted(name.rpartition(":")[2] for name in kept) == ["0", "1", "2"]
    assert set(kept.values()) == {1}
    # One after the other, as Discord asks of small bots.
    assert time.slept == [IDENTIFY_APART] * 2


async def test_a_process_hears_only_the_shards_that_it_holds(sandbox: Sandbox, sink: RecordingSink) -> None:
    ours = await home(sandbox, 2)
    other = RecordingSink()
    first = sandbox.config(shards=2, shard_ids=(ours,))
    second = sandbox.config(shards=2, shard_ids=(1 - ours,))
    async with running(first, sink), running(second, other):
        texts = await said(sandbox, "for one of them", 3)
        await sink.until(lambda: heard(sink, texts) == texts)
        # What one shard misses it reads back, and the other is not asked to.
        await sandbox("fault", kind="invalid_session", times=1)
        more = await said(sandbox, "and more", 3)
        await sink.until(lambda: len(heard(sink, more)) == len(more))
    assert heard(sink, texts + more) == texts + more
    assert not any(isinstance(one.event, MessagePosted) for one in other.kept)
    assert other.positions == {}


# ---- by the rules


def test_a_new_session_of_a_shard_opens_only_its_own_channels() -> None:
    progress = Progress(["10", "11", "12"], shards=2)
    for shard in (0, 1):
        progress.new_session(shard)
    assert progress.channels(0) == progress.channels(1) == ["10", "11", "12"]
    assert progress.belongs("10", OF_0, 0)
    assert not progress.belongs("10", OF_0, 1)
    assert progress.belongs("11", OF_1, 1)
    assert progress.belongs("12", "", 0)  # a direct conversation is the first shard's
    assert progress.channels(0) == ["10", "12"]
    assert progress.channels(1) == ["11"]
    for channel, shard in (("10", 0), ("11", 1), ("12", 0)):
        progress.saw(channel, 100)
        progress.closed(channel, progress.session(shard), shard)
    progress.new_session(1)
    assert [progress.newest(channel) for channel in ("10", "11", "12")] == [100, None, 100]


def logins(sink: RecordingSink, time: Time, shards: int) -> LogIns:
    return LogIns(sink, 7, time.clocks, shards)


async def test_the_day_s_limit_is_for_all_shards_and_all_processes(sink: RecordingSink, time: Time) -> None:
    mine, theirs = logins(sink, time, 3), logins(sink, time, 3)
    sink.facts["discord:7:logins"] = json.dumps([BEGUN - 100 + at / 10 for at in range(300)])  # before it was sharded
    for _ in range(299):
        await mine.note(0)
        await theirs.note(1)
    assert await mine.wait(2) == 0
    await theirs.note(1)
    await theirs.note(1)
    for shard in range(3):
        with pytest.raises(PlatformDown, match=f"{MOST_A_DAY} log-ins"):
            await mine.wait(shard)
    time.passes(DAY)
    assert await mine.wait(2) == 0


async def test_a_crash_loop_of_many_shards_never_reaches_the_limit(sink: RecordingSink, time: Time) -> None:
    shards, made = 16, 0
    for _ in range(20_000):
        known = logins(sink, time, shards)  # it starts, logs its shards in as soon as it may, and crashes
        try:
            for shard in range(shards):
                time.passes(await known.wait(shard))
                await known.note(shard)
                made += 1
        except PlatformDown:
            break
        time.passes(10)
    assert made == MOST_A_DAY
    assert time.wall - BEGUN < DAY


@dataclass
class Order:
    """Who logged in, and when."""

    time: Time
    turns: Turns
    at: list[tuple[int, float]] = field(default_factory=list)

    async def login(self, shard: int, fails: bool = False) -> None:
        await self.turns.enter(shard)
        await asyncio.sleep(0)
        if not fails:
            self.at.append((shard, self.time.steady))
            self.turns.logged_in(shard)
        self.turns.leave(shard)


@pytest.mark.parametrize("at_once", [1, 2, 16])
async def test_log_ins_that_discord_puts_together_are_five_seconds_apart(time: Time, at_once: int) -> None:
    order = Order(time, Turns(time.clocks, at_once))
    await asyncio.gather(*(order.login(shard) for shard in range(8)))
    assert sorted(shard for shard, _ in order.at) == list(range(8))
    for key in range(at_once):
        times = [at for shard, at in order.at if shard % at_once == key]
        assert all(later - before >= IDENTIFY_APART for before, later in pairwise(times))
    assert len({at for _, at in order.at}) <= 8


async def test_a_turn_that_came_to_nothing_or_was_given_up_holds_nobody_up(time: Time) -> None:
    order = Order(time, Turns(time.clocks))
    await order.turns.enter(0)
    waiting = asyncio.create_task(order.login(1))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    order.turns.leave(0)
    await order.login(2, fails=True)
    async with asyncio.timeout(5):
        await order.login(3)
    assert [shard for shard, _ in order.at] == [3]
    assert time.slept == []
    await order.turns.enter(4)
    order.turns.leave(2)  # not its turn any more
    waiting = asyncio.create_task(order.login(5))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [shard for shard, _ in order.at] == [3]
    order.turns.leave(4)
    async with asyncio.timeout(5):
        await waiting
    assert [shard for shard, _ in order.at] == [3, 5]


async def test_hardly_any_log_in_left_is_told_before_one_is_made(sink: RecordingSink) -> None:
    async with scripted() as server:
        server.always |= {
            ("GET", "/users/@me"): Said(200, BOT),
            ("GET", "/applications/@me"): Said(200, {"id": "7"}),
            ("GET", "/gateway/bot"): Said(
                200, {"session_start_limit": {"total": 2000, "remaining": 199, "max_concurrency": 16}}
            ),
        }
        async with worker(server.config(shards=2)) as platform:
            with pytest.raises(PlatformDown, match="199 of 2000"):
                async with asyncio.timeout(5):
                    await platform.run(sink, lambda: None)
        server.always["GET", "/gateway/bot"] = Said(500, {})
        async with worker(server.config(shards=2, request_timeout=0.5)) as platform:
            running_on = asyncio.create_task(platform.run(sink, lambda: None))
            asked = server.heard.count(("GET", "/users/@me"))
            async with asyncio.timeout(20):
                while server.heard.count(("GET", "/users/@me")) < asked + 2:  # noqa: ASYNC110 - a count has no event
                    await asyncio.sleep(0.01)
            running_on.cancel()
            await asyncio.wait([running_on])


@pytest.fixture(autouse=True)
async def quiet(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    caplog.set_level(logging.INFO, "herald.discord")
    yield


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shards": 2, "shard_ids": (0, 2)}, "numbered 0 to 1"),
        ({"shards": 2, "shard_ids": (-1,)}, "numbered 0 to 1"),
        ({"public_key": "not a key"}, "public_key is no key"),
        ({"public_key": "ab" * 31}, "public_key is no key"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_told(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(PlatformDown, match=words):
        DiscordPlatform(DiscordConfig("a-token", **changes))
