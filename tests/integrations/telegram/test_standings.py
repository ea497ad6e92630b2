"""How members of a chat stand: one at a time and not too fast, administrators and boosters where they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from bot.chat.ports import NotSent, Refused, Unclear
from bot.chat.standings import ReadsStandings, Standing
from bot.domain.places import Channel, Member
from bot.integrations.telegram import TelegramConfig, TelegramPlatform, standings
from bot.integrations.telegram.clocks import Clocks

from .conftest import Stage
from .server import TOKEN, Server, Time, refused, serving

CHAT = -1001
HERE = Channel("telegram", "123456", str(CHAT))
HEADS, BOOST = f"administrator@{CHAT}", f"booster@{CHAT}"
MEMBER, HEAD, BOOSTS = "getChatMember", "getChatAdministrators", "getUserChatBoosts"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        running.answers[MEMBER] = lambda sent: person(sent["user_id"])
        yield running


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def platform(server: Server, time: Time) -> AsyncIterator[TelegramPlatform]:
    clocks = Clocks(time.wall, time.wall, time.sleep)
    made = TelegramPlatform(TelegramConfig(TOKEN, server.url, watched=("-55",)), time.wall, clocks)
    yield made
    await made.close()


def member(number: int) -> Member:
    return Member("telegram", "123456", str(number))


def person(number: int, status: str = "member", **more: Any) -> dict[str, Any]:
    return {"status": status, "user": {"id": number, "is_bot": number == 9, "first_name": "x"}, **more}


def boosting(ends: float) -> dict[str, Any]:
    return {"boosts": [{"boost_id": "1", "add_date": 1, "expiration_date": int(ends), "source": {}}]}


@pytest.mark.parametrize(
    ("said", "present"),
    [
        (person(7, "creator"), True),
        (person(7, "administrator"), True),
        (person(7), True),
        (person(7, "restricted", is_member=True), True),
        (person(7, "restricted", is_member=False), False),
        (person(7, "left"), False),
        (person(7, "kicked"), False),
        (refused(400, "Bad Request: user not found"), False),
        (refused(400, "Bad Request: PARTICIPANT_ID_INVALID"), False),
        ({}, False),
    ],
)
async def test_who_is_there(server: Server, platform: TelegramPlatform, said: Any, present: bool) -> None:
    assert isinstance(platform, ReadsStandings)
    server.answers[MEMBER] = lambda _: said
    assert (await platform.standings([member(7)], HERE, []))[member(7)] == Standing(present, frozenset())
    assert server.called(MEMBER) == [{"chat_id": CHAT, "user_id": 7}]


async def test_administrators_are_read_together(server: Server, platform: TelegramPlatform) -> None:
    server.answers[HEAD] = lambda sent: [person(7, "creator")] if sent["chat_id"] == CHAT else []
    found = await platform.standings([member(7), member(8), member(9)], HERE, [HEADS, HEADS, "administrator@-5", "x"])
    assert list(found.values()) == [
        Standing(True, frozenset({HEADS})),
        Standing(True, frozenset()),
        Standing(True, frozenset(), is_bot=True),
    ]
    assert [call["chat_id"] for call in server.called(HEAD)] == [CHAT, -5]
    assert server.called(BOOSTS) == []


async def test_boosters_are_looked_up_where_that_is_asked(
    server: Server, platform: TelegramPlatform, time: Time
) -> None:
    boosts = {7: boosting(time.now + 99), 8: boosting(time.now - 1), 9: {"boosts": []}}
    server.answers[BOOSTS] = lambda sent: boosts[sent["user_id"]]
    server.answers[MEMBER] = lambda sent: person(sent["user_id"], "left" if sent["user_id"] == 6 else "member")
    found = await platform.standings([member(number) for number in (6, 7, 8, 9)], HERE, [BOOST])
    assert [(standing.boosting, standing.roles) for standing in found.values()] == [
        (False, frozenset()),
        (True, frozenset({BOOST})),
        (False, frozenset()),
        (False, frozenset()),
    ]
    assert [call["user_id"] for call in server.called(BOOSTS)] == [7, 8, 9]


async def test_without_the_right_nobody_is_said_not_to_boost(server: Server, platform: TelegramPlatform) -> None:
    server.answers[BOOSTS] = lambda _: refused(400, "Bad Request: CHAT_ADMIN_REQUIRED")
    found = await platform.standings([member(7), member(8)], HERE, [BOOST])
    assert [standing.boosting for standing in found.values()] == [None, None]
    assert len(server.called(BOOSTS)) == 1


async def test_administrators_that_cannot_be_read_are_not_none(server: Server, platform: TelegramPlatform) -> None:
    server.answers[HEAD] = lambda _: refused(400, "Bad Request: chat not found")
    assert (await platform.standings([member(7)], HERE, [HEADS]))[member(7)] == Standing(True, None)


async def test_the_pace_is_kept_over_several_look_ups(server: Server, platform: TelegramPlatform, time: Time) -> None:
    server.answers |= {BOOSTS: lambda _: {"boosts": []}, HEAD: lambda _: []}
    begun = time.now
    for _ in range(2):
        await platform.standings([member(number) for number in range(1, 11)], HERE, [BOOST, HEADS])
    requests = len(server.calls)
    assert requests == 42
    assert time.now - begun == pytest.approx((requests - 1) * standings.EACH, abs=1e-3)


async def test_a_rate_limit_is_waited_for(server: Server, platform: TelegramPlatform, time: Time) -> None:
    limit = {"ok": False, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 33}}
    answers = [web.json_response(limit, status=429), web.Response(status=502)]
    server.answers[MEMBER] = lambda _: answers.pop() if answers else person(7)
    assert (await platform.standings([member(7)], HERE, []))[member(7)].present
    assert 33.0 in time.waits


async def test_what_was_read_before_an_outage_is_given_back(server: Server, platform: TelegramPlatform) -> None:
    server.answers[MEMBER] = lambda sent: person(7) if sent["user_id"] == 7 else web.Response(status=502)
    assert set(await platform.standings([member(7), member(8), member(9)], HERE, [])) == {member(7)}
    with pytest.raises(Unclear):
        await platform.standings([member(8), member(7)], HERE, [])
    server.answers[MEMBER] = lambda _: refused(400, "Bad Request: member list is inaccessible")
    with pytest.raises(Refused):
        await platform.standings([member(8), member(7)], HERE, [])
    limit = {"ok": False, "error_code": 429, "description": "x", "parameters": {"retry_after": 9_999}}
    server.answers[MEMBER] = lambda _: web.json_response(limit, status=429)
    with pytest.raises(NotSent):
        await platform.standings([member(8)], HERE, [])


async def test_who_is_no_person_of_this_bot_is_missing(server: Server, platform: TelegramPlatform) -> None:
    strangers = [Member("telegram", "9", "7"), Member("slack", "123456", "7"), member(-1001), member(10**17)]
    assert await platform.standings(strangers, HERE, [BOOST, HEADS]) == {}
    assert server.calls == []


async def test_a_group_that_moves_is_followed(server: Server, platform: TelegramPlatform) -> None:
    def answer(sent: dict[str, Any]) -> Any:
        if sent["chat_id"] == CHAT:
            return person(7)
        moved = {"ok": False, "description": "upgraded", "parameters": {"migrate_to_chat_id": CHAT}}
        return web.json_response(moved, status=400)

    server.answers[MEMBER] = answer
    found = await platform.standings([member(7), member(8)], Channel("telegram", "123456", "-55"), [])
    assert [standing.present for standing in found.values()] == [True, True]
    assert [call["chat_id"] for call in server.called(MEMBER)] == [-55, CHAT, CHAT]


async def test_it_can_be_cancelled(server: Server, platform: TelegramPlatform) -> None:
    reading = asyncio.create_task(platform.standings([member(number) for number in range(1, 5_000)], HERE, []))
    await server.until(lambda: len(server.calls) > 3)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert len(server.calls) < 100
    assert (await platform.standings([member(7)], HERE, []))[member(7)].present


async def test_in_a_real_group(stage: Stage) -> None:
    booster = (await stage.control("member", member="booster", boosting=True))["member_id"]
    head = (await stage.control("member", member="head", roles=["administrator"]))["member_id"]
    gone = (await stage.control("member", member="gone"))["member_id"]
    await stage.control("member", member="gone", left=True)
    here = stage.channel()
    everybody = [Member("telegram", stage.tenant, one) for one in (booster, head, gone)]
    roles = [f"administrator@{here.channel_id}", f"booster@{here.channel_id}"]
    platform = TelegramPlatform(stage.config())
    found = await platform.standings(everybody, here, roles)
    await platform.close()
    assert list(found.values()) == [
        Standing(True, frozenset({roles[1]}), boosting=True),
        Standing(True, frozenset({roles[0]}), boosting=False),
        Standing(False, frozenset(), boosting=False),
    ]
