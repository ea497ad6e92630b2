"""How members of a server stand: few of them singly, many by pages of the list, and in as few requests as it takes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from bot.chat.ports import NotSent, Refused, Unclear
from bot.chat.standings import ReadsStandings, Standing
from bot.domain.places import Channel, Member
from bot.integrations.discord import DiscordPlatform, standings
from bot.integrations.discord.fields import seconds_of
from tests.integrations.discord.conftest import Sandbox
from tests.integrations.discord.scripted import CHANNEL, GUILD, Said, Scripted, scripted, worker

HERE = Channel("discord", GUILD, CHANNEL)
LIST = "GET", f"/guilds/{GUILD}/members"
JOINED = "2024-06-10T06:14:20.000000+00:00"
CLOSED = Said(403, {"code": 50001, "message": "Missing Access"})
NOBODY = Said(404, {"code": 10007, "message": "Unknown Member"})


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scripted]:
    monkeypatch.setattr("bot.chat.standings.PAUSES", (0.0, 0.0))
    async with scripted() as running:
        yield running


@pytest.fixture
async def platform(server: Scripted) -> AsyncIterator[DiscordPlatform]:
    async with worker(server.config()) as sending:
        yield sending


def member(number: int, guild: str = GUILD) -> Member:
    return Member("discord", guild, str(number))


def shown(number: int, **more: Any) -> dict[str, Any]:
    user = {"id": str(number), "username": "x", **more.pop("user", {})}
    return {"user": user, "roles": [], "joined_at": JOINED, "premium_since": None, **more}


def single(number: int) -> tuple[str, str]:
    return "GET", f"/guilds/{GUILD}/members/{number}"


def populate(server: Scripted, there: Sequence[int]) -> None:
    """A server with these members, ordered by id as Discord's are."""

    def page(query: dict[str, str]) -> Said:
        after, limit = int(query["after"]), int(query["limit"])
        return Said(200, [shown(one) for one in sorted(there) if one > after][:limit])

    server.asked[LIST] = page


async def test_few_are_read_singly_with_all_that_discord_tells(server: Scripted, platform: DiscordPlatform) -> None:
    assert isinstance(platform, ReadsStandings)
    ana, ben, bot = 10_000_000_001, 10_000_000_002, 10_000_000_003
    server.always[single(ana)] = Said(200, shown(ana, roles=["7", "8"], premium_since=JOINED))
    server.always[single(ben)] = NOBODY
    server.always[single(bot)] = Said(200, shown(bot, user={"bot": True}, joined_at=None))
    asked = [member(ana), member(ben), member(bot)]
    found = await platform.standings(asked, HERE, ["7", "9", GUILD])
    assert found == {
        member(ana): Standing(True, frozenset({"7", GUILD}), 1_718_000_060.0, seconds_of(str(ana)), boosting=True),
        member(ben): Standing(False, frozenset(), None, seconds_of(str(ben)), boosting=False),
        member(bot): Standing(True, frozenset({GUILD}), None, seconds_of(str(bot)), boosting=False, is_bot=True),
    }
    assert len(server.heard) == 3


async def test_who_is_of_another_place_is_missing_and_nobody_is_no_request(
    server: Scripted, platform: DiscordPlatform
) -> None:
    strangers = [member(5, "99"), Member("slack", GUILD, "5"), Member("discord", GUILD, "ana")]
    assert await platform.standings(strangers, HERE, []) == {}
    with pytest.raises(Refused) as refused:
        await platform.standings([member(5)], Channel("discord", "dm-5", "6"), [])
    assert refused.value.code == "no_guild"
    assert server.heard == []


