"""Crowds that act at once, and which button a click means."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from .client import Client
from .test_all_platforms import everything

__all__ = ["everything"]

PLACE = {"platform": "telegram", "channel": "community"}


def keyboard(*payloads: str) -> dict[str, Any]:
    return {"inline_keyboard": [[{"text": f"Button {n}", "callback_data": p}] for n, p in enumerate(payloads)]}


@contextlib.asynccontextmanager
async def answering(client: Client, batches: list[int] | None = None) -> AsyncIterator[list[dict[str, Any]]]:
    """A bot that answers each pressed button with what it heard; the presses so far. `batches` are how many it heard
    of at once each time."""
    presses: list[dict[str, Any]] = []

    async def answer() -> None:
        offset = 0
        while True:
            updates = await client.updates(offset=offset, timeout=5)
            if batches is not None:
                batches.append(len(updates))
            for update in updates:
                offset = update["update_id"] + 1
                query = update["callback_query"]
                presses.append(query)
                text = f"{query['from']['first_name']}: {query['data'].split('|')[2]}"
                await client.bot("answerCallbackQuery", callback_query_id=query["id"], text=text)

    task = asyncio.create_task(answer())
    try:
        yield presses
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_crowd_is_made_quietly_and_presses_at_once(client: Client) -> None:
    crowd = await client.control("crowd", platform="telegram", prefix="fans", count=120)
    assert len(set(crowd["ids"])) == 120
    made = await client.control("member", platform="telegram", member="fans120")
    assert made["member_id"] == crowd["ids"][-1]
    card = await client.send("Which?", reply_markup=keyboard("v1|p.a|vote:1|m", "v1|p.a|vote:2|m"))
    clicks = [{"member": f"fans{n}", "button": f"vote:{1 + n % 2}"} for n in range(1, 121)]
    async with answering(client) as presses:
        place = {**PLACE, "message_id": str(card["message_id"])}
        answers = (await client.control("click_many", **place, clicks=clicks))["answers"]
    assert [a["toast"] for a in answers] == [f"{c['member']}: {c['button']}" for c in clicks]
    assert all(0 < a["seconds"] < 60 for a in answers)
    assert {p["from"]["id"] for p in presses} == {int(i) for i in crowd["ids"]}


async def test_one_person_presses_one_after_the_other(client: Client) -> None:
    card = await client.send("Which?", reply_markup=keyboard(*(f"v1|p.a|vote:{n}|m" for n in range(9))))
    clicks = [{"member": "ana", "button": f"vote:{n}"} for n in range(9)]
    batches: list[int] = []
    async with answering(client, batches) as presses:
        await client.control("click_many", **PLACE, message_id=str(card["message_id"]), clicks=clicks, at_once=9)
    assert max(batches) == 1
    assert [p["data"].split("|")[2] for p in presses] == [f"vote:{n}" for n in range(9)]


async def test_those_who_cannot_are_named_and_stop_nobody(client: Client) -> None:
    card = await client.send("Which?", reply_markup=keyboard("v1|p.a|vote:1|m"))
    await client.control("member", **{"platform": "telegram", "member": "ana"})
    await client.control("member", platform="telegram", member="bo", left=True)
    place = {**PLACE, "message_id": str(card["message_id"])}
    clicks = [{"member": "ana", "button": "vote:1"}, {"member": "bo", "button": "vote:1"}]
    async with answering(client):
        ana, bo = (await client.control("click_many", **place, clicks=clicks))["answers"]
    assert (ana["toast"], "not in community" in bo["error"]) == ("ana: vote:1", True)
    for wrong, word in (
        ([{"member": "ana", "button": "vote:7"}], "no button 'vote:7'"),
        ([{"member": "ana", "options": [1]}], "number 0"),
        ([{"member": "ana", "button": ""}], "number 0"),
        (["x"], "number 0"),
    ):
        status, answer = await client.try_control("click_many", **place, clicks=wrong)
        assert (status, word in answer["error"]) == (400, True), answer
    assert (await client.try_control("click_many", **place, clicks=clicks, at_once=0))[0] == 400
    assert (await client.try_control("crowd", platform="telegram", count=3))[0] == 400


async def test_many_vote_in_a_native_poll(client: Client) -> None:
    options = [{"text": "tea"}, {"text": "coffee"}]
    sent = await client.bot(
        "sendPoll", chat_id=client.community, question="Which?", options=options, is_anonymous=False
    )
    votes = [{"member": f"fans{n}", "options": [int(n % 3 == 0)]} for n in range(30)]
    answers = await client.control("vote_many", **PLACE, message_id=str(sent["message_id"]), votes=votes)
    assert all("error" not in answer for answer in answers["answers"])
    (shown,) = await client.seen()
    assert [o["votes"] for o in shown["poll"]["options"]] == [20, 10]


@pytest.mark.parametrize(
    ("button", "pressed"),
    [
        ("vote:2", "v1|p.a|vote:2|m"),
        ("Button 1", "v1|p.a|vote:2|m"),
        ("v1|p.a|vote:1|m", "v1|p.a|vote:1|m"),
        ("confirm", "v1|p.a|confirm|m"),
        ("reveal", "v1|p.a|reveal:7|m"),
        ("vote", None),
        ("p.a", None),
        ("m", None),
        ("vote:3", None),
    ],
)
async def test_a_click_means_a_button_by_its_action(client: Client, button: str, pressed: str | None) -> None:
    payloads = ("v1|p.a|vote:1|m", "v1|p.a|vote:2|m", "v1|p.a|confirm|m", "v1|p.a|reveal:7|m")
    card = await client.send("Which?", reply_markup=keyboard(*payloads))
    place = {**PLACE, "member": "ana", "message_id": str(card["message_id"])}
    if pressed is None:
        status, answer = await client.try_control("click", **place, button=button)
        assert (status, f"no button {button!r}" in answer["error"]) == (400, True)
    else:
        async with answering(client) as presses:
            await client.control("click", **place, button=button)
        assert [p["data"] for p in presses] == [pressed]


async def test_a_telegram_client_may_send_any_data(client: Client) -> None:
    card = await client.send("Which?", reply_markup=keyboard("v1|p.a|vote:1|m"))
    place = {**PLACE, "member": "ana", "message_id": str(card["message_id"]), "forged": True}
    async with answering(client) as presses:
        await client.control("click", **place, button="v1|p.a|vote:99|m")
    assert [p["data"] for p in presses] == ["v1|p.a|vote:99|m"]
    assert (await client.try_control("click", **place, button="票" * 22))[0] == 400
    assert (await client.try_control("click", **{**place, "forged": False}, button="vote:99"))[0] == 400


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_other_clients_send_only_what_is_there(everything: Client, platform: str) -> None:
    place = {"platform": platform, "channel": "community", "member": "ana", "message_id": "1"}
    status, answer = await everything.try_control("click", **place, button="x", forged=True)
    assert (status, "only what stands under" in answer["error"]) == (400, True)


@pytest.mark.parametrize(("platform", "taken"), [("slack", True), ("discord", False), ("telegram", False)])
async def test_a_manifest_is_pasted_where_there_is_a_page_for_it(
    everything: Client, platform: str, taken: bool
) -> None:
    scopes: dict[str, Any] = {"scopes": {"bot": ["chat:write"]}}
    manifest = {"features": {"slash_commands": []}, "oauth_config": scopes, "settings": {}}
    status, answer = await everything.try_control("manifest", platform=platform, manifest=manifest)
    assert status == (200 if taken else 400), answer
