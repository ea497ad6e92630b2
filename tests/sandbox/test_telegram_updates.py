from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote_plus, unquote_to_bytes

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.telegram.http import unquoted

from .client import Client

EVERYTHING = ["message", "edited_message", "callback_query", "message_reaction", "poll", "poll_answer", "chat_member"]


def poll(client: Client, **params: Any) -> asyncio.Task[tuple[int, Any]]:
    return asyncio.create_task(client.try_bot("getUpdates", **params))


async def started(client: Client, polls: int = 1) -> None:
    """Until the server has taken that many polls (a later call on the same server has been answered)."""
    for _ in range(polls + 1):
        await client.bot("getMe")


async def test_updates_are_served_again_until_confirmed(client: Client) -> None:
    for text in ("one", "two", "three"):
        await client.say("ana", text)
    first = await client.updates()
    assert [u["message"]["text"] for u in first] == ["one", "two", "three"]
    assert await client.updates() == first
    rest = await client.updates(offset=first[0]["update_id"] + 1, limit=1)
    assert [u["message"]["text"] for u in rest] == ["two"]
    assert [u["message"]["text"] for u in await client.updates(offset=-1)] == ["three"]
    assert await client.updates(offset=first[2]["update_id"] + 1) == []
    delivered = [row["body"]["update_id"] for row in await client.journal() if row["direction"] == "event"]
    ids = [u["update_id"] for u in first]
    assert delivered == [*ids, *ids, ids[1], ids[2]]


async def test_a_long_poll_ends_with_the_first_update(client: Client) -> None:
    waiting = poll(client, timeout=20)
    await started(client)
    await client.say("ana", "here")
    status, answer = await asyncio.wait_for(waiting, 10)
    assert status == 200
    assert answer["result"][0]["message"]["text"] == "here"


async def test_a_second_poll_ends_the_first(client: Client) -> None:
    waiting = poll(client, timeout=20)
    await started(client)
    assert await client.updates() == []
    status, answer = await asyncio.wait_for(waiting, 10)
    assert status == answer["error_code"] == 409
    assert answer["description"].startswith("Conflict: terminated by other getUpdates request")


async def test_a_member_message_looks_like_telegrams(client: Client) -> None:
    prompt = await client.send("first")
    await client.say(
        "maria", "/poll@herald_sandbox_bot a @maria #tag https://a.example", reply_to=str(prompt["message_id"])
    )
    message = (await client.updates())[0]["message"]
    assert message["chat"] == {
        "id": client.community, "type": "supergroup", "title": "Herald community", "username": "herald_community",
    }  # fmt: skip
    assert message["from"]["username"] == "maria"
    assert message["reply_to_message"]["message_id"] == prompt["message_id"]
    assert "reply_to_message" not in message["reply_to_message"]
    assert "message_thread_id" not in message
    kinds = [(e["type"], message["text"][e["offset"] :][: e["length"]]) for e in message["entities"]]
    assert kinds == [
        ("bot_command", "/poll@herald_sandbox_bot"),
        ("mention", "@maria"),
        ("hashtag", "#tag"),
        ("url", "https://a.example"),
    ]


async def test_reactions_and_members_only_when_asked_for(client: Client) -> None:
    asked = await client.say("ana", "hello")
    place = {"platform": "telegram", "channel": "community", "message_id": asked, "member": "ana"}
    await client.control("react", **place, emoji="👍")
    assert [u.keys() - {"update_id"} for u in await client.updates()] == [{"message"}]
    await client.updates(allowed_updates=EVERYTHING)
    await client.control("react", **place, emoji="heart")
    await client.control("member", platform="telegram", member="ana", roles=["administrator"])
    await client.control("edit", **place, text="hello!")
    await client.control("delete", **place)
    reaction, member, *more, edited = [u for u in await client.updates() if "message" not in u]
    assert reaction["message_reaction"]["old_reaction"] == [{"type": "emoji", "emoji": "👍"}]
    assert reaction["message_reaction"]["new_reaction"] == [{"type": "emoji", "emoji": "❤"}]
    assert member["chat_member"]["old_chat_member"]["status"] == "member"
    assert member["chat_member"]["new_chat_member"]["status"] == "administrator"
    assert all("chat_member" in update for update in more)
    assert edited["edited_message"]["text"] == "hello!"
    status, answer = await client.try_bot("getUpdates", allowed_updates=["telepathy"])
    assert status == 400
    assert "telepathy" in answer["description"]