async def test_many_are_read_by_pages_in_as_few_requests_as_can_be(
    server: Scripted, platform: DiscordPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against servers of all densities: everybody is told right, and no page is read in vain."""
    monkeypatch.setattr(standings, "PAGE", 3)
    monkeypatch.setattr(standings, "FEW", 0)
    chance = random.Random(5)
    for _ in range(60):
        size = chance.choice([0, 1, 3, 4, 9, 30])
        there = chance.sample(range(1, 60), size)
        asked = chance.sample(range(1, 60), chance.choice([1, 2, 5, 20, 59]))
        populate(server, there)
        server.heard.clear()
        found = await platform.standings([member(one) for one in asked], HERE, [])
        assert {int(one.user_id): standing.present for one, standing in found.items()} == {
            one: one in there for one in asked
        }
        assert 1 <= len(server.heard) <= min(len(asked), -(-size // 3) + 1)


async def test_a_large_server_is_read_by_thousands(server: Scripted, platform: DiscordPlatform) -> None:
    populate(server, range(1, 2_501))
    found = await platform.standings([member(one) for one in range(2, 2_700)], HERE, [])
    assert sum(standing.present for standing in found.values()) == 2_499
    assert len(found) == 2_698
    assert [(query["limit"], query["after"]) for query in server.queries] == [
        ("1000", "1"),
        ("1000", "1001"),
        ("1000", "2001"),
        ("1000", "2500"),
    ]


async def test_a_short_page_is_not_the_end(server: Scripted, platform: DiscordPlatform) -> None:
    there = range(1, 31)
    server.asked[LIST] = lambda query: Said(200, [shown(one) for one in there if one > int(query["after"])][:4])
    found = await platform.standings([member(one) for one in range(1, 41)], HERE, [])
    assert sum(standing.present for standing in found.values()) == 30


async def test_without_the_intent_everybody_is_read_singly(server: Scripted, platform: DiscordPlatform) -> None:
    server.always[LIST] = CLOSED
    for number in range(1, 9):
        server.always[single(number)] = NOBODY if number == 3 else Said(200, shown(number))
    found = await platform.standings([member(one) for one in range(1, 9)], HERE, [])
    assert [int(one.user_id) for one, standing in found.items() if not standing.present] == [3]
    assert len(found) == 8
    assert server.heard.count(LIST) == 1


async def test_a_server_that_is_closed_to_the_bot_is_told(server: Scripted, platform: DiscordPlatform) -> None:
    server.always[LIST] = CLOSED
    for number in range(1, 9):
        server.always[single(number)] = CLOSED
    with pytest.raises(Refused) as refused:
        await platform.standings([member(one) for one in range(1, 9)], HERE, [])
    assert refused.value.code == "50001"
    assert len(server.heard) <= 5  # not one for each: every one of them counts as an invalid request
    server.always[LIST] = Said(404, {"code": 10004})
    with pytest.raises(Refused):
        await platform.standings([member(one) for one in range(1, 9)], HERE, [])
    assert server.heard[-1] == LIST


async def test_what_was_read_before_an_outage_is_given_back(
    server: Scripted, platform: DiscordPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standings, "PAGE", 3)
    pages = [Said(200, [shown(1), shown(2), shown(3)])]
    server.asked[LIST] = lambda _: pages.pop() if pages else Said(503, {})
    asked = [member(one) for one in range(1, 9)]
    assert {int(one.user_id) for one in await platform.standings(asked, HERE, [])} == {1, 2, 3}
    with pytest.raises(Unclear):
        await platform.standings(asked, HERE, [])


async def test_a_rate_limit_is_waited_for(server: Scripted, platform: DiscordPlatform) -> None:
    pages = [Said(200, []), Said(200, [shown(1)]), Said(429, {"retry_after": 0.05}), Said(500, {})]
    server.asked[LIST] = lambda _: pages.pop()
    found = await platform.standings([member(one) for one in range(1, 9)], HERE, [])
    assert [standing.present for standing in found.values()].count(True) == 1
    assert pages == []


@pytest.mark.parametrize("body", ["<html>", {}, [{"user": {}}], [shown(1)]])
async def test_a_page_that_is_none_calls_nobody_absent(
    server: Scripted, platform: DiscordPlatform, body: object
) -> None:
    server.always[LIST] = Said(200, body)
    with pytest.raises((Unclear, NotSent)):
        await platform.standings([member(one) for one in range(2, 9)], HERE, [])


async def test_it_can_be_cancelled(server: Scripted, platform: DiscordPlatform) -> None:
    for number in range(1, 4):
        server.always[single(number)] = Said(never=True)
    before = asyncio.all_tasks()
    asked = asyncio.Event()
    server.asked[single(1)] = lambda _: asked.set() or Said(never=True)  # type: ignore[func-returns-value]
    reading = asyncio.create_task(platform.standings([member(one) for one in range(1, 4)], HERE, []))
    await asked.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not {task for task in asyncio.all_tasks() - before if "standings" in task.get_name()}
    server.asked[single(1)] = lambda _: Said(200, shown(1))
    assert (await platform.standings([member(1)], HERE, []))[member(1)].present


async def test_in_a_real_server(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standings, "PAGE", 5)
    crowd = await sandbox("crowd", prefix="fan", count=12)
    ids, guild = crowd["ids"], crowd["tenant"]
    booster = await sandbox("member", member="booster", boosting=True, joined_at=1_718_000_060.0, roles=["vip"])
    gone = await sandbox("member", member="gone")
    await sandbox("member", member="gone", left=True)
    here = Channel("discord", guild, sandbox.channel().channel_id)
    everybody = [member(int(one), guild) for one in (*ids, booster["member_id"], gone["member_id"])]
    async with worker(sandbox.config()) as platform:
        listed = await platform.standings(everybody, here, [guild])
        monkeypatch.setattr(standings, "FEW", 100)
        assert await platform.standings(everybody, here, [guild]) == listed
    there, away = listed[everybody[-2]], listed[everybody[-1]]
    assert (there.present, there.boosting, there.joined_at) == (True, True, 1_718_000_060.0)
    assert (away.present, away.boosting, away.roles) == (False, False, frozenset())
    assert len(listed) == 14
