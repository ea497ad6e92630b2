from __future__ import annotations

import json
from typing import Any

import pytest

from .client import Client


async def test_info_names_everything_a_bot_needs(client: Client) -> None:
    async with client.session.get("/control/info") as response:
        info = await response.json()
    assert info["HERALD_TELEGRAM__API_URL"] == client.sandbox.base
    assert info["HERALD_OPENAI__BASE_URL"] == client.sandbox.base + "/v1"
    assert all(isinstance(value, str) for value in info["env"].values())
    assert {name: info[name] for name in info["env"]} == info["env"]
    assert json.loads(info["HERALD_CHANNELS"]) == info["channels"]
    assert {"telegram/community", "telegram/review", "telegram/general"} <= info["channels"].keys()


@pytest.mark.parametrize(
    ("call", "fields", "word"),
    [
        ("say", {"platform": "telegram", "channel": "community", "member": "ana"}, "text"),
        ("say", {"platform": "telegram", "channel": "community", "member": "ana", "text": "x", "colour": 1}, "colour"),
        ("say", {"platform": "telegram", "channel": "community", "member": "ana", "text": 7}, "text"),
        ("say", {"platform": "telegram", "channel": "community", "member": "ana", "text": ""}, "empty"),
        ("say", {"platform": "telegram", "channel": "nowhere", "member": "ana", "text": "x"}, "nowhere"),
        ("say", {"platform": "irc", "channel": "community", "member": "ana", "text": "x"}, "irc"),
        (
            "say",
            {"platform": "telegram", "channel": "community", "member": "ana", "text": "x", "tenant": "1"},
            "tenant",
        ),
        ("delete", {"platform": "telegram", "channel": "community", "member": "ana", "message_id": "77"}, "77"),
        ("advance", {}, "seconds"),
        ("advance", {"seconds": -1}, "seconds"),
        ("fault", {"platform": "telegram", "kind": "earthquake"}, "earthquake"),
        ("fault", {"platform": "telegram", "kind": "500", "times": 1.5}, "times"),
        ("fault", {"platform": "telegram", "kind": "invalid_session"}, "session"),
        ("fault", {"platform": "telegram", "kind": "429", "html": True}, "Cloudflare"),
        ("fault", {"platform": "openai", "kind": "deaf"}, "deaf"),
        ("model", {"match": "x"}, "reply"),
        ("model", {"reply": "x", "status": 500}, "either"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_the_reason(
    client: Client, call: str, fields: dict[str, Any], word: str
) -> None:
    status, answer = await client.try_control(call, **fields)
    assert status == 400
    assert word in answer["error"]


@pytest.mark.parametrize("body", ["", "no json", "[]", '"text"', "[" * 100_000])
async def test_a_body_that_is_no_object_is_refused(client: Client, body: str) -> None:
    async with client.session.post("/control/say", data=body) as response:
        assert response.status == 400
        assert "error" in await response.json()


@pytest.mark.parametrize("path", ["/control/info", "/", "/v1/models"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:80"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "localhost:1"}, None),
    ],
)
async def test_only_this_computer_is_answered(
    client: Client, path: str, headers: dict[str, str], status: int | None
) -> None:
    async with client.session.get(path, headers=headers) as response:
        assert (response.status == 403) == (status == 403)


async def test_channels_go_by_name_platform_and_name_or_id(client: Client) -> None:
    for channel in ("review", "telegram/review", str(client.sandbox.control.channels()["telegram/review"])):
        await client.say("ana", f"to {channel}", channel)
    assert len(await client.seen("review")) == 3


async def test_members_keep_their_ids(client: Client) -> None:
    made = await client.control("member", platform="telegram", member="ana", name="Ana Li")
    again = await client.control("member", platform="telegram", member=made["member_id"])
    assert again == made
    await client.say("ana", "hello")
    assert (await client.seen())[0]["author"] == "Ana Li"


async def test_the_journal_is_answered_and_written_in_order(client: Client, tmp_path: Any) -> None:
    await client.send("one")
    await client.say("ana", "two")
    await client.updates()
    rows = await client.journal()
    assert [row["seq"] for row in rows] == [1, 2, 3]
    assert [row["direction"] for row in rows] == ["request", "event", "request"]
    assert rows[0]["path"] == "/bot***/sendMessage"
    assert rows[0]["body"] == {"chat_id": client.community, "text": "one"}
    assert rows[1]["type"] == "update"
    written = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text("utf-8").splitlines()]
    assert written == rows
    assert await client.journal(after=2) == rows[2:]
    assert client.token not in json.dumps(rows)


async def test_advance_moves_the_clock_of_messages(client: Client) -> None:
    before = (await client.send("before"))["date"]
    await client.control("advance", seconds=7200)
    assert (await client.send("after"))["date"] >= before + 7200


async def test_the_page_is_served_without_outside_resources(client: Client) -> None:
    for path, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")):
        async with client.session.get(path) as response:
            assert response.status == 200
            assert response.content_type == kind
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            text = await response.text()
        assert "http://" not in text
        assert "https://" not in text


async def test_a_fault_is_taken_back_by_asking_for_it_no_times(client: Client) -> None:
    fault = {"platform": "telegram", "kind": "500"}
    await client.control("fault", **fault, times=3)
    await client.control("fault", **fault, times=2, match="other")
    await client.control("fault", platform="telegram", kind="429", match="limited")
    assert (await client.try_bot("getMe"))[0] == 500
    await client.control("fault", **fault, times=0, match="other")
    assert (await client.try_bot("getMe"))[0] == 500
    await client.control("fault", **fault, times=0)
    assert (await client.try_bot("getMe"))[0] == 200
    assert (await client.try_bot("sendMessage", chat_id=client.community, text="limited"))[0] == 429


async def test_deafness_ends_when_it_is_taken_back(client: Client) -> None:
    await client.control("fault", platform="telegram", kind="deaf", seconds=600)
    await client.say("ana", "hello?")
    assert await client.updates(timeout=0) == []
    await client.control("fault", platform="telegram", kind="deaf", times=0)
    assert [update["message"]["text"] for update in await client.updates(timeout=0)] == ["hello?"]
