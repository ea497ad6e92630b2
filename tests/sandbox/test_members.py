"""What the platforms tell of their members, and what reaches them privately: over the wire, as a bot asks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.sandbox.server import RunningSandbox, start

IN_2024 = 1_718_000_000.0
DISCORD_EPOCH = 1_420_070_400


class Town:
    """All platforms, their control interface, and a bot's calls."""

    def __init__(self, sandbox: RunningSandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox, self.session, self.env = sandbox, session, sandbox.environment
        self.channels = sandbox.control.channels()
        self.guild = ""

    async def control(self, name: str, **fields: Any) -> Any:
        async with self.session.post(f"/control/{name}", json=fields) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def refused(self, name: str, **fields: Any) -> str:
        async with self.session.post(f"/control/{name}", json=fields) as response:
            assert response.status == 400
            return str((await response.json())["error"])

    async def member(self, platform: str, name: str, **fields: Any) -> str:
        made = await self.control("member", platform=platform, member=name, **fields)
        if platform == "discord":
            self.guild = made["tenant"]
        return str(made["member_id"])

    async def look(self, name: str, **query: str) -> Any:
        async with self.session.get(f"/control/{name}", params=query) as response:
            answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def discord(self, verb: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bot {self.env['HERALD_DISCORD__TOKEN']}"}
        more = {} if body is None else {"json": body}
        async with self.session.request(verb, f"/api/v10{path}", headers=headers, **more) as response:
            return response.status, await response.json()

    async def slack(self, method: str, **args: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.env['HERALD_SLACK__BOT_TOKEN']}"}
        async with self.session.post(f"/api/{method}", json=args, headers=headers) as response:
            return await response.json()

    async def telegram(self, method: str, **params: Any) -> Any:
        async with self.session.post(f"/bot{self.env['HERALD_TELEGRAM__TOKEN']}/{method}", json=params) as response:
            return await response.json()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    sandbox = await start(0, tmp_path / "journal.jsonl", limits=False)
    try:
        async with aiohttp.ClientSession(sandbox.base, timeout=aiohttp.ClientTimeout(total=20)) as session:
            yield Town(sandbox, session)
    finally:
        await sandbox.stop()


async def test_discord_tells_account_age_joining_roles_and_boosts(town: Town) -> None:
    user = await town.member("discord", "ana", created=IN_2024, joined_at=IN_2024 + 60, roles=["vip"], boosting=True)
    assert abs((int(user) >> 22) / 1000 + DISCORD_EPOCH - IN_2024) < 1
    status, found = await town.discord("GET", f"/guilds/{town.guild}/members/{user}")
    assert status == 200
    assert found["joined_at"].startswith("2024-06-10T06:14:20")
    assert len(found["roles"]) == 1
    assert found["premium_since"] is not None
    await town.member("discord", "ana", boosting=False)
    assert (await town.discord("GET", f"/guilds/{town.guild}/members/{user}"))[1]["premium_since"] is None
    assert "already" in await town.refused("member", platform="discord", member="ana", created=0)


async def test_discord_forgets_who_has_left(town: Town) -> None:
    user = await town.member("discord", "ana", boosting=True)
    await town.member("discord", "ana", left=True)
    status, found = await town.discord("GET", f"/guilds/{town.guild}/members/{user}")
    assert (status, found["code"]) == (404, 10007)


async def test_discord_lists_members_by_page_if_the_intent_is_on(town: Town) -> None:
    made = await town.control("crowd", platform="discord", prefix="fan", count=25, created=IN_2024)
    guild, wanted = made["tenant"], set(made["ids"])
    assert len(wanted) == 25
    assert all(abs((int(user) >> 22) / 1000 + DISCORD_EPOCH - IN_2024) < 1 for user in wanted)
    listed, after = [], "0"
    while True:
        status, page = await town.discord("GET", f"/guilds/{guild}/members?limit=10&after={after}")
        assert status == 200
        listed += [one["user"]["id"] for one in page]
        if len(page) < 10:
            break
        after = listed[-1]
    assert sorted(listed, key=int) == listed
    assert wanted <= set(listed)
    assert (await town.discord("GET", f"/guilds/{guild}/members?limit=1001"))[0] == 400
    assert await town.control("intents", platform="discord", intents=["message_content"]) == {
        "intents": ["message_content"]
    }
    status, refusal = await town.discord("GET", f"/guilds/{guild}/members?limit=10")
    assert (status, refusal["code"]) == (403, 50001)
    flags = (await town.discord("GET", "/applications/@me"))[1]["flags"]
    assert (flags & 1 << 15, flags & 1 << 19) == (0, 1 << 19)
    assert (await town.discord("GET", f"/guilds/{guild}/members/{made['ids'][0]}"))[0] == 200


async def test_a_session_may_not_ask_for_an_intent_that_is_off(town: Town) -> None:
    await town.control("intents", platform="discord", intents=[])
    async with town.session.ws_connect(town.env["HERALD_DISCORD__GATEWAY_URL"] + "?v=10&encoding=json") as ws:
        await ws.receive()
        identify = {"token": town.env["HERALD_DISCORD__TOKEN"], "intents": 1 << 1, "properties": {}}
        await ws.send_json({"op": 2, "d": identify})
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 4014
    assert "intent" in await town.refused("intents", platform="discord", intents=["telepathy"])
    assert "no intents" in await town.refused("intents", platform="slack", intents=[])


@pytest.mark.parametrize("why", ["blocked", "left"])
async def test_a_discord_member_who_takes_no_messages_cannot_be_reached(town: Town, why: str) -> None:
    user = await town.member("discord", "ana")
    status, channel = await town.discord("POST", "/users/@me/channels", {"recipient_id": user})
    assert status == 200
    status, _ = await town.discord("POST", f"/channels/{channel['id']}/messages", {"content": "You won"})
    assert status == 200
    (shown,) = (await town.look("channel", platform="discord", channel="dm", member="ana"))["messages"]
    assert (shown["text"], shown["private_to"]) == ("You won", "ana")
    await town.member("discord", "ana", **{why: True})
    status, refusal = await town.discord("POST", f"/channels/{channel['id']}/messages", {"content": "You won"})
    assert (status, refusal["code"]) == (403, 50007)
    await town.member("discord", "ana", **{why: False})
    assert (await town.discord("POST", f"/channels/{channel['id']}/messages", {"content": "Still?"}))[0] == 200


async def test_telegram_tells_who_is_there_and_who_boosts(town: Town) -> None:
    user, group = int(await town.member("telegram", "ana", boosting=True)), town.channels["telegram/community"]
    assert (await town.telegram("getChatMember", chat_id=group, user_id=user))["result"]["status"] == "member"
    (boost,) = (await town.telegram("getUserChatBoosts", chat_id=group, user_id=user))["result"]["boosts"]
    assert boost["source"]["user"]["id"] == user
    assert boost["expiration_date"] > boost["add_date"]
    await town.member("telegram", "ana", left=True)
    assert (await town.telegram("getChatMember", chat_id=group, user_id=user))["result"]["status"] == "left"
    assert (await town.telegram("getUserChatBoosts", chat_id=group, user_id=user))["result"] == {"boosts": []}
    kinds = [next(k for k in u if k != "update_id") for u in (await town.telegram("getUpdates"))["result"]]
    assert kinds == ["chat_boost"] * 3 + ["removed_chat_boost"] * 3
    await town.member("telegram", "bob")
    banned = int(await town.member("telegram", "bob", roles=["banned"]))
    assert (await town.telegram("getChatMember", chat_id=group, user_id=banned))["result"]["status"] == "kicked"


async def test_boosts_are_for_administrators_eyes(town: Town) -> None:
    user, group = int(await town.member("telegram", "ana")), town.channels["telegram/community"]
    await town.member("telegram", "herald", roles=[])
    refusal = await town.telegram("getUserChatBoosts", chat_id=group, user_id=user)
    assert (refusal["error_code"], refusal["description"]) == (400, "Bad Request: CHAT_ADMIN_REQUIRED")


async def test_a_telegram_member_who_blocked_the_bot_cannot_be_reached(town: Town) -> None:
    user = int(await town.member("telegram", "ana"))
    assert (await town.telegram("sendMessage", chat_id=user, text="x"))["error_code"] == 403
    await town.control("say", platform="telegram", channel="dm", member="ana", text="/start")
    assert (await town.telegram("sendMessage", chat_id=user, text="You won"))["ok"]
    shown = (await town.look("channel", platform="telegram", channel="dm", member="ana"))["messages"][-1]
    assert (shown["text"], shown["private_to"]) == ("You won", "ana")
    await town.member("telegram", "ana", blocked=True)
    refusal = await town.telegram("sendMessage", chat_id=user, text="x")
    assert refusal["description"] == "Forbidden: bot was blocked by the user"
    await town.member("telegram", "ana", blocked=False)
    assert (await town.telegram("sendMessage", chat_id=user, text="x"))["ok"]


async def test_slack_tells_who_is_in_groups_and_who_has_left(town: Town) -> None:
    user = await town.member("slack", "ana", roles=["vip"], created=IN_2024)
    (group,) = [g for g in (await town.slack("usergroups.list"))["usergroups"] if g["handle"] == "vip"]
    assert (await town.slack("usergroups.users.list", usergroup=group["id"]))["users"] == [user]
    opened = await town.slack("conversations.open", users=user)
    assert (await town.slack("chat.postMessage", channel=opened["channel"]["id"], text="You won"))["ok"]
    (shown,) = (await town.look("channel", platform="slack", channel="dm", member="ana"))["messages"]
    assert (shown["text"], shown["private_to"]) == ("You won", "ana")
    await town.member("slack", "ana", left=True)
    assert (await town.slack("users.info", user=user))["user"]["deleted"] is True
    assert (await town.slack("usergroups.users.list", usergroup=group["id"]))["users"] == []
    assert (await town.slack("conversations.open", users=user))["error"] == "user_disabled"
    assert "block" in await town.refused("member", platform="slack", member="ana", blocked=True)


async def test_slack_lists_members_by_cursor(town: Town) -> None:
    made = await town.control("crowd", platform="slack", prefix="fan", count=30)
    for method, args, name in (
        ("users.list", {}, "members"),
        ("conversations.members", {"channel": town.channels["slack/community"]}, "members"),
    ):
        listed: list[str] = []
        cursor = ""
        while True:
            answer = await town.slack(method, limit=11, **args, **({"cursor": cursor} if cursor else {}))
            listed += [one if isinstance(one, str) else one["id"] for one in answer[name]]
            cursor = answer["response_metadata"]["next_cursor"]
            if not cursor:
                break
        assert set(made["ids"]) <= set(listed)
        assert len(listed) == len(set(listed))


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("https://pictures.example.com/tea.png", True),
        ("https://pictures.invalid/tea.png", False),
        ("http://localhost:8080/tea.png", False),
        ("http://127.0.0.1/tea.png", False),
        ("ftp://pictures.example.com/tea.png", False),
        ("https://[broken", False),
    ],
)
@pytest.mark.parametrize("place", ["block", "accessory", "context"])
async def test_slack_refuses_pictures_that_it_cannot_fetch(town: Town, address: str, taken: bool, place: str) -> None:
    picture = {"type": "image", "image_url": address, "alt_text": "tea"}
    words = {"type": "mrkdwn", "text": "Tea"}
    block = {
        "block": picture,
        "accessory": {"type": "section", "text": words, "accessory": picture},
        "context": {"type": "context", "elements": [words, picture]},
    }[place]
    where = {"block": "/blocks/1", "accessory": "/blocks/1/accessory", "context": "/blocks/1/elements/1"}[place]
    answer = await town.slack(
        "chat.postMessage", channel=town.channels["slack/community"], text="Tea", blocks=[{"type": "divider"}, block]
    )
    assert answer["ok"] is taken
    if not taken:
        problem = f"downloading image failed [json-pointer:{where}/image_url]"
        assert (answer["error"], answer["errors"]) == ("invalid_blocks", [problem])
        assert answer["response_metadata"]["messages"] == [f"[ERROR] {problem}"]


