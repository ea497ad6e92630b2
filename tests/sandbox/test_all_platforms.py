"""All platforms on one port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bot.sandbox.server import PLATFORMS, start

from .client import Client
from .hooked import hooked

WANTED = {
    "HERALD_TELEGRAM__API_URL", "HERALD_TELEGRAM__TOKEN", "HERALD_SLACK__API_URL", "HERALD_SLACK__BOT_TOKEN",
    "HERALD_SLACK__APP_TOKEN", "HERALD_SLACK__SIGNING_SECRET", "HERALD_DISCORD__API_URL", "HERALD_DISCORD__GATEWAY_URL",
    "HERALD_DISCORD__TOKEN", "HERALD_OPENAI__BASE_URL", "HERALD_OPENAI__API_KEY", "HERALD_OPENAI__MODEL",
    "HERALD_CHANNELS", "HERALD_DISCORD__PUBLIC_KEY", "HERALD_TELEGRAM__WEBHOOK_SECRET", "HERALD_SLACK__APP_ID",
}  # fmt: skip


@pytest.fixture
async def everything(tmp_path: Path) -> AsyncIterator[Client]:
    sandbox = await start(0, tmp_path / "journal.jsonl", limits=False)
    try:
        async with aiohttp.ClientSession(sandbox.base, timeout=aiohttp.ClientTimeout(total=20)) as session:
            yield Client(sandbox, session)
    finally:
        await sandbox.stop()


async def test_info_points_a_bot_to_every_platform(everything: Client) -> None:
    async with everything.session.get("/control/info") as response:
        info = await response.json()
    assert info["env"].keys() >= WANTED
    assert info["HERALD_SLACK__API_URL"].endswith("/api/")
    assert info["HERALD_DISCORD__API_URL"].endswith("/api/v10")
    assert all(everything.sandbox.base.partition("://")[2] in info[name] for name in WANTED if name.endswith("URL"))
    expected = {f"{platform}/{name}" for platform in PLATFORMS for name in ("community", "review", "general")}
    assert info["channels"].keys() >= expected


async def test_addresses_are_told_by_control_and_taken_back(everything: Client) -> None:
    async with hooked() as hook:
        hook.otherwise = lambda posted: web.Response(text=posted.json.get("challenge", ""))
        told = await everything.control("endpoint", platform="slack", url=hook.url, kind="events")
        assert told == {"set": ["events"]}
        await everything.control("say", platform="slack", channel="community", member="ana", text="over HTTP")
        assert [(await hook.next()).json["type"] for _ in range(2)] == ["url_verification", "event_callback"]
        assert await everything.control("endpoint", platform="slack", url="") == {}
        for platform, fields, word in (
            ("discord", {"url": hook.url}, "could not be verified"),
            ("slack", {"url": "https://example.org/"}, "this computer"),
            ("slack", {"url": hook.url, "kind": "faxes"}, "faxes"),
            ("discord", {}, "url"),
        ):
            status, answer = await everything.try_control("endpoint", platform=platform, **fields)
            assert (status, word in answer["error"]) == (400, True), answer


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_person_writes_changes_and_deletes(everything: Client, platform: str) -> None:
    made = await everything.control("member", platform=platform, member="ana")
    assert made.keys() >= {"member_id", "tenant"}
    place = {"platform": platform, "channel": "community", "member": "ana"}
    first = (await everything.control("say", **place, text="When is the tea back?"))["message_id"]
    second = (await everything.control("say", **place, text="Anybody?", reply_to=first))["message_id"]

    async def seen() -> list[tuple[str, str, str | None]]:
        query = {"platform": platform, "channel": f"{platform}/community", "member": "bo"}
        async with everything.session.get("/control/channel", params=query) as response:
            messages = (await response.json())["messages"]
        return [(m["id"], m["text"], m["reply_to"]) for m in messages]

    assert [(i, t) for i, t, _ in await seen()] == [(first, "When is the tea back?"), (second, "Anybody?")]
    assert (await seen())[1][2] == first
    await everything.control("edit", **place, message_id=first, text="When is the coffee back?")
    await everything.control("delete", **place, message_id=second)
    assert any("When is the coffee back?" in text for _, text, _ in await seen())
    assert second not in [i for i, _, _ in await seen()]


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_strangers_places_and_messages_are_refused(everything: Client, platform: str) -> None:
    base = {"platform": platform, "channel": "community", "member": "ana"}
    for call, fields in (
        ("say", {**base, "channel": "nowhere", "text": "x"}),
        ("click", {**base, "message_id": "12345", "button": "approve"}),
        ("edit", {**base, "message_id": "12345", "text": "x"}),
        ("submit", {"platform": platform, "member": "ana", "form_id": "none", "values": {}}),
        ("vote", {**base, "message_id": "12345", "options": [0]}),
        ("react", {**base, "message_id": "12345", "emoji": "👍"}),
    ):
        status, answer = await everything.try_control(call, **fields)
        assert (status, set(answer)) == (400, {"error"}), (call, answer)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_look_behind_a_message_shows_what_came_later(everything: Client, platform: str) -> None:
    place = {"platform": platform, "channel": "community", "member": "ana"}
    ids = [(await everything.control("say", **place, text=f"message {number}"))["message_id"] for number in range(4)]

    async def seen(**query: str) -> list[tuple[str, str]]:
        async with everything.session.get("/control/channel", params=place | query) as response:
            return [(m["id"], m["author"]) for m in (await response.json())["messages"]]

    assert await seen(after=ids[1]) == [(ids[2], "ana"), (ids[3], "ana")]
    assert await seen(after=ids[3]) == []
    await everything.control("delete", **place, message_id=ids[1])
    assert [one for one, _ in await seen(after=ids[1])] == [ids[0], ids[2], ids[3]]


@pytest.mark.parametrize("platform", ["slack", "telegram"])
async def test_a_new_name_is_seen_on_old_messages(everything: Client, platform: str) -> None:
    place = {"platform": platform, "channel": "community", "member": "ana"}
    await everything.control("say", **place, text="hello")
    for name in ("ana", "Ana Li"):
        await everything.control("member", platform=platform, member="ana", name=name)
        async with everything.session.get("/control/channel", params=place) as response:
            assert [m["author"] for m in (await response.json())["messages"]] == [name]
