"""Updates posted to a webhook."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from aiohttp import web

from bot.sandbox.telegram import webhook

from .client import Client
from .hooked import Hook, Posted, hooked

SECRET = "s3cret-A_b"


def texts(hook: Hook) -> list[str]:
    return [posted.json["message"]["text"] for posted in hook.posted]


async def acts(client: Client) -> list[dict[str, Any]]:
    """The journal's rows of answers to deliveries."""
    return [row for row in await client.journal() if row["platform"] == "hook"]


async def test_setting_reading_and_taking_back(client: Client) -> None:
    async with hooked() as hook:
        await client.say("ana", "before")
        kinds = ["message", "callback_query"]
        assert await client.bot(
            "setWebhook",
            url=hook.url,
            secret_token=SECRET,
            max_connections=7,
            allowed_updates=kinds,
            drop_pending_updates=True,
        )
        await client.say("ana", "after")
        posted = await hook.next()
        assert posted.json["message"]["text"] == "after"
        assert posted.headers["X-Telegram-Bot-Api-Secret-Token"] == SECRET
        assert posted.headers["Content-Type"] == "application/json"
        info = await client.bot("getWebhookInfo")
        assert (info["url"], info["max_connections"], info["allowed_updates"]) == (hook.url, 7, kinds)
        assert SECRET not in str(await client.journal())
        await client.bot("deleteWebhook")
        await client.say("ana", "polled")
        assert [u["message"]["text"] for u in await client.updates()] == ["polled"]
        assert len(hook.posted) == 1


async def test_setting_a_webhook_ends_the_waiting_poll(client: Client) -> None:
    async with hooked() as hook:
        waiting = asyncio.create_task(client.try_bot("getUpdates", timeout=20))
        await client.bot("getMe")
        await client.bot("getMe")
        await client.bot("setWebhook", url=hook.url)
        status, answer = await asyncio.wait_for(waiting, 10)
        assert (status, answer["error_code"]) == (409, 409)
        assert "setWebhook" in answer["description"]


@pytest.mark.parametrize("url", ["https://example.org/x", "ftp://127.0.0.1/x", "http://10.0.0.1:443/x", "nonsense"])
async def test_other_computers_are_not_posted_to(client: Client, url: str) -> None:
    assert "127.0.0.1" in await client.refused("setWebhook", url=url)


async def test_an_update_comes_again_until_it_is_taken_and_counts_as_pending(client: Client) -> None:
    release = asyncio.Event()

    async def held(_posted: object) -> web.Response:
        await release.wait()
        return web.Response()

    async with hooked() as hook:
        hook.plan = [web.Response(status=500), web.Response(status=302), held]
        await client.bot("setWebhook", url=hook.url)
        await client.say("ana", "one")
        await client.say("ana", "two")
        for _ in range(3):
            await hook.next()
        info = await client.bot("getWebhookInfo")
        assert info["pending_update_count"] == 2
        assert info["last_error_message"] == "Wrong response from the webhook: 302 Found"
        assert info["last_error_date"] > 0
        release.set()
        await hook.next()
        assert texts(hook) == ["one", "one", "one", "two"]
        assert [row["status"] for row in await acts(client)][:3] == [500, 302, 200]
        pushed = [row["body"]["update_id"] for row in await client.journal() if row["direction"] == "event"]
        assert [row["body"]["update_id"] for row in await acts(client)][:3] == pushed[:3]


async def test_chats_do_not_wait_for_each_other_but_keep_their_order(client: Client) -> None:
    release = asyncio.Event()

    async def held(_posted: object) -> web.Response:
        await release.wait()
        return web.Response()

    async with hooked() as hook:
        hook.plan = [held]
        await client.bot("setWebhook", url=hook.url, max_connections=2)
        await client.say("ana", "held")
        await hook.next()
        await client.say("ana", "behind")
        for number in range(3):
            await client.say("bo", f"elsewhere {number}", "general")
        for _ in range(3):
            await hook.next()
        assert texts(hook) == ["held", "elsewhere 0", "elsewhere 1", "elsewhere 2"]
        release.set()
        await hook.next()
        assert texts(hook)[-1] == "behind"
        assert hook.most_open == 2