async def test_bots_do_not_hear_bots(client: Client) -> None:
    await client.control("member", platform="telegram", member="other_bot", is_bot=True)
    await client.say("other_bot", "beep")
    await client.say("ana", "hello")
    assert [u["message"]["from"]["first_name"] for u in await client.updates()] == ["ana"]
    assert len(await client.seen()) == 2


async def test_private_chats_begin_with_the_member(client: Client) -> None:
    user = int((await client.control("member", platform="telegram", member="ana"))["member_id"])
    refusal = await client.refused("sendMessage", chat_id=user, text="hi")
    assert refusal == "Forbidden: bot can't initiate conversation with a user"
    await client.say("ana", "/start", "private")
    update = (await client.updates())[0]["message"]
    assert update["chat"] == {"id": user, "type": "private", "first_name": "ana"}
    await client.bot("sendMessage", chat_id=user, text="welcome")
    assert [m["text"] for m in await client.seen("private", "ana")] == ["/start", "welcome"]
    assert await client.seen("private", "bo") == []
    await client.control("member", platform="telegram", member="ana", roles=["blocked"])
    assert await client.refused("sendMessage", chat_id=user, text="hi") == "Forbidden: bot was blocked by the user"


async def test_a_kicked_bot_is_told_so(client: Client) -> None:
    await client.control("member", platform="telegram", member="herald", left=True)
    refusal = await client.refused("sendMessage", chat_id=client.community, text="hi")
    assert refusal == "Forbidden: bot was kicked from the supergroup chat"
    change = (await client.updates())[0]["my_chat_member"]
    assert change["new_chat_member"]["status"] == "kicked"
    await client.say("ana", "anybody there?")
    assert all("message" not in update for update in await client.updates())


@pytest.mark.parametrize("event", [{"update_id": 5, "message": 7}, {"nonsense": True}, "text", None, [1]])
async def test_raw_events_are_served_as_they_stand(client: Client, event: Any) -> None:
    await client.control("raw", platform="telegram", event=event)
    assert await client.updates(offset=700000001) == [event]
    await client.say("ana", "after")
    later = await client.updates(offset=700000001)
    assert [u["message"]["text"] for u in later] == ["after"]
    injected = [row for row in await client.journal() if row.get("injected")]
    assert [row["body"] for row in injected if row["direction"] == "event"] == [event]
    assert [row["response"]["result"] for row in injected if row["direction"] == "request"] == [[event]]


async def test_updates_are_kept_for_a_day(client: Client) -> None:
    await client.say("ana", "old")
    await client.control("advance", seconds=25 * 3600)
    await client.say("ana", "new")
    assert [u["message"]["text"] for u in await client.updates()] == ["new"]


async def test_a_webhook_is_posted_to_until_it_takes_the_update(client: Client) -> None:
    got: asyncio.Queue[tuple[str | None, Any]] = asyncio.Queue()
    codes = [500, 200, 200]

    async def hook(request: web.Request) -> web.Response:
        await got.put((request.headers.get("X-Telegram-Bot-Api-Secret-Token"), await request.json()))
        return web.Response(status=codes.pop(0))

    app = web.Application()
    app.router.add_post("/hook", hook)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        await client.bot("setWebhook", url=url, secret_token="s3cret")
        status, answer = await client.try_bot("getUpdates")
        assert status == 409
        assert "webhook is active" in answer["description"]
        await client.say("ana", "one")
        await client.say("ana", "two")
        seen = [await asyncio.wait_for(got.get(), 10) for _ in range(3)]
        assert [body["message"]["text"] for _, body in seen] == ["one", "one", "two"]
        assert {secret for secret, _ in seen} == {"s3cret"}
        info = await client.bot("getWebhookInfo")
        assert info["url"] == url
        assert "500" in info["last_error_message"]
        await client.bot("deleteWebhook")
        assert (await client.bot("getWebhookInfo"))["url"] == ""
    finally:
        await runner.cleanup()
    refusal = await client.refused("setWebhook", url="https://example.org/hook")
    assert "127.0.0.1" in refusal


async def test_deaf_polls_are_answered_empty(client: Client) -> None:
    await client.control("fault", platform="telegram", kind="deaf", seconds=0.5)
    await client.say("ana", "unheard")
    assert await client.updates() == []
    found = await client.updates(timeout=10)
    assert [u["message"]["text"] for u in found] == ["unheard"]


