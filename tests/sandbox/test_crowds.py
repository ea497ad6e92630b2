"""Many at once: populated places, bulk messages, the bounded journal, the told limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox import frame
from bot.sandbox.frame import Clock, Journal

from .client import Client


async def test_a_crowd_can_be_written_to_at_once(client: Client) -> None:
    ids = (await client.control("populate", platform="telegram", count=200, prefix="fan"))["ids"]
    assert len(set(ids)) == 200
    for chat in (ids[0], ids[-1]):
        assert (await client.bot("sendMessage", chat_id=chat, text="hi"))["chat"]["type"] == "private"
    assert (await client.control("populate", platform="telegram", count=200, prefix="fan"))["ids"] == ids
    assert await client.updates() == []


@pytest.mark.parametrize("count", [0, 1.5, 100_001])
async def test_a_crowd_has_a_size(client: Client, count: float) -> None:
    status, answer = await client.try_control("populate", platform="telegram", count=count)
    assert (status, "count" in answer["error"]) == (400, True)


async def test_many_messages_in_one_call_come_in_order(client: Client) -> None:
    says = [{"channel": "community", "member": f"m{number % 7}", "text": str(number)} for number in range(120)]
    ids = (await client.control("say_many", platform="telegram", says=says))["message_ids"]
    updates = await client.updates() + await client.updates(offset=-20)
    assert [u["message"]["text"] for u in updates] == [str(number) for number in range(120)]
    assert [str(u["message"]["message_id"]) for u in updates] == ids


@pytest.mark.parametrize(
    ("says", "word"),
    [
        ([{"channel": "community", "member": "ana"}], "text"),
        (["x"], "object"),
        ([{"colour": 1}], "colour"),
        ({}, "list"),
    ],
)
async def test_a_wrong_message_among_many_stops_all(client: Client, says: Any, word: str) -> None:
    good = {"channel": "community", "member": "ana", "text": "good"}
    status, answer = await client.try_control(
        "say_many", platform="telegram", says=[good, *says] if isinstance(says, list) else says
    )
    assert (status, word in answer["error"]) == (400, True)
    assert await client.seen() == []


async def test_limits_are_told_where_they_are_enforced(client: Client, limited: Client) -> None:
    for one, told in ((client, {}), (limited, {"calls": 30, "seconds": 1.0, "burst": 30})):
        async with one.session.get("/control/info") as response:
            limits = (await response.json())["limits"]["telegram"]
        assert limits.get("all", {}) == told


async def test_telegram_and_unknown_platforms_have_no_page_for_addresses(client: Client) -> None:
    for platform, word in (("telegram", "setWebhook"), ("irc", "irc")):
        status, answer = await client.try_control("endpoint", platform=platform, url="http://127.0.0.1:1/x")
        assert (status, word in answer["error"]) == (400, True)


@pytest.mark.parametrize("with_file", [True, False])
def test_the_journal_keeps_the_newest_rows_and_finds_the_others_in_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_file: bool
) -> None:
    monkeypatch.setattr(frame, "KEPT_CHARACTERS", 20_000)
    path = tmp_path / "journal.jsonl"
    path.write_text("what was there before\n", encoding="utf-8")
    journal = Journal(Clock(), path if with_file else None)
    for number in range(1000):
        journal.event("telegram", "update", {"n": number, "text": "茶\ud800"})
    assert 50 < len(journal.rows) < 400
    assert journal.rows[-1]["seq"] == 1000
    for after in (0, 1, 255, 256, 257, 300, 640, 990, 999, 1000, 1001):
        rows = [json.loads(line) for line in journal.after(after)]
        numbers = [row["seq"] for row in rows]
        if with_file:
            assert numbers == list(range(after + 1, 1001))
            assert all(row["body"] == {"n": row["seq"] - 1, "text": "茶\ud800"} for row in rows)
        else:
            assert numbers == list(range(max(after + 1, 1001 - len(journal.rows)), 1001))
    journal.close()


async def test_the_oldest_messages_are_forgotten(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.sandbox.telegram.world.KEPT_MESSAGES", 3)
    ids = [(await client.send(str(number)))["message_id"] for number in range(5)]
    assert [m["text"] for m in await client.seen()] == ["2", "3", "4"]
    gone = await client.refused("editMessageText", chat_id=client.community, message_id=ids[0], text="x")
    assert "not found" in gone