async def test_each_chat_gets_all_its_updates_in_order_whatever_fails(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "LONGEST_WAIT", 0.01)
    dice, taken = random.Random(7), []

    def moody(posted: Posted) -> web.Response:
        if dice.random() < 0.4:
            return web.Response(status=dice.choice([302, 400, 429, 500]))
        taken.append(posted.json["message"])
        return web.Response()

    async with hooked() as hook:
        hook.otherwise = moody
        people = (await client.control("populate", platform="telegram", count=8, prefix="p"))["ids"]
        await client.bot("setWebhook", url=hook.url, max_connections=4)
        says = [{"channel": "dm", "member": dice.choice(people), "text": str(number)} for number in range(80)]
        await client.control("say_many", platform="telegram", says=says)
        async with asyncio.timeout(20):
            while (await client.bot("getWebhookInfo"))["pending_update_count"]:
                pass
    for person in people:
        expected = [say["text"] for say in says if say["member"] == person]
        assert [m["text"] for m in taken if str(m["chat"]["id"]) == person] == expected


async def test_no_more_connections_than_allowed(client: Client) -> None:
    release = asyncio.Event()

    async def held(_posted: object) -> web.Response:
        await release.wait()
        return web.Response()

    async with hooked() as hook:
        hook.otherwise = held
        people = (await client.control("populate", platform="telegram", count=6, prefix="p"))["ids"]
        await client.bot("setWebhook", url=hook.url, max_connections=3)
        says = [{"channel": "dm", "member": person, "text": "hi"} for person in people]
        await client.control("say_many", platform="telegram", says=says)
        for _ in range(3):
            await hook.next()
        assert (await client.bot("getWebhookInfo"))["pending_update_count"] == 6
        assert len(hook.posted) == 3
        release.set()
        for _ in range(3):
            await hook.next()
        assert hook.most_open == 3


async def test_a_method_in_the_answer_is_carried_out(client: Client) -> None:
    async with hooked() as hook:
        call = {"method": "sendMessage", "chat_id": client.community, "text": "by the answer"}
        hook.plan = [web.json_response(call), web.json_response({"method": "getMe"})]
        await client.bot("setWebhook", url=hook.url)
        await client.say("ana", "one")
        await client.say("ana", "two")
        await hook.next()
        await hook.next()
        await client.say("ana", "three")
        await hook.next()
        assert "by the answer" in [m["text"] for m in await client.seen()]
        calls = [
            r["path"] for r in await client.journal() if r["platform"] == "telegram" and r["direction"] == "request"
        ]
        assert calls == ["/bot***/setWebhook", "/bot***/sendMessage"]


@pytest.mark.parametrize(("kind", "arrives"), [("swallow_reply", True), ("reset", False)])
async def test_faults_of_deliveries(client: Client, kind: str, arrives: bool) -> None:
    async with hooked() as hook:
        await client.bot("setWebhook", url=hook.url)
        await client.control("fault", platform="telegram", kind=kind, match="delivery")
        await client.send("a message about its delivery")
        await client.say("ana", "once")
        await hook.next()
        if arrives:
            await hook.next()
        assert texts(hook) == ["once"] * (1 + arrives)
        first = (await acts(client))[0]
        assert (first["fault"], first["status"]) == (kind, 200 if arrives else None)


async def test_deafness_holds_deliveries_back(client: Client) -> None:
    async with hooked() as hook:
        await client.bot("setWebhook", url=hook.url)
        await client.control("fault", platform="telegram", kind="deaf", seconds=600)
        await client.say("ana", "unheard")
        await client.bot("getMe")
        assert hook.posted == []
        await client.control("fault", platform="telegram", kind="deaf", times=0)
        assert (await hook.next()).json["message"]["text"] == "unheard"


async def test_raw_updates_are_posted_as_they_stand(client: Client) -> None:
    async with hooked() as hook:
        await client.bot("setWebhook", url=hook.url)
        for event in ({"update_id": 5, "nonsense": {}}, {"update_id": 5, "nonsense": {}}, "no update"):
            await client.control("raw", platform="telegram", event=event)
            assert (await hook.next()).json == event


async def test_a_late_swallowed_call_lands_when_its_client_has_left(client: Client) -> None:
    await client.control("fault", platform="telegram", kind="swallow_reply", match="late", late=0.2)
    sending = asyncio.create_task(client.send("late one"))
    await client.bot("getMe")
    await client.bot("getMe")
    assert await client.seen() == []
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert await client.seen() == []
    async with asyncio.timeout(10):
        while not (rows := [row for row in await client.journal() if row.get("fault")]):
            await client.bot("getMe")
    assert [m["text"] for m in await client.seen()] == ["late one"]
    assert (rows[0]["fault"], rows[0]["status"]) == ("swallow_reply", 200)
    status, answer = await client.try_control("fault", platform="telegram", kind="500", late=1)
    assert (status, "late" in answer["error"]) == (400, True)
