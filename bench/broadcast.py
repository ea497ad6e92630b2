"""Approvals while a broadcast runs, under the limits that Telegram publishes and the local server enforces."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from bench.telegram import QUESTIONS
from bench.world import Slow, World, herald, process, sandbox, until
from bot.domain.delivery import Urgency
from bot.domain.places import Channel
from bot.domain.text import fingerprint
from bot.storage.outbox import Order, Outbox
from bot.storage.sqlite import SqliteStore

ROOMS = 60
"""Rooms in which members ask: Telegram takes one message a second in each."""
RATE = 5.0
"""Approvals a second."""
LONGEST = 900.0


@dataclass
class Seen:
    """What the journal shows: when each reply and each part of the broadcast was taken, and what was refused."""

    replies: dict[tuple[str, str], float] = field(default_factory=dict)
    broadcast: list[float] = field(default_factory=list)
    too_many: int = 0


async def measure(folder: Path, count: int) -> dict[str, float]:
    """Seconds from approval to delivery, the part used of what the limits allow, and how often it was too much."""
    journal = folder / "broadcast.jsonl"
    approvals = int(count / 30 * RATE)
    async with sandbox(journal, "published") as world:
        ids = await world.populate("telegram", count + ROOMS)
        rooms, crowd = ids[:ROOMS], ids[ROOMS:]
        environment = _environment(folder / "broadcast", await world.environment(), rooms, await _approver(world))
        async with process(["-m", "bot", "run"], "herald ready", environment):
            await _ask(world, approvals)
            await until(folder / "broadcast", "SELECT count(*) FROM drafts WHERE state = 'waiting'", approvals)
        await _queue(folder / "broadcast" / "data", crowd)
        asked = _drafts(folder / "broadcast" / "data")
        async with process(["-m", "bot", "run"], "herald ready", environment):
            clicked = await _approve(world, asked)
            await until(
                folder / "broadcast",
                "SELECT count(*) FROM outbox WHERE kind='reply' AND state='sent'",
                count + approvals,
                LONGEST,
            )
    return _figures(_read(journal, set(crowd)), clicked)


def _environment(folder: Path, told: dict[str, str], rooms: list[str], approver: str) -> dict[str, str]:
    channels = json.loads(told["HERALD_CHANNELS"]) | {f"telegram/{n}": room for n, room in enumerate(rooms)}
    return {
        **herald(folder, told, ("telegram", "slack")),
        "HERALD_CHANNELS": json.dumps(channels),
        "HERALD_WATCH__CHANNELS": json.dumps([f"telegram/{n}" for n in range(len(rooms))]),
        "HERALD_REVIEW__CHANNELS": '["slack/review"]',
        "HERALD_REVIEW__UNDO_SECONDS": "0",
        "HERALD_REVIEW__CARD_LINES": "false",
        "HERALD_ROLES__APPROVER": json.dumps([approver]),
        "HERALD_LIMITS": "published",
    }


async def _approver(world: World) -> str:
    answer = await world.post("/control/member", {"platform": "slack", "member": "ana"})
    assert isinstance(answer, dict)
    return f"slack:{answer['tenant']}:{answer['member_id']}"


async def _ask(world: World, count: int) -> None:
    says = [
        {"channel": "private", "member": f"crowd{number % ROOMS + 1}", "text": QUESTIONS[number % len(QUESTIONS)]}
        for number in range(count)
    ]
    await world.say_many("telegram", says)


async def _queue(data: Path, crowd: list[str]) -> None:
    """The broadcast, as rows of the outbox."""
    store = SqliteStore(data / "herald.db")
    await store.open()
    text = "Autumn's teas are here. Come and see!"

    def unit(connection: Connection) -> None:
        outbox = Outbox(connection, time.time())
        for number, chat in enumerate(crowd):
            to = Channel("telegram", "", chat)
            key = f"b{number}"
            outbox.add(Order(key, "reply", key, to, Urgency.BROADCAST, text=text, text_hash=fingerprint(text)))

    await store.write(unit)
    await store.close()


def _drafts(data: Path) -> list[tuple[int, tuple[str, str]]]:
    """Drafts with the comments that they answer, room by room in turn."""
    query = (
        "SELECT drafts.id, channel_id, message_id FROM drafts JOIN comments ON comments.id = comment_id"
        " ORDER BY row_number() OVER (PARTITION BY channel_id ORDER BY drafts.id), drafts.id"
    )
    with contextlib.closing(sqlite3.connect(data / "herald.db")) as connection:
        return [(row[0], (row[1], row[2])) for row in connection.execute(query)]


async def _approve(world: World, asked: list[tuple[int, tuple[str, str]]]) -> dict[tuple[str, str], float]:
    """Approve one after the other, so many a second; when each was."""
    clicked: dict[tuple[str, str], float] = {}
    begun = time.monotonic()
    calls = []
    for number, (draft, comment) in enumerate(asked):
        await asyncio.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        clicked[comment] = time.time()
        body = {"platform": "slack", "channel": "review", "member": "ana", "text": f"/herald approve {draft}"}
        calls.append(asyncio.create_task(world.post("/control/command", body)))
    await asyncio.gather(*calls)
    return clicked


def _read(journal: Path, crowd: set[str]) -> Seen:
    seen = Seen()
    with journal.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            seen.too_many += row.get("status") == 429
            if (
                row["platform"] != "telegram"
                or row["direction"] != "request"
                or not row["path"].endswith("sendMessage")
            ):
                continue
            chat, answers = str(row["body"]["chat_id"]), row["body"].get("reply_parameters")
            if row["status"] == 200 and answers:
                answers = json.loads(answers) if isinstance(answers, str) else answers
                seen.replies[chat, str(answers["message_id"])] = row["at"]
            elif row["status"] == 200 and chat in crowd:
                seen.broadcast.append(row["at"])
    return seen


def _figures(seen: Seen, clicked: dict[tuple[str, str], float]) -> dict[str, float]:
    missing = clicked.keys() - seen.replies.keys()
    if missing:
        raise Slow(f"{len(missing)} of {len(clicked)} replies did not arrive")
    waits = sorted(seen.replies[comment] - at for comment, at in clicked.items())
    begun, ended = min(seen.broadcast), max(seen.broadcast)
    sent = len(seen.broadcast) + sum(begun <= at <= ended for at in seen.replies.values())
    return {
        "broadcast_messages": float(len(seen.broadcast)),
        "broadcast_seconds": ended - begun,
        "broadcast_part_of_allowed": sent / (30 * (ended - begun)),
        "broadcast_refused_429": float(seen.too_many),
        "approvals": float(len(waits)),
        "approval_to_delivered_s_p50": waits[len(waits) // 2],
        "approval_to_delivered_s_p95": waits[int(len(waits) * 0.95)],
        "approval_to_delivered_s_max": waits[-1],
    }
