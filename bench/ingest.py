"""A steady stream on three platforms at once: how long from arrival to acknowledgement, and whether memory stays flat.

Slack acknowledges each envelope and Telegram confirms by its next poll, both seen in the server's journal; on Discord a
bot acknowledges nothing, so that there only the rows are counted.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from bench.telegram import CHATTER, QUESTIONS
from bench.world import World, cpu_seconds, herald, process, resident_mb, sandbox, until

PLATFORMS = ("telegram", "slack", "discord")
TICK = 0.05
WARM = 30.0
"""Seconds of the stream after which memory is looked at for the first time: everything that is used is loaded then."""


async def measure(folder: Path, rate: int, seconds: float) -> dict[str, float]:
    """Latencies in milliseconds over so many events a second for so long, memory at the beginning and its growth."""
    journal = folder / "ingest.jsonl"
    async with sandbox(journal) as world:
        environment = herald(folder / "ingest", await world.environment(), PLATFORMS)
        async with process(["-m", "bot", "run"], "herald ready", environment) as (child, _):
            memory: list[tuple[float, float]] = []
            watching = asyncio.create_task(_watch(child.pid, memory))
            begun = time.monotonic()
            pushed = await _stream(world, rate, seconds)
            took = time.monotonic() - begun
            stored = "SELECT count(*) FROM inbox WHERE state IN ('done', 'ignored')"
            await until(folder / "ingest", stored, pushed)
            watching.cancel()
            cpu = cpu_seconds(child.pid)
            peak = resident_mb(child.pid, "VmHWM")
    waits = sorted(_waits(journal))
    warm = [mb for at, mb in memory if at - memory[0][0] >= min(WARM, seconds / 4)]
    tenth = max(1, len(warm) // 10)
    return {
        "ingest_events": float(pushed),
        "ingest_events_per_second": pushed / took,
        "ingest_acknowledged_ms_p50": 1000 * statistics.median(waits),
        "ingest_acknowledged_ms_p99": 1000 * waits[int(len(waits) * 0.99)],
        "ingest_acknowledged_ms_max": 1000 * waits[-1],
        "ingest_cpu_seconds_per_1000": cpu * 1000 / pushed,
        "ingest_resident_mb_peak": peak,
        "ingest_resident_mb_growth": statistics.mean(warm[-tenth:]) - statistics.mean(warm[:tenth]),
    }


async def _watch(pid: int, found: list[tuple[float, float]]) -> None:
    while True:
        found.append((time.monotonic(), resident_mb(pid)))
        await asyncio.sleep(1)


async def _stream(world: World, rate: int, seconds: float) -> int:
    """Push; one in fifty is a question that gets a draft and a card on every platform."""
    per_tick = rate * TICK / len(PLATFORMS)
    begun = time.monotonic()
    pushed, tick = 0, 0
    while tick * TICK < seconds:
        calls = []
        for number, platform in enumerate(PLATFORMS):
            count = int((tick + 1) * per_tick + number / 3) - int(tick * per_tick + number / 3)
            calls.append(world.say_many(platform, [_said(pushed + one) for one in range(count)]))
            pushed += count
        await asyncio.gather(*calls)
        tick += 1
        await asyncio.sleep(max(0.0, begun + tick * TICK - time.monotonic()))
    return pushed


def _said(number: int) -> dict[str, str]:
    texts = QUESTIONS if number % 50 == 0 else CHATTER
    return {"channel": "community", "member": f"m{number % 25}", "text": texts[number % len(texts)]}


def _waits(journal: Path) -> Iterator[float]:
    """Seconds from each push to its acknowledgement."""
    envelopes: dict[str, float] = {}
    updates: list[tuple[int, float]] = []
    with journal.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            body = row.get("body")
            if not isinstance(body, dict):
                continue
            if row["platform"] == "slack" and "envelope_id" in body:
                if row["direction"] == "event":
                    envelopes[body["envelope_id"]] = row["at"]
                elif (sent := envelopes.pop(body["envelope_id"], None)) is not None:
                    yield row["at"] - sent
            elif row["platform"] == "telegram" and row["direction"] == "event":
                updates.append((int(body["update_id"]), row["at"]))
            elif row["platform"] == "telegram" and row["path"].endswith("getUpdates"):
                offset = int(body.get("offset") or 0)
                yield from (row["at"] - at for number, at in updates if number < offset)
                updates = [one for one in updates if one[0] >= offset]
