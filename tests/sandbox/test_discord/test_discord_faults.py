"""Native polls, members, rate limits, and the misbehaviour that can be asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from bot.sandbox.frame import ControlError, Fault

from .conftest import DEADLINE, Local

POLL: dict[str, Any] = {
    "question": {"text": "Tea?"},
    "answers": [{"poll_media": {"text": "green"}}, {"poll_media": {"text": "black"}}],
    "duration": 2,
}


def vote(message: str, member: str, *options: int) -> dict[str, Any]:
    return {"channel": "community", "message_id": message, "member": member, "options": list(options)}


async def test_votes_are_counted_and_can_be_changed(local: Local) -> None:
    async with local.session() as socket:
        message = (await local.post({"poll": POLL})).body["id"]
        await local.server.vote(vote(message, "ana", 1))
        assert (await socket.event("MESSAGE_POLL_VOTE_ADD"))["answer_id"] == 2
        await local.server.vote(vote(message, "ana", 0))
        assert (await socket.event("MESSAGE_POLL_VOTE_REMOVE"))["answer_id"] == 2
        assert (await socket.event("MESSAGE_POLL_VOTE_ADD"))["answer_id"] == 1
        voters = await local.rest("GET", f"/channels/{local.community}/polls/{message}/answers/1")
        assert [u["username"] for u in voters.body["users"]] == ["ana"]
        with pytest.raises(ControlError, match="one answer only"):
            await local.server.vote(vote(message, "ana", 0, 1))
        with pytest.raises(ControlError, match="answers 0 to 1"):
            await local.server.vote(vote(message, "ana", 2))
        await local.server.vote(vote(message, "ana"))
        got = await local.rest("GET", f"/channels/{local.community}/messages/{message}")
        assert got.body["poll"]["results"] == {"answer_counts": [], "is_finalized": False}


async def test_a_poll_ends_when_its_time_is_over(local: Local) -> None:
    async with local.session() as socket:
        message = (await local.post({"poll": POLL})).body["id"]
        await local.server.vote(vote(message, "ana", 1))
        local.frame.clock.advance(2 * 3600 + 1)
        updated = await socket.event("MESSAGE_UPDATE")
        assert updated["poll"]["results"] == {
            "answer_counts": [{"id": 2, "count": 1, "me_voted": False}],
            "is_finalized": True,
        }
        result = await socket.event("MESSAGE_CREATE")
        assert (result["type"], result["message_reference"]["message_id"]) == (46, message)
        assert local.server.seen("community", None, None)[-1].text == "Tea?\nblack"
        with pytest.raises(ControlError, match="ended"):
            await local.server.vote(vote(message, "ana", 0))


async def test_the_bot_can_end_its_poll_but_not_edit_it(local: Local) -> None:
    message = (await local.post({"poll": POLL})).body["id"]
    refused = await local.rest("PATCH", f"/channels/{local.community}/messages/{message}", {"content": "x"})
    assert (refused.status, refused.code) == (400, 520003)
    path = f"/channels/{local.community}/polls/{message}/expire"
    assert (await local.rest("POST", path)).body["poll"]["results"]["is_finalized"] is True
    assert (await local.rest("POST", path)).code == 520001
    plain = (await local.post({"content": "no poll"})).body["id"]
    assert (await local.rest("POST", f"/channels/{local.community}/polls/{plain}/expire")).code == 520006


async def test_members_and_roles_are_found(local: Local) -> None:
    made = local.server.member(
        "ana", {"name": "Ana", "roles": ["approver"], "joined_at": "2024-01-02T03:04:05+00:00"}, None
    )
    assert local.server.member("ana", {}, None)["member_id"] == made["member_id"]
    guild = made["tenant"]
    got = (await local.rest("GET", f"/guilds/{guild}/members/{made['member_id']}")).body
    assert (got["user"]["global_name"], got["roles"]) == ("Ana", [made["roles"]["approver"]])
    assert got["joined_at"].startswith("2024-01-02T03:04:05")
    names = {r["name"] for r in (await local.rest("GET", f"/guilds/{guild}/roles")).body}
    assert names == {"@everyone", "Herald", "approver"}
    listed = await local.rest("GET", f"/guilds/{guild}/members?limit=10")
    assert "ana" in [m["user"]["username"] for m in listed.body]
    found = await local.rest("GET", f"/guilds/{guild}/members/search?query=An&limit=5")
    assert [m["user"]["username"] for m in found.body] == ["ana"]
    with pytest.raises(ControlError, match="no moment"):
        local.server.member("ana", {"joined_at": "yesterday"}, None)


async def test_who_has_left_cannot_write(local: Local) -> None:
    local.server.member("ana", {"left": True}, None)
    with pytest.raises(ControlError, match="has left"):
        await local.say("still here?")


async def test_a_direct_conversation_is_opened(local: Local) -> None:
    ana = local.server.member("ana", {}, None)["member_id"]
    opened = await local.rest("POST", "/users/@me/channels", {"recipient_id": ana})
    assert opened.body["type"] == 1
    assert (await local.post({"content": "psst"}, channel=opened.body["id"])).status == 200
    assert [s.text for s in local.server.seen("dm", "ana", None)] == ["psst"]
    assert local.server.seen("dm", "ben", None) == []


async def test_a_channel_that_is_not_there_is_named(local: Local) -> None:
    with pytest.raises(ControlError, match="community, review, general"):
        await local.say("x", channel="nowhere")
    with pytest.raises(ControlError, match="no guild"):
        local.server.seen("community", None, "Nowhere")


async def test_without_limits_no_rate_limit_headers_are_sent(local: Local) -> None:
    replies = [await local.post({"content": str(n)}) for n in range(60)]
    assert {r.status for r in replies} == {200}
    assert not any(h.lower().startswith("x-ratelimit") for r in replies for h in r.headers)


async def test_a_channel_takes_five_messages_in_five_seconds(limited: Local) -> None:
    replies = [await limited.post({"content": str(n)}) for n in range(6)]
    assert [r.status for r in replies] == [200] * 5 + [429]
    assert [r.headers["X-RateLimit-Remaining"] for r in replies[:5]] == ["4", "3", "2", "1", "0"]
    refused = replies[-1]
    assert (refused.body["global"], refused.headers["X-RateLimit-Scope"]) == (False, "user")
    assert refused.headers["Via"]
    assert 0 < refused.body["retry_after"] <= 5
    other = str(limited.server.channels()["general"])
    assert (await limited.post({"content": "elsewhere"}, channel=other)).status == 200
    limited.frame.clock.advance(5)
    assert (await limited.post({"content": "later"})).status == 200


async def test_fifty_requests_a_second_over_all(limited: Local) -> None:
    channels = [await limited.rest("GET", f"/channels/{n}") for n in range(51)]
    assert [r.status for r in channels[:50]] == [404] * 50
    assert (channels[50].status, channels[50].body["global"]) == (429, True)
    hook = await limited.rest("POST", f"/webhooks/{limited.me}/nonsense", {"content": "x"})
    assert hook.status == 401


async def test_edits_of_old_messages_are_limited(limited: Local) -> None:
    message = (await limited.post({"content": "old"})).body["id"]
    limited.frame.clock.advance(3700)
    path = f"/channels/{limited.community}/messages/{message}"
    for _ in range(5):
        assert (await limited.rest("PATCH", path, {"content": "x"})).status == 200
    limited.frame.clock.advance(6)
    refused = await limited.rest("PATCH", path, {"content": "x"})
    assert (refused.status, refused.code) == (429, 30046)


async def test_429_and_500_do_nothing_and_are_marked(local: Local) -> None:
    await local.server.fault(Fault("429", seconds=7.0))
    refused = await local.post({"content": "a"})
    assert (refused.status, refused.body["retry_after"], refused.headers["Retry-After"]) == (429, 7.0, "7")
    await local.server.fault(Fault("500"))
    assert (await local.post({"content": "a"})).status == 500
    assert local.server.seen("community", None, None) == []
    assert [r.get("fault") for r in local.frame.journal.rows] == ["429", "500"]
    assert (await local.post({"content": "a"})).status == 200


async def test_a_fault_hits_what_it_matches_and_spares_the_login(local: Local) -> None:
    await local.server.fault(Fault("500"))
    await local.server.fault(Fault("500", match="茶"))
    assert (await local.rest("GET", "/users/@me")).status == 200
    assert (await local.rest("PUT", f"/applications/{local.me}/commands", [])).status == 200
    assert (await local.post({"content": "x"})).status == 500
    assert (await local.post({"content": "y"})).status == 200
    assert (await local.post({"content": "有茶吗"})).status == 500


async def test_a_swallowed_reply_is_done_and_never_answered(local: Local) -> None:
    await local.server.fault(Fault("swallow_reply"))
    task = asyncio.create_task(local.post({"content": "done"}))
    async with asyncio.timeout(DEADLINE):
        await local.frame.changed.wait()
    row = local.frame.journal.rows[0]
    assert (row["fault"], row["status"], row["response"]["content"]) == ("swallow_reply", 200, "done")
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [s.text for s in local.server.seen("community", None, None)] == ["done"]


async def test_a_reset_cuts_the_connection_before_anything_is_done(local: Local) -> None:
    await local.server.fault(Fault("reset"))
    with pytest.raises(aiohttp.ClientOSError):
        await local.post({"content": "never"})
    assert local.server.seen("community", None, None) == []
    row = local.frame.journal.rows[0]
    assert (row["fault"], row["status"]) == ("reset", None)


async def test_a_slow_answer_comes_in_the_end(local: Local) -> None:
    await local.server.fault(Fault("slow", seconds=0.05))
    assert (await local.post({"content": "late"})).status == 200
    assert local.frame.journal.rows[0]["fault"] == "slow"


async def test_what_the_local_server_does_not_offer_is_refused_honestly(local: Local) -> None:
    refused = await local.rest("GET", f"/guilds/{local.server._world.default.id}/audit-logs")
    assert (refused.status, refused.code) == (403, 50013)
    assert "does not offer" in refused.body["message"]