async def test_disconnect_cuts_the_waiting_poll(client: Client) -> None:
    waiting = poll(client, timeout=20)
    await started(client)
    await client.control("fault", platform="telegram", kind="disconnect")
    with pytest.raises(aiohttp.ClientError):
        await asyncio.wait_for(waiting, 10)
    status, answer = await client.try_control("fault", platform="telegram", kind="disconnect")
    assert status == 400
    assert "nobody is polling" in answer["error"]


async def test_faults_without_match_leave_polls_alone(client: Client) -> None:
    await client.control("fault", platform="telegram", kind="500")
    assert await client.updates() == []
    assert (await client.try_bot("getMe"))[0] == 500
    await client.control("fault", platform="telegram", kind="429", seconds=7, match="getUpdates")
    await client.bot("getMe")
    async with client.session.get(f"/bot{client.token}/getUpdates") as response:
        answer = await response.json()
    assert response.status == 429
    assert response.headers["Retry-After"] == "7"
    assert answer["parameters"] == {"retry_after": 7}
    assert await client.updates() == []


async def test_a_match_picks_the_call(client: Client) -> None:
    await client.control("fault", platform="telegram", kind="500", match='茶 "und"', times=2)
    codes = [
        (await client.try_bot("sendMessage", chat_id=client.community, text=text))[0]
        for text in ("other", 'das 茶 "und" mehr', "other", 'noch 茶 "und"', 'dann 茶 "und"')
    ]
    assert codes == [200, 500, 200, 500, 200]
    assert len(await client.seen()) == 3


async def test_a_swallowed_reply_is_done_and_journalled(client: Client) -> None:
    await client.control("fault", platform="telegram", kind="swallow_reply", match="sendMessage")
    form = {"chat_id": str(client.community), "text": "did it land?"}
    brief = aiohttp.ClientTimeout(total=0.3)
    with pytest.raises(TimeoutError):
        await client.session.post(f"/bot{client.token}/sendMessage", data=form, timeout=brief)
    assert [m["text"] for m in await client.seen()] == ["did it land?"]
    row = (await client.journal())[-1]
    assert (row["fault"], row["status"], row["response"]["ok"]) == ("swallow_reply", 200, True)
    await client.send("next one is answered")


async def test_a_reset_comes_before_the_work(client: Client) -> None:
    await client.control("fault", platform="telegram", kind="reset", match="sendMessage")
    with pytest.raises(aiohttp.ClientError):
        await client.send("never")
    assert await client.seen() == []
    row = (await client.journal())[-1]
    assert (row["fault"], row["status"]) == ("reset", None)
    assert row["body"] == {"chat_id": client.community, "text": "never"}


async def test_slow_does_the_work_at_once(client: Client) -> None:
    await client.control("fault", platform="telegram", kind="slow", seconds=30, match="sendMessage")
    sending = asyncio.create_task(client.send("slowly"))
    await started(client, 2)
    assert [m["text"] for m in await client.seen()] == ["slowly"]
    assert not sending.done()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[" * 100_000, "application/json"),
        (b'{"a": ', "application/json"),
        (b"[]", "application/json"),
        (b"text=%ff", "application/x-www-form-urlencoded"),
        (b"text=\xff", "application/x-www-form-urlencoded"),
        (b"<xml/>", "text/xml"),
        (b"reply_markup=" + b"[" * 50_000, "application/x-www-form-urlencoded"),
        (b'{"chat_id": 1, "text": "\\ud800"}', "application/json"),
    ],
)
async def test_garbage_is_refused_politely(client: Client, body: bytes, kind: str) -> None:
    url = f"/bot{client.token}/sendMessage"
    async with client.session.post(url, data=body, headers={"Content-Type": kind}) as response:
        assert response.status == 400
        assert json.loads(await response.text())["ok"] is False


@given(st.binary() | st.text(alphabet="%=+&2fF0 茶\n").map(str.encode))
def test_forms_are_read_as_the_standard_library_reads_them(text: bytes) -> None:
    try:
        expected = unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        with pytest.raises(UnicodeDecodeError):
            unquoted(text)
    else:
        assert unquoted(text) == expected


@given(st.text())
def test_what_is_put_into_a_form_comes_out_of_it(text: str) -> None:
    assert unquoted(quote_plus(text).encode()) == text
