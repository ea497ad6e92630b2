"""The gateway: identifying, intents, resuming, close codes and faults."""

from __future__ import annotations

import json

import pytest

from bot.sandbox.frame import Fault

from .conftest import ALL_INTENTS, MESSAGE_CONTENT, Local

GUILD_MESSAGES = 1 << 9


async def test_ready_comes_first_and_then_the_guild(local: Local) -> None:
    async with local.connect() as socket:
        ready = await socket.identify(local.token, shard=[0, 1])
        assert (ready["user"]["username"], ready["shard"], ready["v"]) == ("Herald", [0, 1], 10)
        guild = await socket.event("GUILD_CREATE")
        assert [c["name"] for c in guild["channels"]] == ["community", "review", "general"]
        assert ready["guilds"] == [{"id": guild["id"], "unavailable": True}]


async def test_compression_is_one_stream(local: Local) -> None:
    async with local.connect("?v=10&encoding=json&compress=zlib-stream") as socket:
        await socket.identify(local.token)
        await local.say("packed")
        assert (await socket.event("MESSAGE_CREATE"))["content"] == "packed"


async def test_heartbeats_are_acknowledged(local: Local) -> None:
    async with local.session() as socket:
        await socket.send(1, socket.seq)
        assert (await socket.frame())["op"] == 11


async def test_the_bots_own_message_comes_back_with_its_nonce(local: Local) -> None:
    async with local.session() as socket:
        sent = await local.post({"content": "echo", "nonce": "delivery-7"})
        event = await socket.event("MESSAGE_CREATE")
        assert (event["id"], event["nonce"], event["author"]["id"]) == (sent.body["id"], "delivery-7", local.me)
        assert event["member"]["roles"]


async def test_message_events_follow_what_people_do(local: Local) -> None:
    async with local.session() as socket:
        said = await local.say("a")
        created = await socket.event("MESSAGE_CREATE")
        await local.server.edit({"channel": "community", "member": "ana", "message_id": said, "text": "b"})
        updated = await socket.event("MESSAGE_UPDATE")
        assert (created["content"], updated["content"], updated["id"]) == ("a", "b", said)
        assert updated["edited_timestamp"]
        await local.server.react({"channel": "community", "member": "ana", "message_id": said, "emoji": "👍"})
        assert (await socket.event("MESSAGE_REACTION_ADD"))["emoji"]["name"] == "👍"
        react = {"channel": "community", "member": "ana", "message_id": said, "emoji": "👍", "remove": True}
        await local.server.react(react)
        assert (await socket.event("MESSAGE_REACTION_REMOVE"))["user_id"] == created["author"]["id"]
        await local.server.delete({"channel": "community", "member": "ana", "message_id": said})
        assert (await socket.event("MESSAGE_DELETE"))["id"] == said


async def test_without_the_content_intent_others_messages_are_empty(local: Local) -> None:
    async with local.session(ALL_INTENTS & ~MESSAGE_CONTENT) as socket:
        await local.say("secret")
        assert (await socket.event("MESSAGE_CREATE"))["content"] == ""
        await local.say(f"<@{local.me}> hello")
        assert (await socket.event("MESSAGE_CREATE"))["content"].endswith("hello")
        await local.server.say({"channel": "dm", "member": "ana", "text": "between us"})
        direct = await socket.event("MESSAGE_CREATE")
        assert (direct["content"], "guild_id" in direct) == ("between us", False)
        await local.post({"content": "own"})
        assert (await socket.event("MESSAGE_CREATE"))["content"] == "own"


async def test_events_without_their_intent_do_not_come(local: Local) -> None:
    async with local.session(ALL_INTENTS & ~GUILD_MESSAGES) as socket:
        await local.say("unheard")
        await local.server.say({"channel": "dm", "member": "ana", "text": "heard"})
        assert (await socket.event("MESSAGE_CREATE"))["content"] == "heard"
    types = [row["body"]["content"] for row in local.frame.journal.rows if row.get("type") == "MESSAGE_CREATE"]
    assert types == ["heard"]


async def test_members_come_and_change_and_go(local: Local) -> None:
    async with local.session() as socket:
        local.server.member("new", {}, None)
        assert (await socket.event("GUILD_MEMBER_ADD"))["user"]["username"] == "new"
        role = local.server.member("new", {"roles": ["approver"]}, None)["roles"]["approver"]
        assert (await socket.event("GUILD_ROLE_CREATE"))["role"]["id"] == role
        assert (await socket.event("GUILD_MEMBER_UPDATE"))["roles"] == [role]
        local.server.member("new", {"left": True}, None)
        gone = await socket.event("GUILD_MEMBER_REMOVE")
    found = await local.rest("GET", f"/guilds/{gone['guild_id']}/members/{gone['user']['id']}")
    assert (found.status, found.code) == (404, 10007)


async def test_members_can_be_asked_for(local: Local) -> None:
    ana = local.server.member("ana", {}, None)
    async with local.session() as socket:
        await socket.send(8, {"guild_id": ana["tenant"], "user_ids": [ana["member_id"], "1"], "nonce": "n"})
        chunk = await socket.event("GUILD_MEMBERS_CHUNK")
        assert [m["user"]["username"] for m in chunk["members"]] == ["ana"]
        assert (chunk["not_found"], chunk["nonce"]) == (["1"], "n")