async def test_files_can_be_read_where_they_hang(town: Town) -> None:
    proof = {"spec": "fdraw/1", "名": "茶"}
    text = json.dumps(proof, ensure_ascii=False)
    form = aiohttp.FormData()
    form.add_field("payload_json", json.dumps({"content": "proof"}), content_type="application/json")
    form.add_field("files[0]", text.encode(), filename="proof.json", content_type="application/json")
    headers = {"Authorization": f"Bot {town.env['HERALD_DISCORD__TOKEN']}"}
    path = f"/api/v10/channels/{town.channels['discord/community']}/messages"
    async with town.session.post(path, data=form, headers=headers) as response:
        assert response.status == 200
    form = aiohttp.FormData()
    form.add_field("chat_id", str(town.channels["telegram/community"]))
    form.add_field("document", text.encode(), filename="proof.json", content_type="application/json")
    async with town.session.post(f"/bot{town.env['HERALD_TELEGRAM__TOKEN']}/sendDocument", data=form) as response:
        assert response.status == 200
    ticket = await town.slack("files.getUploadURLExternal", filename="proof.json", length=len(text.encode()))
    async with town.session.post(ticket["upload_url"], data=text.encode()):
        pass
    done = {"files": [{"id": ticket["file_id"]}], "channel_id": town.channels["slack/community"]}
    assert (await town.slack("files.completeUploadExternal", **done))["ok"]
    for platform in ("slack", "discord", "telegram"):
        message = (await town.look("channel", platform=platform, channel="community"))["messages"][-1]
        (file,) = message["files"]
        found = await town.look("file", platform=platform, id=file["id"])
        assert (found["name"], found["type"], found["size"]) == ("proof.json", "application/json", len(text.encode()))
        assert json.loads(found["text"]) == proof
        async with town.session.get("/control/file", params={"platform": platform, "id": "nothing"}) as response:
            assert response.status == 400


async def test_what_is_no_text_comes_as_base64(town: Town) -> None:
    attachment = {"name": "noise.bin", "base64": "/wA="}
    await town.control("say", platform="telegram", channel="community", member="ana", text="", attachment=attachment)
    (message,) = (await town.look("channel", platform="telegram", channel="community"))["messages"]
    found = await town.look("file", platform="telegram", id=message["files"][0]["id"])
    assert (found["base64"], found["size"], "text" in found) == ("/wA=", 2, False)
