"""Rate limits, the ban, session starts and shards."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.sandbox.discord import gateway, limits
from bot.sandbox.discord.limits import PUBLISHED, Bucket, Limits
from bot.sandbox.frame import Clock, Fault

from .conftest import ALL_INTENTS, DEADLINE, Local, Socket


async def identify(local: Local, socket: Socket, **more: Any) -> Any:
    assert (await socket.frame())["op"] == 10
    await socket.send(2, {"token": local.token, "intents": ALL_INTENTS, "properties": {}, **more})
    return await socket.frame()


async def test_a_bucket_is_free_again_when_its_headers_said(limited: Local) -> None:
    replies = [await limited.post({"content": str(n)}) for n in range(5)]
    last = replies[-1].headers
    assert (last["X-RateLimit-Limit"], last["X-RateLimit-Remaining"]) == ("5", "0")
    assert len({r.headers["X-RateLimit-Bucket"] for r in replies}) == 1
    assert len({r.headers["X-RateLimit-Reset"] for r in replies}) == 1
    refused = await limited.post({"content": "no"})
    assert refused.status == 429
    assert refused.body["retry_after"] <= 5
    assert int(refused.headers["Retry-After"]) >= refused.body["retry_after"] == 5
    assert refused.headers["X-RateLimit-Scope"] == "user"
    assert "X-RateLimit-Global" not in refused.headers
    limited.frame.clock.advance(float(refused.headers["X-RateLimit-Reset-After"]) + 0.001)
    again = [await limited.post({"content": str(n)}) for n in range(6)]
    assert [r.status for r in again] == [200] * 5 + [429]
    assert again[0].headers["X-RateLimit-Remaining"] == "4"


async def test_routes_and_channels_have_their_own_buckets(limited: Local) -> None:
    first = await limited.post({"content": "x"})
    edit = f"/channels/{limited.community}/messages/{first.body['id']}"
    edited = await limited.rest("PATCH", edit, {"content": "y"})
    assert edited.headers["X-RateLimit-Bucket"] != first.headers["X-RateLimit-Bucket"]
    assert edited.headers["X-RateLimit-Remaining"] == "4"
    elsewhere = await limited.post({"content": "x"}, str(limited.server.channels()["general"]))
    assert elsewhere.headers["X-RateLimit-Remaining"] == "4"
    assert elsewhere.headers["X-RateLimit-Bucket"] == first.headers["X-RateLimit-Bucket"]


async def test_the_global_limit_says_so_and_spares_interactions(limited: Local) -> None:
    channels = limited.server.populate(60, "crowd", None)
    replies = [await limited.post({"content": "x"}, channel) for channel in channels]
    over = replies[50]
    assert [r.status for r in replies] == [200] * 50 + [429] * 10
    assert (over.status, over.body["global"]) == (429, True)
    assert (over.headers["X-RateLimit-Global"], over.headers["X-RateLimit-Scope"]) == ("true", "global")
    assert (await limited.rest("POST", "/interactions/1/t/callback", {"type": 5})).status == 404


def test_ten_thousand_invalid_answers_in_ten_minutes_are_a_ban() -> None:
    clock = Clock()
    counted = Limits(clock, enforced=True)
    most, seconds = limits.INVALID
    for status, scope in ((401, None), (403, None), (429, "user"), (429, "global")):
        for _ in range(most // 4):
            counted.answered(status, scope)
    counted.answered(429, "shared")
    counted.answered(404, None)
    assert counted.banned == 0
    counted.answered(401, None)
    assert limits.BAN_SECONDS - 1 < counted.banned <= limits.BAN_SECONDS
    clock.advance(limits.BAN_SECONDS)
    assert counted.banned == 0
    slow = Limits(clock, enforced=True)
    for _ in range(2 * most):
        clock.advance(seconds / most * 1.01)
        slow.answered(403, None)
    assert slow.banned == 0


async def test_the_banned_get_html_from_cloudflare(limited: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited.server._rest._limits._invalid, "limit", 3)
    for _ in range(4):
        assert (await limited.rest("GET", "/users/@me", headers={"Authorization": "Bot wrong"})).status == 401
    url = limited.frame.base + "/api/v10/users/@me"
    async with limited.http.get(url, headers={"Authorization": f"Bot {limited.token}"}) as response:
        assert (response.status, response.content_type) == (429, "text/html")
        assert int(response.headers["Retry-After"]) > 3000
        assert "Via" not in response.headers
        assert "X-RateLimit-Scope" not in response.headers
        assert "<html>" in await response.text()
    limited.frame.clock.advance(limits.BAN_SECONDS + 1)
    assert (await limited.rest("GET", "/users/@me")).status == 200


async def test_one_answer_can_come_from_cloudflare(local: Local) -> None:
    await local.server.fault(Fault("429", seconds=82_721.0, html=True))
    url = f"{local.frame.base}/api/v10/channels/{local.community}/messages"
    async with local.http.post(url, json={"content": "x"}, headers={"Authorization": f"Bot {local.token}"}) as response:
        assert (response.status, response.content_type) == (429, "text/html")
        assert (response.headers["Retry-After"], "Via" in response.headers) == ("82721", False)
    assert (await local.post({"content": "x"})).status == 200
    assert local.frame.journal.rows[0]["fault"] == "429"


async def test_shards_identify_one_after_the_other(limited: Local) -> None:
    async with limited.connect() as first, limited.connect() as second:
        assert (await identify(limited, first))["t"] == "READY"
        assert (await identify(limited, second)) == {"op": 9, "d": False, "s": None, "t": None}
        limited.frame.clock.advance(limits.IDENTIFY_SECONDS)
        await second.send(2, {"token": limited.token, "intents": 1, "properties": {}})
        assert (await second.frame())["t"] == "READY"
    told = (await limited.rest("GET", "/gateway/bot")).body["session_start_limit"]
    assert (told["remaining"], told["max_concurrency"]) == (998, 1)
    assert 86_300_000 < told["reset_after"] <= 86_400_000


async def test_a_thousand_starts_a_day_reset_the_token(local: Local) -> None:
    async with local.session() as running, local.connect() as fatal:
        local.server._backend.hub.identified.extend([local.frame.clock.now()] * (limits.SESSIONS_PER_DAY - 1))
        assert (await fatal.frame())["op"] == 10
        await fatal.send(2, {"token": local.token, "intents": 1, "properties": {}})
        assert await fatal.close_code() == 4004
        assert await running.close_code() == 4004
    assert (await local.rest("GET", "/users/@me")).status == 401
    local.token = local.server.environment()["HERALD_DISCORD__TOKEN"]
    assert (await local.rest("GET", "/users/@me")).status == 200


async def test_each_guild_is_on_one_shard_and_direct_talk_on_the_first(local: Local) -> None:
    names = [f"guild {number}" for number in range(8)]
    for name in names:
        await local.say("hello", tenant=name)
    async with local.connect() as zero, local.connect() as one:
        guilds = []
        for number, socket in enumerate((zero, one)):
            ready = (await identify(local, socket, shard=[number, 2]))["d"]
            assert ready["shard"] == [number, 2]
            mine = {guild["id"] for guild in ready["guilds"]}
            assert all((int(guild) >> 22) % 2 == number for guild in mine)
            assert {(await socket.event("GUILD_CREATE"))["id"] for _ in mine} == mine
            guilds.append(mine)
        assert guilds[0] | guilds[1] == set(local.server._world.guilds)
        assert guilds[0]
        assert guilds[1]
        for name in names:
            await local.say("to all", tenant=name)
        await local.server.say({"channel": "dm", "member": "ana", "text": "psst"})
        await local.server.say({"channel": "dm", "member": "ana", "text": "over"})
        for name in names:
            await local.say("over", tenant=name)
        for number, socket in enumerate((zero, one)):
            heard: list[Any] = []
            while (event := await socket.event("MESSAGE_CREATE"))["content"] != "over":
                heard.append(event)
            where = {event.get("guild_id") for event in heard}
            theirs = {g for g in guilds[number] if g != local.server._world.default.id}
            assert where == theirs | ({None} if number == 0 else set())


async def test_one_shard_can_be_cut_off(local: Local) -> None:
    async with local.connect() as zero, local.connect() as one:
        for number, socket in enumerate((zero, one)):
            await identify(local, socket, shard=[number, 2])
        await local.server.fault(Fault("disconnect", match="1"))
        assert await one.close_code() == 4000
        await zero.send(1)
        while (await zero.frame())["op"] != 11:
            pass


@pytest.mark.parametrize("shard", [[2, 2], [-1, 2], [0, 0], [0], "0", [0, 2.5], [True, 2]])
async def test_an_impossible_shard_is_refused(local: Local, shard: Any) -> None:
    async with local.connect() as socket:
        await socket.frame()
        await socket.send(2, {"token": local.token, "intents": 1, "properties": {}, "shard": shard})
        assert await socket.close_code() == 4010


async def test_too_many_guilds_for_one_session_need_shards(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "GUILDS_PER_SHARD", 2)
    monkeypatch.setattr("bot.sandbox.discord.guilds._GUILDS_A_SHARD", 2)
    for name in ("two", "three"):
        await local.say("hello", tenant=name)
    assert (await local.rest("GET", "/gateway/bot")).body["shards"] == 2
    async with local.connect() as socket:
        await socket.frame()
        await socket.send(2, {"token": local.token, "intents": 1, "properties": {}})
        assert await socket.close_code() == 4011


async def test_populated_channels_fill_guilds_of_five_hundred(local: Local) -> None:
    ids = local.server.populate(510, "crowd", None)
    assert len(set(ids)) == 510
    assert (await local.post({"content": "x"}, ids[-1])).status == 200
    assert max(len(guild.channels) for guild in local.server._world.guilds.values()) == 500
    assert local.server.populate(510, "crowd", None) == ids
    await local.server.say({"channel": ids[-1], "member": "ana", "text": "here"})
    assert [s.text for s in local.server.seen(ids[-1], None, None)] == ["x", "here"]


async def test_a_late_request_lands_when_its_client_has_left(local: Local) -> None:
    await local.server.fault(Fault("swallow_reply", late=0.2))
    task = asyncio.create_task(local.post({"content": "late", "nonce": "n1", "enforce_nonce": True}))
    await local.rest("GET", "/users/@me")
    await local.rest("GET", "/users/@me")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert local.server.seen("community", None, None) == []
    local.frame.changed.clear()
    async with asyncio.timeout(DEADLINE):
        await local.frame.changed.wait()
    again = await local.post({"content": "late", "nonce": "n1", "enforce_nonce": True})
    assert [s.id for s in local.server.seen("community", None, None)] == [again.body["id"]]


async def test_the_oldest_messages_are_forgotten(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.sandbox.discord.world.KEPT_MESSAGES", 3)
    for number in range(5):
        await local.post({"content": str(number)})
    listed = (await local.rest("GET", f"/channels/{local.community}/messages")).body
    assert [m["content"] for m in listed] == ["4", "3", "2"]


def test_a_window_never_lets_through_more_than_its_places() -> None:
    bucket = Bucket(5, 5.0)
    taken = [now for now in (number / 10 for number in range(300)) if bucket.take(now) == 0]
    assert len(taken) == 30
    windows = [int(now // 5) for now in taken]
    assert max(windows.count(window) for window in windows) == 5


def test_what_is_told_is_what_is_enforced() -> None:
    assert PUBLISHED["routes"]["POST /channels/{channel_id}/messages"] == {"calls": 5, "seconds": 5.0}
    assert PUBLISHED["all"]["calls"] == 50
    assert PUBLISHED["invalid"]["calls"] == 10_000