async def test_another_tenant_is_another_guild(local: Local) -> None:
    async with local.session() as socket:
        await local.say("elsewhere", tenant="Second")
        guild = await socket.event("GUILD_CREATE")
        event = await socket.event("MESSAGE_CREATE")
        assert (guild["name"], event["guild_id"]) == ("Second", guild["id"])
        assert event["channel_id"] != local.community
    assert local.server.seen("community", None, None) == []
    assert len(local.server.seen("community", None, "Second")) == 1


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([{"op": 3, "d": {}}], 4003),
        ([{"op": 2, "d": {"token": "wrong", "intents": 0, "properties": {}}}], 4004),
        ([{"op": 99}], 4001),
        ([{"no": "op"}], 4002),
        (["not an object"], 4002),
        ([{"op": 2, "d": {"token": "TOKEN", "intents": 1 << 40, "properties": {}}}], 4013),
        ([{"op": 2, "d": {"token": "TOKEN", "intents": 0, "properties": {}, "shard": [2, 2]}}], 4010),
        ([{"op": 2, "d": {"token": "TOKEN", "intents": 0, "properties": {}}}] * 2, 4005),
        ([{"op": 1, "d": None}] * 121, 4008),
        ([{"op": 3, "d": {"x": "y" * 5000}}], 4002),
    ],
)
async def test_close_codes(local: Local, frames: list[object], code: int) -> None:
    async with local.connect() as socket:
        for frame in frames:
            await socket.ws.send_str(json.dumps(frame).replace("TOKEN", local.token))
        assert await socket.close_code() == code


async def test_a_wrong_version_is_closed(local: Local) -> None:
    async with local.connect("?v=6&encoding=json") as socket:
        assert await socket.close_code() == 4012


async def test_a_resumed_session_gets_what_it_missed(local: Local) -> None:
    async with local.session() as socket:
        await local.server.fault(Fault("disconnect"))
        assert await socket.close_code() == 4000
        missed = await local.say("while away")
        async with local.connect() as again:
            again.seq = socket.seq
            assert (await again.frame())["op"] == 10
            await again.send(6, {"token": local.token, "session_id": socket.session_id, "seq": socket.seq})
            assert (await again.event("MESSAGE_CREATE"))["id"] == missed
            await again.event("RESUMED")
            await local.say("live again")
            assert (await again.event("MESSAGE_CREATE"))["content"] == "live again"


async def test_a_session_cannot_be_resumed_after_some_minutes(local: Local) -> None:
    async with local.session() as socket:
        await local.server.fault(Fault("disconnect"))
        assert await socket.close_code() == 4000
    local.frame.clock.advance(600)
    async with local.connect() as again:
        await again.frame()
        await again.send(6, {"token": local.token, "session_id": socket.session_id, "seq": socket.seq})
        assert await again.frame() == {"op": 9, "d": False, "s": None, "t": None}
        await again.send(2, {"token": local.token, "intents": ALL_INTENTS, "properties": {}})
        await again.event("READY")


async def test_a_client_that_says_goodbye_cannot_resume(local: Local) -> None:
    async with local.session() as socket:
        await socket.ws.close(code=1000)
    async with local.connect() as again:
        await again.frame()
        await again.send(6, {"token": local.token, "session_id": socket.session_id, "seq": socket.seq})
        assert (await again.frame())["op"] == 9


async def test_a_new_session_is_not_told_what_was_before(local: Local) -> None:
    await local.say("before")
    async with local.session() as socket:
        await local.say("after")
        assert (await socket.event("MESSAGE_CREATE"))["content"] == "after"
    assert [r["body"]["content"] for r in local.frame.journal.rows if r.get("type") == "MESSAGE_CREATE"] == ["after"]


async def test_invalid_session_forgets_it(local: Local) -> None:
    async with local.session() as socket:
        await local.server.fault(Fault("invalid_session"))
        assert (await socket.frame())["op"] == 9
        async with local.connect() as again:
            await again.frame()
            await again.send(6, {"token": local.token, "session_id": socket.session_id, "seq": socket.seq})
            assert (await again.frame())["op"] == 9


async def test_a_deaf_connection_acknowledges_heartbeats_and_loses_events(local: Local) -> None:
    async with local.session() as socket:
        await local.server.fault(Fault("deaf", seconds=60))
        await local.say("lost")
        await socket.send(1, socket.seq)
        assert (await socket.frame())["op"] == 11
        await socket.ws.close(code=4900)
        async with local.connect() as again:
            again.seq = socket.seq
            await again.frame()
            await again.send(6, {"token": local.token, "session_id": socket.session_id, "seq": socket.seq})
            await again.event("RESUMED")
            await local.say("heard")
            assert (await again.event("MESSAGE_CREATE"))["content"] == "heard"


async def test_raw_events_are_pushed_as_they_stand(local: Local) -> None:
    async with local.session() as socket:
        await local.server.raw({"t": "MESSAGE_CREATE", "d": {"garbage": True}})
        assert await socket.event("MESSAGE_CREATE") == {"garbage": True}
        await local.server.raw("no json")
        assert (await socket.ws.receive()).data == "no json"
    assert [r["body"] for r in local.frame.journal.rows if r.get("injected")] == [{"garbage": True}, "no json"]


async def test_session_starts_are_counted(local: Local) -> None:
    async with local.session():
        limit = (await local.rest("GET", "/gateway/bot")).body["session_start_limit"]
        assert (limit["total"], limit["remaining"]) == (1000, 999)
    local.frame.clock.advance(86_500)
    assert (await local.rest("GET", "/gateway/bot")).body["session_start_limit"]["remaining"] == 1000
