"""What polls need of Discord: votes and their events, private messages with buttons, files, localised commands."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from typing import Any

import aiohttp
import pytest

from bot.sandbox.discord.sessions import Intent
from bot.sandbox.frame import ControlError, Seen

from .conftest import ALL_INTENTS, Local, Socket, meanwhile
from .test_discord_faults import POLL, vote
from .test_discord_interactions import card, pressed, register, typed

VOTE = {"type": 2, "style": 1, "label": "green", "custom_id": "v1|p.a|vote:1|m"}
SHUT = {"type": 2, "style": 1, "label": "black", "custom_id": "v1|p.a|vote:2|m", "disabled": True}
PRIVATE = {"content": "Like this?", "flags": 64, "components": [{"type": 1, "components": [VOTE, SHUT]}]}


async def kinds_heard(socket: Socket, last: str) -> list[str]:
    """The kinds of dispatches up to the first of kind `last`."""
    heard: list[str] = []
    while not heard or heard[-1] != last:
        heard.append(str((await socket.frame())["t"]))
    return heard


@pytest.mark.parametrize("hears", [True, False])
async def test_votes_are_told_to_those_with_the_intent_only(local: Local, hears: bool) -> None:
    intents = ALL_INTENTS if hears else ALL_INTENTS & ~Intent.GUILD_MESSAGE_POLLS
    async with local.session(intents) as socket:
        message = (await local.post({"poll": POLL})).body["id"]
        await local.server.vote(vote(message, "ana", 1))
        await local.say("the end")
        await socket.event("MESSAGE_CREATE")
        assert ("MESSAGE_POLL_VOTE_ADD" in await kinds_heard(socket, "MESSAGE_CREATE")) is hears


async def test_voters_are_listed_in_pages(local: Local) -> None:
    message = (await local.post({"poll": POLL})).body["id"]
    people = [local.server.member(f"fans{n}", {"quiet": True}, None)["member_id"] for n in range(7)]
    for number in range(7):
        await local.server.vote(vote(message, f"fans{number}", 0))
    ids: list[str] = []
    while True:
        after = f"&after={ids[-1]}" if ids else ""
        page = await local.rest("GET", f"/channels/{local.community}/polls/{message}/answers/1?limit=3{after}")
        if not page.body["users"]:
            break
        ids += [user["id"] for user in page.body["users"]]
    assert ids == sorted(people, key=int)
    none = await local.rest("GET", f"/channels/{local.community}/polls/{message}/answers/2")
    assert none.body == {"users": []}
    assert (await local.rest("GET", f"/channels/{local.community}/polls/{message}/answers/1?limit=101")).status == 400


async def test_a_poll_ends_and_says_so_though_nobody_looks(local: Local) -> None:
    async with local.session() as socket:
        message = (await local.post({"poll": POLL})).body["id"]
        await socket.event("MESSAGE_CREATE")
        local.frame.clock.advance(3 * 3600)
        assert (await socket.event("MESSAGE_UPDATE"))["poll"]["results"]["is_finalized"] is True
        assert (await socket.event("MESSAGE_CREATE"))["type"] == 46
    shown = local.server.seen("community", None, None)[0]
    assert (shown.id, shown.poll["closed"], shown.poll["total"]) == (message, True, 0)


async def test_a_private_message_has_buttons_for_one_person(local: Local) -> None:
    async with local.session() as socket:
        await pressed(local, socket, await card(local), 4, PRIVATE)
        preview = local.server.seen("review", "ana", None)[-1]
        assert (preview.private_to, [b["label"] for b in preview.buttons]) == ("ana", ["green", "black"])
        assert preview.id not in [m.id for m in local.server.seen("review", "bo", None)]
        place = {"channel": "review", "message_id": preview.id}
        with pytest.raises(ControlError, match="sees no message"):
            await local.server.click({**place, "member": "bo", "button": "vote:1"})
        with pytest.raises(ControlError, match="is disabled"):
            await local.server.click({**place, "member": "ana", "button": "vote:2"})
        with pytest.raises(ControlError, match="has no button 'vote:3'"):
            await local.server.click({**place, "member": "ana", "button": "vote:3"})
        _, heard = await pressed(local, socket, preview.id, 7, {"content": "Done", "components": []}, "vote:1")
        assert (heard["message"]["flags"], heard["message"]["id"]) == (64, preview.id)
        assert datetime.fromisoformat(heard["member"]["joined_at"]).year > 2000
        assert heard["data"]["custom_id"] == VOTE["custom_id"]
        done = local.server.seen("review", "ana", None)[-1]
        assert (done.id, done.text, done.buttons, done.private_to) == (preview.id, "Done", (), "ana")


async def test_files_of_messages_and_answers_are_seen(local: Local) -> None:
    def upload(payload: str) -> aiohttp.FormData:
        form = aiohttp.FormData()
        form.add_field("payload_json", payload, content_type="application/json")
        form.add_field("files[0]", b"a;b\n", filename="votes.csv", content_type="text/csv")
        return form

    sent = await local.rest("POST", f"/channels/{local.community}/messages", data=upload('{"content": "Here"}'))
    assert sent.status == 200
    expected = [("votes.csv", "text/csv", 4)]
    assert _files(local.server.seen("community", None, None)[-1]) == expected
    async with local.session() as socket:

        async def bot() -> None:
            it = await socket.event("INTERACTION_CREATE")
            path = f"/interactions/{it['id']}/{it['token']}/callback?with_response=1"
            private = upload('{"type": 4, "data": {"content": "Yours", "flags": 64}}')
            assert (await local.rest("POST", path, data=private)).status == 200

        press = {"channel": "review", "member": "ana", "message_id": await card(local), "button": "approve"}
        await meanwhile(local.server.click(press), bot)
    private = local.server.seen("review", "ana", None)[-1]
    assert (private.text, private.private_to, _files(private)) == ("Yours", "ana", expected)


def _files(message: Seen) -> list[tuple[str, str, int]]:
    return [(file["name"], file["type"], file["size"]) for file in message.files]


async def test_a_localised_name_is_the_registered_command(local: Local) -> None:
    line = {"type": 3, "name": "line", "description": "l"}
    names = {"name_localizations": {"zh-CN": "投票"}, "options": [line]}
    await register(local, {"name": "poll", "description": "Ask", **names})
    async with local.session() as socket:
        heard = await typed(local, socket, '/投票 "茶？" "绿茶" "红茶"', data={"flags": 64})
        assert heard["data"]["name"] == "poll"
        assert heard["data"]["options"][0]["value"] == '"茶？" "绿茶" "红茶"'
    await register(local, {"name": "poll", "description": "Ask", "options": [line]})
    with pytest.raises(ControlError, match="no command /投票"):
        await local.server.command({"channel": "review", "member": "ana", "text": "/投票 茶"})


async def test_a_crowd_comes_unannounced(local: Local) -> None:
    async with local.session() as socket:
        local.server.member("fans1", {"quiet": True}, None)
        local.server.member("ana", {}, None)
        joined: list[Any] = [await socket.event("GUILD_MEMBER_ADD")]
        with contextlib.suppress(TimeoutError):
            joined.append(await asyncio.wait_for(socket.event("GUILD_MEMBER_ADD"), 0.2))
        assert [member["user"]["username"] for member in joined] == ["ana"]
